// Members for the tests of core: random ones, from a seed that the caller prints.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "core/codec/canonical.h"
#include "core/member_map.h"
#include "core/node.h"

namespace rollcall::test {

// An ASCII or multi-byte text of at most `max_bytes` bytes.
std::string random_text(std::mt19937_64& random, std::size_t max_bytes);

// Valid by validate_node(), with every field filled now and then.
ClusterNode random_node(std::mt19937_64& random, const std::string& id);

// "n0007": sorts like its number.
std::string numbered_id(std::size_t number);

// A small member of that number; `version` alters it.
Member numbered_member(std::size_t number, std::uint32_t version = 1, bool blocked = false);

// Members 0 to count - 1, in order.
MemberMap numbered_map(std::size_t count);

}  // namespace rollcall::test
