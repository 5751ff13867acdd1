// Input made to hurt: very large, very deep, cut anywhere. Every reader answers with a value or a
// structured error within its limits; nothing crashes, hangs or eats memory.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "core/codec/descriptor_codec.h"
#include "core/codec/json_reader.h"
#include "core/codec/large_json.h"
#include "core/codec/node_codec.h"
#include "core/codec/yaml_reader.h"
#include "core/text.h"

namespace rollcall {
namespace {

constexpr std::size_t k64MiB = 64u << 20;

void expect_structured(const ProvisioningError& error) {
  EXPECT_FALSE(error.message.empty());
  EXPECT_LE(error.message.size(), 2048u);
  EXPECT_TRUE(is_valid_utf8(error.message));
  EXPECT_LE(error.problems.size(), limits::kMaxProblems);
}

// What all four readers make of `text`; true: a value.
std::vector<bool> read_all(const std::string& text) {
  std::vector<bool> out;
  const auto note = [&](const auto& result) {
    out.push_back(result.has_value());
    if (!result) expect_structured(result.error());
  };
  note(parse_json(text));
  note(parse_yaml(text));
  note(parse_descriptors(text));
  note(parse_node_list(text, {}));
  note(LargeJson::parse(text));
  return out;
}

constexpr std::string_view kSampleJson =
    R"([{"id":"n1","host":"10.0.0.1","port":7000,"zone":"zü","labels":{"a\u0062":"€","c":""},)"
    R"("weight":5,"status":"READY","incarnation":"7"},{"id":"n2","host":"h","port":1}])";
constexpr std::string_view kSampleYaml =
    "members:\n- id: n1\n  host: '10.0.0.1'\n  port: 7000\n  labels: {a: \"€\", b: x}\n"
    "- id: n2\n  host: h # comment\n  status: NOT_READY\n";

TEST(Hostile, EveryTruncationOfJsonIsRefused) {
  ASSERT_TRUE(parse_node_list(kSampleJson, {}));
  for (std::size_t length = 0; length < kSampleJson.size(); ++length) {
    const std::string cut(kSampleJson.substr(0, length));
    EXPECT_FALSE(parse_json(cut)) << length;
    EXPECT_FALSE(LargeJson::parse(cut)) << length;
    const auto nodes = parse_node_list(cut, {});
    ASSERT_FALSE(nodes) << length;
    expect_structured(nodes.error());
  }
}

// A truncated YAML file can be a valid shorter one; it must never be anything worse.
TEST(Hostile, EveryTruncationOfYamlIsReadOrRefused) {
  ASSERT_TRUE(parse_node_list(kSampleYaml, {}));
  for (std::size_t length = 0; length < kSampleYaml.size(); ++length) {
    read_all(std::string(kSampleYaml.substr(0, length)));
  }
}

TEST(Hostile, EveryFlippedBitIsReadOrRefused) {
  for (const std::string_view sample : {kSampleJson, kSampleYaml}) {
    for (std::size_t at = 0; at < sample.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string text(sample);
        text[at] = static_cast<char>(text[at] ^ (1 << bit));
        read_all(text);
      }
    }
  }
}

TEST(Hostile, RandomBytesAreReadOrRefused) {
  static constexpr std::string_view kAlphabet =
      "{}[]:,\"\\ \n-&*!|>%@`'#?0123456789.eEnulltrue\xff\xc3\xa4";
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::string text(random() % 60, '\0');
    for (char& c : text) c = kAlphabet[random() % kAlphabet.size()];
    read_all(text);
  }
}

TEST(Hostile, TwoHundredLevelsAreRefused) {
  std::string objects;
  for (int i = 0; i < 200; ++i) objects += "{\"a\":";
  objects += "1" + std::string(200, '}');
  std::string flow = "a: " + std::string(200, '[') + std::string(200, ']');
  std::string block;
  for (std::size_t i = 0; i < 200; ++i) block += std::string(i, ' ') + "a:\n";
  for (const std::string& text : {std::string(200, '[') + std::string(200, ']'), objects, flow,
                                  block, std::string(200, '[')}) {
    for (const bool read : read_all(text)) EXPECT_FALSE(read) << text.substr(0, 20);
  }
}

