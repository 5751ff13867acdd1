#include "core/codec/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace rollcall {
namespace {

using ::testing::HasSubstr;
using Kind = JsonValue::Kind;

JsonValue parsed(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << text << ": " << (value ? "" : value.error().message);
  return value ? *std::move(value) : JsonValue();
}

ProvisioningError refused(std::string_view text, const ReadLimits& read_limits = {}) {
  auto value = parse_json(text, read_limits);
  EXPECT_FALSE(value) << text;
  return value ? ProvisioningError{} : value.error();
}

TEST(JsonReader, ReadsEveryKindExactly) {
  const JsonValue value =
      parsed(R"({"n":null,"t":true,"f":false,"i":-9223372036854775808,"u":18446744073709551615,)"
             R"("d":0.5,"s":"a\n\u00e4\ud834\udd1e","l":[1,[]],"o":{}})");
  EXPECT_EQ(value.find("n")->kind(), Kind::Null);
  EXPECT_EQ(*value.find("t")->as_bool(), true);
  EXPECT_EQ(*value.find("f")->as_bool(), false);
  EXPECT_EQ(value.find("i")->as_i64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(value.find("i")->as_u64(), std::nullopt);
  EXPECT_EQ(value.find("u")->as_u64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(value.find("u")->as_i64(), std::nullopt);
  EXPECT_EQ(value.find("d")->as_double(), 0.5);
  EXPECT_EQ(value.find("d")->as_i64(), std::nullopt);
  EXPECT_EQ(*value.find("s")->as_string(), "a\nä𝄞");
  EXPECT_EQ(value.find("l")->as_array()->size(), 2u);
  EXPECT_TRUE(value.find("o")->as_object()->empty());
  EXPECT_EQ(value.find("absent"), nullptr);
  EXPECT_EQ(parsed("1.0").kind(), Kind::Double) << "a fraction makes a number no integer";
  EXPECT_EQ(parsed("1e2").kind(), Kind::Double);
}

TEST(JsonReader, ObjectsKeepTheirOrder) {
  const JsonValue value = parsed(R"({"z":1,"a":2,"m":3})");
  std::string keys;
  for (const JsonMember& member : *value.as_object()) keys += member.key;
  EXPECT_EQ(keys, "zam");
}

TEST(JsonReader, EveryValueKnowsItsPlace) {
  const JsonValue value =
      parsed("{\n  \"a\": [1,\n    \"x\\\"y\", {\"k\" : -2.5e1 }],\n \"b\":true}");
  const auto place = [](const JsonValue& at) {
    return std::to_string(at.position().line) + ":" + std::to_string(at.position().column);
  };
  const JsonValue::Array& list = *value.find("a")->as_array();
  EXPECT_EQ(place(value), "1:1");
  EXPECT_EQ(place(*value.find("a")), "2:8");
  EXPECT_EQ(place(list[0]), "2:9");
  EXPECT_EQ(place(list[1]), "3:5");
  EXPECT_EQ(place(list[2]), "3:13");
  EXPECT_EQ(place(*list[2].find("k")), "3:20");
  EXPECT_EQ(place(*value.find("b")), "4:6");
  EXPECT_EQ(value.as_object()->back().key_position.column, 2u);
}

TEST(JsonReader, DuplicateKeysAreRefusedWithBothLines) {
  const auto error = refused("{\"a\":1,\n\"b\":{\"c\":1,\n\"c\":2}}");
  EXPECT_EQ(error.code, ErrorCode::InvalidConfig);
  EXPECT_THAT(error.message, HasSubstr("line 3, column 1"));
  EXPECT_THAT(error.message, HasSubstr("first on line 2"));
  EXPECT_THAT(refused(R"({"a":1,"\u0061":2})").message, HasSubstr("key a again"));
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) many += "\"k" + std::to_string(i) + "\":0,\n";
  EXPECT_THAT(refused(many + "\"k500\":0}").message, HasSubstr("line 1001"));
  parsed(R"([{"a":1},{"a":2}])");
}

TEST(JsonReader, OnlyOneDocumentAndNothingElse) {
  for (const char* text :
       {"",          " ",        "{",       "[1,2",     "[1,]",     "{\"a\":1,}",  "{\"a\"}",
        "{\"a\":}",  "{a:1}",    "{'a':1}", "{} x",     "{}{}",     "[] ,",        "nul",
        "nulll",     "tru",      "True",    "NaN",      "Infinity", "-",           "+1",
        "01",        "1.",       ".5",      "1e",       "0x10",     "\"",          "\"\\x\"",
        "\"\\u12\"", "\"a\nb\"", "// c\n1", "/* c */1", "[1 2]",    "\"\\ud800\"", "\"\\udc00x\"",
        "]",         ":",        ","}) {
    const auto error = refused(text);
    EXPECT_EQ(error.code, ErrorCode::InvalidConfig) << text;
    EXPECT_THAT(error.message, HasSubstr("line ")) << text;
    ASSERT_EQ(error.problems.size(), 1u) << text;
  }
  parsed(" \t\r\n1 \n");
  parsed("\xEF\xBB\xBF{}");
}

// nlohmann-json alone would take it for the end and never see the rest; fuzzing found it.
TEST(JsonReader, ANulByteDoesNotHideWhatFollows) {
  for (const std::string& text : {std::string("{}\0", 3), std::string("{}\0 garbage", 11),
                                  std::string("0\0\0", 3), std::string("\0{}", 3)}) {
    EXPECT_THAT(refused(text).message, HasSubstr("NUL"));
  }
  EXPECT_EQ(parsed("\"\\u0000\"").as_string()->size(), 1u) << "escaped it is a character";
}

TEST(JsonReader, ErrorsDoNotRepeatWhatTheyCouldNotRead) {
  const auto error = refused("{\"token_file\": \"/a\", \"x\": \"hunter2\\q\"}");
  EXPECT_EQ(error.message.find("hunter2"), std::string::npos) << error.message;
  EXPECT_EQ(refused("hunter2").message.find("hunter2"), std::string::npos);
  EXPECT_EQ(refused("[1e99999]").message.find("1e99999"), std::string::npos);
}

TEST(JsonReader, NumbersThatDoNotFitAreRefusedNotRounded) {
  EXPECT_THAT(refused("18446744073709551616").message, HasSubstr("64 bits"));
  EXPECT_THAT(refused("-9223372036854775809").message, HasSubstr("64 bits"));
  refused("1e400");
  refused("-1e400");
  EXPECT_EQ(parsed("9223372036854775807").kind(), Kind::Integer);
  EXPECT_EQ(parsed("9223372036854775808").kind(), Kind::Unsigned);
  EXPECT_EQ(parsed("-0").as_i64(), 0);
}

TEST(JsonReader, NumbersRememberWhetherTheyCanBeTakenAsText) {
  EXPECT_TRUE(parsed("1.5").has_exact_text());
  EXPECT_FALSE(parsed("1.50").has_exact_text());
  EXPECT_FALSE(parsed("1e3").has_exact_text());
  EXPECT_TRUE(parsed("150").has_exact_text());
}

TEST(JsonReader, InvalidUtf8IsRefused) {
  for (const char* bytes :
       {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xFF"}) {
    refused("[\"" + std::string(bytes) + "\"]");
    refused("{\"" + std::string(bytes) + "\":1}");
    refused(bytes);
  }
}

TEST(JsonReader, TheCodeIsTheCallersAndSizeIsALimit) {
  EXPECT_EQ(refused("{", {.code = ErrorCode::StoreCorrupted}).code, ErrorCode::StoreCorrupted);
  EXPECT_EQ(refused("[1,2,3]", {.max_bytes = 6}).code, ErrorCode::LimitExceeded);
  EXPECT_EQ(refused("[1,2,3]", {.max_values = 3}).code, ErrorCode::LimitExceeded);
  EXPECT_TRUE(parse_json("[1,2,3]", {.max_bytes = 7, .max_values = 4}));
}

TEST(JsonReader, DepthIsBounded) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  parsed(nested(limits::kMaxDepth));
  EXPECT_THAT(refused(nested(limits::kMaxDepth + 1)).message, HasSubstr("32 levels"));
  EXPECT_TRUE(parse_json("1", {.max_depth = 0}));
  EXPECT_FALSE(parse_json("[]", {.max_depth = 0}));
}

TEST(JsonValue, DescribesItselfShortly) {
  EXPECT_EQ(parsed("[1,2]").describe(), "a list of 2");
  EXPECT_EQ(parsed("{}").describe(), "an object of 0");
  EXPECT_EQ(parsed("\"\"").describe(), "\"\"");
  EXPECT_EQ(parsed("1.50").describe(), "1.5");
  EXPECT_LE(parsed("\"" + std::string(1000, 'x') + "\"").describe().size(), 128u);
}

}  // namespace
}  // namespace rollcall
