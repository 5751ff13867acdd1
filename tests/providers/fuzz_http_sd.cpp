// Target groups out of any bytes: an error, or members that all pass validate_node() and whose ids
// differ, and that survive being written and read again.
#include <cstdint>
#include <set>
#include <string>

#include "bridges/http/http_sd_json.h"
#include "core/codec/canonical.h"
#include "providers/http/http_sd_answer.h"
#include "tests/fuzz/fuzz_support.h"

using namespace rollcall;

namespace {

HttpSdSettings settings_with(const char* id) {
  ProviderDescriptor d;
  d.watch_params = {{"id", id}};
  return http_sd_settings(d);
}

MemberMap map_of(const std::vector<ClusterNode>& nodes) {
  std::vector<Member> members;
  for (const ClusterNode& node : nodes) members.push_back(make_member(node));
  return MemberMap::from(std::move(members));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(fuzz::text_of(data, size));
  for (const char* id : {"address", "label:__meta_rollcall_id"}) {
    const auto members = parse_http_sd(body, settings_with(id));
    if (!members) {
      fuzz::require_structured(members.error());
      continue;
    }
    std::set<std::string> ids;
    for (const ClusterNode& node : *members) {
      fuzz::require(validate_node(node, "").empty(), "a member is valid");
      fuzz::require(ids.insert(node.id.str()).second, "ids differ");
    }
    const MemberMap map = map_of(*members);
    const auto again = parse_http_sd(http_sd_json(map), settings_with("label:__meta_rollcall_id"));
    fuzz::require(again.has_value(), "what we write we can read");
    fuzz::require(map_of(*again).hash() == map.hash(), "and it is the same");
  }
  return 0;
}
