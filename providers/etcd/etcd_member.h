// One key and its value as a member. A value is a JSON object with the fields of a member file
// ({"id","host","port","zone","labels","weight","status","incarnation"}) or the plain text
// "host:port" ("[::1]:7000" for IPv6). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/node.h"

namespace rollcall {

enum class EtcdIdFrom : std::uint8_t {
  Value,  // the value's "id", or the key below the prefix if it has none
  Key,    // always the key below the prefix
};

// `name`: the key below the prefix. The error says in one line what is wrong with the value, and
// holds nothing of it but what the problem is about.
Result<ClusterNode> parse_etcd_member(std::string_view name, std::string_view value,
                                      EtcdIdFrom id_from);

}  // namespace rollcall
