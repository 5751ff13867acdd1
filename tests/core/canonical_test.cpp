#include "core/codec/canonical.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "core/codec/json_reader.h"
#include "core/codec/node_codec.h"
#include "core/member_map.h"
#include "tests/support/source_dir.h"

namespace rollcall {
namespace {

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<std::uint8_t>(c) >> 4];
    out += kDigits[static_cast<std::uint8_t>(c) & 0xf];
  }
  return out;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// One member of the vectors' file: a node with three fields more.
Member check_vector_member(const JsonValue& value) {
  JsonValue::Object plain;
  for (const JsonMember& field : *value.as_object()) {
    if (field.key != "blocked" && field.key != "canonical_hex" && field.key != "hash") {
      plain.push_back(field);
    }
  }
  ProblemList problems;
  ClusterNode node = read_node(JsonValue(std::move(plain)), "", problems);
  EXPECT_TRUE(problems.empty());
  const bool blocked = *value.find("blocked")->as_bool();
  EXPECT_EQ(hex(canonical_bytes(node, blocked)), *value.find("canonical_hex")->as_string());
  EXPECT_EQ(std::to_string(member_hash(node, blocked)), *value.find("hash")->as_string());
  return make_member(std::move(node), blocked);
}

// The vectors were computed by another implementation (Python, the xxhash package) from SPEC 4.
TEST(Canonical, PublishedVectorsHold) {
  const std::string path = test::source_dir().string() + "/tests/core/hash_vectors.json";
  const auto document = parse_json(read_file(path));
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(document->find("hash_version")->as_i64(), 1);
  const JsonValue::Array& vectors = *document->find("vectors")->as_array();
  EXPECT_GE(vectors.size(), 10u);
  for (const JsonValue& vector : vectors) {
    SCOPED_TRACE(*vector.find("description")->as_string());
    std::vector<Member> members;
    for (const JsonValue& member : *vector.find("members")->as_array()) {
      members.push_back(check_vector_member(member));
    }
    const std::uint64_t hash = MemberMap::from(std::move(members)).hash();
    EXPECT_EQ(std::to_string(hash), *vector.find("snapshot_hash")->as_string());
  }
}

TEST(Canonical, XxHashIsTheOriginalOne) {
  EXPECT_EQ(xxh64(""), 0xef46db3751d8e999u);
  EXPECT_EQ(xxh64("abc"), 0x44bc2cf5ad770999u);
}

TEST(Canonical, EveryFieldIsInIt) {
  ClusterNode base;
  base.id = NodeId("a");
  base.host = "h";
  const std::uint64_t hash = member_hash(base, false);
  EXPECT_NE(member_hash(base, true), hash);
  const auto differs = [&](auto change) {
    ClusterNode node = base;
    change(node);
    EXPECT_NE(member_hash(node, false), hash);
  };
  differs([](ClusterNode& n) { n.id = NodeId("b"); });
  differs([](ClusterNode& n) { n.host = "i"; });
  differs([](ClusterNode& n) { n.port = 1; });
  differs([](ClusterNode& n) { n.zone = "z"; });
  differs([](ClusterNode& n) { n.labels["k"] = ""; });
  differs([](ClusterNode& n) { n.weight = 2; });
  differs([](ClusterNode& n) { n.status = NodeStatus::NotReady; });
  differs([](ClusterNode& n) { n.incarnation = "1"; });
}

TEST(Canonical, LengthsKeepNeighboursApart) {
  ClusterNode one;
  one.id = NodeId("ab");
  one.host = "c";
  ClusterNode two;
  two.id = NodeId("a");
  two.host = "bc";
  EXPECT_NE(member_hash(one, false), member_hash(two, false));
}

TEST(Canonical, BlockingKeepsTheNodeAndBringsTheHashBack) {
  ClusterNode node;
  node.id = NodeId("a");
  const Member open = make_member(node);
  const Member blocked = with_blocked(open, true);
  EXPECT_EQ(open.node, blocked.node);
  EXPECT_NE(open.hash, blocked.hash);
  EXPECT_EQ(with_blocked(blocked, false), open);
  EXPECT_EQ(with_blocked(open, false).hash, open.hash);
}

}  // namespace
}  // namespace rollcall
