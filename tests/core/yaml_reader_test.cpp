#include "core/codec/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/codec/json_reader.h"
#include "core/codec/json_writer.h"

namespace rollcall {
namespace {

using ::testing::HasSubstr;
using Kind = JsonValue::Kind;

JsonValue parsed(std::string_view text) {
  auto value = parse_yaml(text);
  EXPECT_TRUE(value) << text << ": " << (value ? "" : value.error().message);
  return value ? *std::move(value) : JsonValue();
}

ProvisioningError refused(std::string_view text, const ReadLimits& read_limits = {}) {
  auto value = parse_yaml(text, read_limits);
  EXPECT_FALSE(value) << text;
  return value ? ProvisioningError{} : value.error();
}

std::string as_json(const JsonValue& value) {
  JsonWriter writer;
  return std::move(writer.value(value)).finish().value();
}

TEST(YamlReader, ReadsWhatPeopleWrite) {
  const JsonValue value = parsed(R"(
# the providers
providers:
  - id: consul-1
    kind: consul
    endpoints: ["http://127.0.0.1:8500", 'http://b']
    watch_params: {service: db, wait_ms: 10000}
    enabled: true
    note: |
      two
      lines
  - id: "file"
empty:
)");
  EXPECT_EQ(as_json(value), R"({"providers":[{"id":"consul-1","kind":"consul",)"
                            R"("endpoints":["http://127.0.0.1:8500","http://b"],)"
                            R"("watch_params":{"service":"db","wait_ms":10000},"enabled":true,)"
                            R"("note":"two\nlines\n"},{"id":"file"}],"empty":null})");
}

TEST(YamlReader, PlainScalarsFollowTheCoreSchema) {
  const auto kind = [](std::string_view text) { return parsed(text).kind(); };
  for (const char* text : {"~", "null", "Null", "NULL", "", "# only a comment", "---"}) {
    EXPECT_EQ(kind(text), Kind::Null) << text;
  }
  for (const char* text : {"true", "True", "TRUE"}) EXPECT_EQ(*parsed(text).as_bool(), true);
  for (const char* text : {"false", "False", "FALSE"}) EXPECT_EQ(*parsed(text).as_bool(), false);
  for (const char* text :
       {"no",       "yes", "on",   "off",        "y",     "n",      "1:30", "1_000", "tRUE", "nUll",
        "0b1",      "0x",  "0xg",  "0o8",        "1.2.3", "1e",     ".",    "-",     "+",    "e3",
        "10.0.0.1", "1a",  "-0x1", "2026-11-20", "\"1\"", "'true'", "\"\"", "<<"}) {
    EXPECT_EQ(kind(text == std::string_view("-") ? "a" : text), Kind::String) << text;
  }
  EXPECT_EQ(parsed("0x1F").as_i64(), 31);
  EXPECT_EQ(parsed("0o17").as_i64(), 15);
  EXPECT_EQ(parsed("007").as_i64(), 7);
  EXPECT_EQ(parsed("+5").as_i64(), 5);
  EXPECT_EQ(parsed("-9223372036854775808").as_i64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parsed("18446744073709551615").as_u64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parsed("1.5e3").as_double(), 1500.0);
  EXPECT_EQ(parsed("-.5").as_double(), -0.5);
  EXPECT_EQ(parsed("1.").as_double(), 1.0);
  EXPECT_EQ(parsed("+1.5").as_double(), 1.5);
}

TEST(YamlReader, NumbersThatWouldChangeAsTextAreMarked) {
  for (const char* text : {"007", "1.10", "0x1f", "+5", "1e3", "-0"}) {
    EXPECT_FALSE(parsed(text).has_exact_text()) << text;
  }
  for (const char* text : {"7", "-7", "1.5", "18446744073709551615"}) {
    EXPECT_TRUE(parsed(text).has_exact_text()) << text;
  }
}

TEST(YamlReader, WhatIsNotPlainDataIsRefusedWithItsLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: 1\nb: 2\na: 3", "line 3"},
      {"a: 1\n\"a\": 2", "line 2"},
      {"a: {b: 1, b: 2}", "line 1"},
      {"x: 1\na: &anchor 1", "line 2"},
      {"a: &x [1]\nb: *x", "line 1"},
      {"a: !!str 1", "line 1"},
      {"a: !custom {}", "line 1"},
      {"! a", "line 1"},
      {"%YAML 1.2\n---\na: 1", "line 1"},
      {"%TAG ! tag:x,2000:\n---\na: 1", "line 1"},
      {"a: 1\n---\nb: 2", "line 2"},
      {"? [1]\n: 2", "line 1"},
      {"? {a: 1}\n: 2", "line 1"},
      {": 1", "line 1"},
      {"a: .inf", "line 1"},
      {"a: -.INF", "line 1"},
      {"a: .nan", "line 1"},
      {"a: 18446744073709551616", "line 1"},
      {"a: -9223372036854775809", "line 1"},
      {"a: 0xfffffffffffffffff", "line 1"},
      {"a: 1e999", "line 1"},
      {"a: [1", "line "},
      {"a: \"x", "line "},
      {"a:\n\t- b", "line 2"},
      {"a: b: c", "line 1"},
      {"- a\nb", "line "},
      {"a: 1\n b: 2", "line 2"},
      {std::string("a: \x01"), "line "},
      {"a: 1\nb: \xff", "line 2"},
      {"\x80", "line 1"},
  };
  for (const auto& [text, line] : cases) {
    const auto error = refused(text);
    EXPECT_EQ(error.code, ErrorCode::InvalidConfig) << text;
    EXPECT_THAT(error.message, HasSubstr(line)) << text;
  }
}

TEST(YamlReader, BillionLaughsAreNotEvenBegun) {
  std::string text = "a: &a [x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    text += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ", *" +
            static_cast<char>(c - 1) + "]\n";
  }
  EXPECT_THAT(refused(text).message, HasSubstr("anchor"));
}