TEST(Hostile, SixtyFourMegabytesAboveTheLimitAreNotEvenLookedAt) {
  const std::string text(k64MiB + 1, ' ');
  EXPECT_EQ(parse_json(text).error().code, ErrorCode::LimitExceeded);
  EXPECT_EQ(parse_yaml(text).error().code, ErrorCode::LimitExceeded);
  EXPECT_EQ(LargeJson::parse(text).error().code, ErrorCode::LimitExceeded);
  EXPECT_EQ(parse_node_list(text, {.max_bytes = limits::kMaxMemberFileBytes}).error().code,
            ErrorCode::LimitExceeded);
}

// 64 MB of the shortest values would be some 30 million tree nodes.
TEST(Hostile, SixtyFourMegabytesOfTinyValuesEndAtTheLimitOfValues) {
  std::string text = "[],";
  while (text.size() < k64MiB / 2) text += text;
  text[0] = '[';
  text[1] = ' ';
  text[2] = ' ';
  const auto json = parse_json(text, {.max_bytes = k64MiB});
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().code, ErrorCode::LimitExceeded);
  text.resize(2u << 20);
  const auto yaml = parse_yaml("x: " + text, {.max_values = 100'000});
  ASSERT_FALSE(yaml);
  EXPECT_EQ(yaml.error().code, ErrorCode::LimitExceeded);
}

TEST(Hostile, SixtyFourMegabytesOfOneStringAreReadOrRefused) {
  const std::string text = "\"" + std::string(k64MiB - 2, 'x') + "\"";
  EXPECT_TRUE(parse_json(text, {.max_bytes = k64MiB}));
  EXPECT_TRUE(LargeJson::parse(text));
  const auto yaml = parse_yaml(text, {.max_bytes = k64MiB});
  ASSERT_FALSE(yaml);
  expect_structured(yaml.error());
}

std::vector<std::string> repeated_in(const std::string& text) {
  std::vector<RepeatedKey> repeated;
  const auto value = parse_document(text, {.repeated = &repeated});
  EXPECT_TRUE(value) << (value ? "" : value.error().message);
  std::vector<std::string> out;
  for (const RepeatedKey& key : repeated) {
    out.push_back(key.path + ":" + std::to_string(key.first.line) + ":" +
                  std::to_string(key.position.line));
  }
  return out;
}

TEST(Hostile, RepeatedKeysCanAllBeToldAndTheFirstOneStands) {
  using Paths = std::vector<std::string>;
  EXPECT_EQ(repeated_in("a: 1\nb:\n  - x: 1\n    y: 2\n    x: 3\n    x: 4\na: 2\n"),
            (Paths{"b[0].x:3:5", "b[0].x:3:6", "a:1:7"}));
  EXPECT_EQ(repeated_in("{\"a\":1,\n\"a\":{\"b\":1,\n\"b\":2}}"), (Paths{"a.b:2:3", "a:1:2"}));
  std::string many = "{";
  for (int i = 0; i < 100; ++i)
    many += "\"k" + std::to_string(i % 90) + "\":" + std::to_string(i) + ",\n";
  many += "\"z\":0}";
  std::vector<RepeatedKey> repeated;
  const auto value = parse_json(many, {.repeated = &repeated});
  ASSERT_TRUE(value);
  EXPECT_EQ(repeated.size(), 10u);
  EXPECT_EQ(value->as_object()->size(), 91u);
  EXPECT_EQ(value->find("k5")->as_i64(), 5) << "not 95";
  std::string endless = "{\"a\":0";
  for (int i = 0; i < 2000; ++i) endless += ",\"a\":0";
  EXPECT_FALSE(parse_json(endless + "}", {.repeated = &repeated})) << "a bounded number is noted";
}

TEST(Hostile, ManyMistakesAreCountedAndFewKept) {
  std::string text = "[";
  for (int i = 0; i < 20'000; ++i) text += R"({"id":"","host":"a b","port":-1,"x":1},)";
  text.back() = ']';
  const auto nodes = parse_node_list(text, {.max_bytes = k64MiB});
  ASSERT_FALSE(nodes);
  EXPECT_EQ(nodes.error().problems.size(), limits::kMaxProblems);
  EXPECT_GE(nodes.error().total_problems, 60'000u);
  expect_structured(nodes.error());
}

TEST(Hostile, ManyMembersAreBounded) {
  std::string text = "[";
  for (std::size_t i = 0; i <= limits::kMaxMembers; ++i) text += "{},";
  text.back() = ']';
  const auto nodes = parse_node_list(text, {.max_bytes = k64MiB});
  ASSERT_FALSE(nodes);
  EXPECT_NE(nodes.error().message.find("at most 200000"), std::string::npos);
}

}  // namespace
}  // namespace rollcall
