// Consul's health entries out of any bytes: an error, or members that all pass validate_node() and
// whose ids differ.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "core/limits.h"
#include "providers/consul/consul_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  rollcall::ConsulSettings settings;
  const auto members = rollcall::parse_members(body, settings);
  if (!members) {
    if (members.error().message.size() > rollcall::limits::kMaxErrorDetailBytes) std::abort();
    return 0;
  }
  std::set<std::string> ids;
  for (const rollcall::ClusterNode& node : *members) {
    if (!rollcall::validate_node(node, "").empty()) std::abort();
    if (!ids.insert(node.id.str()).second) std::abort();
  }
  return 0;
}