TEST(YamlReader, DepthSizeAndCountAreBounded) {
  std::string nested;
  for (int i = 0; i < limits::kMaxDepth; ++i) {
    nested += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  }
  parsed(nested);
  nested += std::string(limits::kMaxDepth, ' ') + "a: 1\n";
  EXPECT_THAT(refused(nested).message, HasSubstr("levels"));
  EXPECT_THAT(refused("x: " + std::string(1000, '[')).message, HasSubstr("levels"));
  EXPECT_EQ(refused("a: 1", {.max_bytes = 3}).code, ErrorCode::LimitExceeded);
  EXPECT_EQ(refused("[a, b, c]", {.max_values = 3}).code, ErrorCode::LimitExceeded);
  refused("a: " + std::string(limits::kMaxScalarBytes + 1, 'x'));
  EXPECT_EQ(refused("a: [", {.code = ErrorCode::StoreCorrupted}).code, ErrorCode::StoreCorrupted);
}

TEST(YamlReader, KeysAreTexts) {
  const JsonValue value = parsed("1: a\ntrue: b\n~: c\n\"\": d\n1.50: e");
  std::string keys;
  for (const JsonMember& member : *value.as_object()) keys += member.key + ",";
  EXPECT_EQ(keys, "1,true,~,,1.50,");
}

TEST(YamlReader, EveryValueKnowsItsPlace) {
  const JsonValue value = parsed("a: 1\nb:\n  - x\n  - {c: 2}\n");
  const JsonValue::Array& list = *value.find("b")->as_array();
  EXPECT_EQ(list[0].position().line, 3u);
  EXPECT_EQ(list[0].position().column, 5u);
  EXPECT_EQ(list[1].find("c")->position().line, 4u);
  EXPECT_EQ(value.as_object()->at(1).key_position.line, 2u);
}

TEST(ParseDocument, ReadsJsonAsJsonAndTheRestAsYaml) {
  EXPECT_EQ(as_json(parse_document(" \n{\"a\": 1}").value()), "{\"a\":1}");
  EXPECT_EQ(as_json(parse_document("\xEF\xBB\xBF[1]").value()), "[1]");
  EXPECT_EQ(as_json(parse_document("a: 1").value()), "{\"a\":1}");
  EXPECT_EQ(as_json(parse_document("\xEF\xBB\xBF"
                                   "a: 1")
                        .value()),
            "{\"a\":1}");
  EXPECT_EQ(as_json(parse_document("- 1").value()), "[1]");
  EXPECT_EQ(as_json(parse_document("# c\n{a: 1}").value()), "{\"a\":1}");
  // Would be fine as YAML, but is broken JSON.
  EXPECT_FALSE(parse_document("{a: 1}"));
  EXPECT_FALSE(parse_document("[1,]"));
}

}  // namespace
}  // namespace rollcall
