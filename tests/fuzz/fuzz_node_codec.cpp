// Members that are accepted are valid, have ids of their own, and survive being stored.
#include <set>

#include "core/codec/canonical.h"
#include "core/codec/node_codec.h"
#include "tests/fuzz/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rollcall;
  const auto nodes = parse_node_list(fuzz::text_of(data, size), {});
  if (!nodes) {
    fuzz::require_structured(nodes.error());
    return 0;
  }
  std::set<NodeId> ids;
  for (const ClusterNode& node : *nodes) {
    fuzz::require(validate_node(node, "").empty(), "what is accepted is valid");
    fuzz::require(ids.insert(node.id).second, "ids are unique");
    fuzz::require(canonical_bytes(node, false).size() <= limits::kMaxNodeBytes, "and bounded");
  }
  const auto text = nodes_to_json(*nodes);
  fuzz::require(text.has_value(), "what is accepted can be stored");
  const auto back = parse_node_list(*text, {});
  fuzz::require(back.has_value() && *back == *nodes, "and reads back as the same");
  return 0;
}
