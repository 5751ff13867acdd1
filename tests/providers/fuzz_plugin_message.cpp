// Whatever a plug-in sends: an event is parsed and judged, a snapshot put together, a change and a
// handshake read. What is accepted keeps the limits of a member.
#include <cstdint>
#include <cstdlib>
#include <unordered_set>

#include "core/limits.h"
#include "core/text.h"
#include "providers/custom/plugin_messages.h"

namespace {

using rollcall::ClusterNode;

void must(bool condition) {
  if (!condition) std::abort();
}

void must_be_good(const std::vector<ClusterNode>& nodes) {
  std::unordered_set<std::string> ids;
  for (const ClusterNode& node : nodes) {
    must(rollcall::validate_node(node, "").empty());
    must(ids.insert(node.id.str()).second);
  }
}

void must_be_shown_safely(const rollcall::ProvisioningError& error) {
  must(rollcall::is_valid_utf8(error.message));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  rollcall::v1::PluginEvent event;
  if (event.ParseFromString(bytes)) {
    rollcall::SnapshotAssembler assembler;
    const auto whole = assembler.add(event.snapshot(), size);
    if (whole && *whole) must_be_good((*whole)->members);
    if (!whole) must_be_shown_safely(whole.error());
    const auto change = rollcall::change_from_plugin(event.change());
    if (change) must_be_good(change->upserts);
    if (!change) must_be_shown_safely(change.error());
    must_be_shown_safely(rollcall::failure_from_plugin(event.failed()));
  }
  rollcall::v1::HandshakeResponse response;
  if (response.ParseFromString(bytes)) {
    const auto identity = rollcall::identity_from_plugin(response, 5000);
    if (!identity) must_be_shown_safely(identity.error());
  }
  return 0;
}
