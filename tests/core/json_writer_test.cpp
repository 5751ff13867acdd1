#include "core/codec/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "core/codec/json_reader.h"
#include "core/text.h"

namespace rollcall {
namespace {

TEST(JsonWriter, WritesCompactAndIndented) {
  const auto write = [](int indent) {
    JsonWriter w(indent);
    w.begin_object()
        .field("s", "a\"\\\n\x01\xc2\x9b€")
        .field("b", true)
        .field("i", -5)
        .field("u", 5u)
        .field_u64_text("h", ~std::uint64_t{0})
        .field_number("d", 1.5)
        .key("l")
        .begin_array()
        .integer(1)
        .null()
        .begin_object()
        .end_object()
        .end_array()
        .field("m", std::map<std::string, std::string>{{"k", "v"}})
        .end_object();
    return std::move(w).finish().value();
  };
  EXPECT_EQ(write(0),
            R"({"s":"a\"\\\n\u0001\u009b€","b":true,"i":-5,"u":5,"h":"18446744073709551615",)"
            R"("d":1.5,"l":[1,null,{}],"m":{"k":"v"}})");
  EXPECT_EQ(write(2).substr(0, 11), "{\n  \"s\": \"a");
  EXPECT_TRUE(parse_json(write(2)));
}

TEST(JsonWriter, DoublesStayDoublesAndExact) {
  for (const double number : {0.1, 1.0, -0.0, 1e300, 5e-324, 123456789012345680.0}) {
    JsonWriter w;
    w.number(number);
    const std::string text = std::move(w).finish().value();
    const JsonValue back = parse_json(text).value();
    EXPECT_EQ(back.kind(), JsonValue::Kind::Double) << text;
    EXPECT_EQ(back.as_double(), number) << text;
  }
}

TEST(JsonWriter, WhatCannotBeWrittenIsAnErrorAndNothingIsReplaced) {
  JsonWriter text;
  text.string("a\xff");
  EXPECT_EQ(std::move(text).finish().error().code, ErrorCode::InvalidConfig);
  JsonWriter key;
  key.begin_object().field("\x80", "x").end_object();
  EXPECT_FALSE(std::move(key).finish());
  JsonWriter number;
  number.begin_array().number(std::nan("")).end_array();
  EXPECT_FALSE(std::move(number).finish());
  JsonWriter infinite;
  infinite.number(std::numeric_limits<double>::infinity());
  EXPECT_FALSE(std::move(infinite).finish());
}

TEST(JsonWriter, EveryTextComesBack) {
  std::string all;
  for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
  all += "\xc2\x80\xc2\x9f\xc2\xa0ä€𐍈\xEF\xBF\xBF";
  JsonWriter w;
  w.string(all);
  EXPECT_EQ(*parse_json(std::move(w).finish().value())->as_string(), all);
}

TEST(JsonWriter, TreesComeBack) {
  const std::string text =
      R"({"a":[1,-2,18446744073709551615,1.5,"x",null,true,{"b":{}}],"c":[],"d":""})";
  JsonWriter w;
  w.value(parse_json(text).value());
  EXPECT_EQ(std::move(w).finish().value(), text);
}

TEST(JsonQuotedLossy, IsAlwaysValidJson) {
  EXPECT_EQ(json_quoted_lossy("a\xff\n€"), "\"a\\\\xff\\n€\"");
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    std::mt19937_64 random(seed);
    std::string text(random() % 30, '\0');
    for (char& c : text) c = static_cast<char>(random());
    ASSERT_TRUE(parse_json(json_quoted_lossy(text))) << "seed " << seed;
  }
}

TEST(JsonWriterDeathTest, MisuseIsABugAndAborts) {
  EXPECT_DEATH(JsonWriter().begin_object().string("x"), "without a key");
  EXPECT_DEATH(JsonWriter().begin_array().end_object(), "nothing began");
  EXPECT_DEATH(JsonWriter().begin_array().key("x"), "none is due");
  EXPECT_DEATH((void)std::move(JsonWriter().begin_array()).finish(), "unfinished");
  EXPECT_DEATH(JsonWriter().null().null(), "second document");
}

}  // namespace
}  // namespace rollcall
