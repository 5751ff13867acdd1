#include "tests/core/sample_members.h"

#include <array>

namespace rollcall::test {

std::string random_text(std::mt19937_64& random, std::size_t max_bytes) {
  static constexpr std::array<std::string_view, 8> kPieces = {"a", "Z", "7", "-",
                                                              "ä", "€", "𐍈", "."};
  const std::size_t wanted = random() % (max_bytes + 1);
  std::string out;
  while (true) {
    const std::string_view piece = kPieces[random() % kPieces.size()];
    if (out.size() + piece.size() > wanted) return out;
    out += piece;
  }
}

ClusterNode random_node(std::mt19937_64& random, const std::string& id) {
  ClusterNode node;
  node.id = NodeId(id);
  node.host = "h" + std::to_string(random() % 100'000);
  node.port = static_cast<std::uint16_t>(random());
  node.zone = random_text(random, 20);
  for (std::size_t i = random() % 4; i > 0; --i) {
    node.labels["k" + random_text(random, 10)] = random_text(random, 40);
  }
  node.weight = static_cast<std::uint32_t>(random());
  node.status = static_cast<NodeStatus>(1 + random() % kNodeStatusCount);
  node.incarnation = random_text(random, 12);
  return node;
}

std::string numbered_id(std::size_t number) {
  std::string digits = std::to_string(number);
  return "n" + std::string(digits.size() < 7 ? 7 - digits.size() : 0, '0') + digits;
}

Member numbered_member(std::size_t number, std::uint32_t version, bool blocked) {
  ClusterNode node;
  node.id = NodeId(numbered_id(number));
  node.host = "10.0.0.1";
  node.port = 7000;
  node.weight = version;
  node.status = static_cast<NodeStatus>(1 + number % kNodeStatusCount);
  return make_member(std::move(node), blocked);
}

MemberMap numbered_map(std::size_t count) {
  std::vector<Member> members;
  members.reserve(count);
  for (std::size_t i = 0; i < count; ++i) members.push_back(numbered_member(i));
  return MemberMap::from(std::move(members));
}

}  // namespace rollcall::test
