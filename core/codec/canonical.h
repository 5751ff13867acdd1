// Canonical bytes and the hash over them (SPEC 4, hash_version 1: frozen; the vectors are in
// tests/core/hash_vectors.json). A topology's hash is the sum of its members' hashes modulo 2^64,
// so that MemberMap keeps it up to date with every change.
//
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/node.h"

namespace rollcall {

// id, host, port (u16), zone, label count (u32), labels by key, weight (u32), status (u8),
// incarnation, blocked (u8). Strings: u32 length, then UTF-8. Integers little-endian.
// `out` is appended to.
void append_canonical_bytes(const ClusterNode& node, bool blocked, std::string& out);
std::string canonical_bytes(const ClusterNode& node, bool blocked);

// XXH64 with seed 0.
std::uint64_t xxh64(std::string_view bytes);

std::uint64_t member_hash(const ClusterNode& node, bool blocked);

// The only way to a Member. `node` must not be null and must have passed validate_node().
Member make_member(std::shared_ptr<const ClusterNode> node, bool blocked = false);
Member make_member(ClusterNode node, bool blocked = false);
// The same node, blocked or not; shares the node, and the hash if nothing changes.
Member with_blocked(const Member& member, bool blocked);

}  // namespace rollcall
