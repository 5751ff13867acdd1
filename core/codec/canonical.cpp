#include "core/codec/canonical.h"

#include <xxhash.h>

#include <cstdlib>
#include <utility>

namespace rollcall {
namespace {

template <class T>
void append_little_endian(T value, std::string& out) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i)));
  }
}

void append_text(std::string_view text, std::string& out) {
  append_little_endian(static_cast<std::uint32_t>(text.size()), out);
  out += text;
}

}  // namespace

void append_canonical_bytes(const ClusterNode& node, bool blocked, std::string& out) {
  append_text(node.id.str(), out);
  append_text(node.host, out);
  append_little_endian(node.port, out);
  append_text(node.zone, out);
  append_little_endian(static_cast<std::uint32_t>(node.labels.size()), out);
  for (const auto& [key, value] : node.labels) {
    append_text(key, out);
    append_text(value, out);
  }
  append_little_endian(node.weight, out);
  append_little_endian(static_cast<std::uint8_t>(node.status), out);
  append_text(node.incarnation, out);
  append_little_endian(static_cast<std::uint8_t>(blocked ? 1 : 0), out);
}

std::string canonical_bytes(const ClusterNode& node, bool blocked) {
  std::string out;
  append_canonical_bytes(node, blocked, out);
  return out;
}

std::uint64_t xxh64(std::string_view bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

std::uint64_t member_hash(const ClusterNode& node, bool blocked) {
  return xxh64(canonical_bytes(node, blocked));
}

Member make_member(std::shared_ptr<const ClusterNode> node, bool blocked) {
  if (!node) std::abort();  // see Member: never null
  const std::uint64_t hash = member_hash(*node, blocked);
  return Member{std::move(node), blocked, hash};
}

Member make_member(ClusterNode node, bool blocked) {
  return make_member(std::make_shared<const ClusterNode>(std::move(node)), blocked);
}

Member with_blocked(const Member& member, bool blocked) {
  return member.blocked == blocked ? member : make_member(member.node, blocked);
}

}  // namespace rollcall
