#include "providers/custom/plugin_messages.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/limits.h"
#include "core/text.h"
#include "providers/custom/limits.h"

namespace rollcall {
namespace {

tl::unexpected<ProvisioningError> malformed(std::string message) {
  return fail(ErrorCode::MalformedResponse, std::move(message));
}

std::string quoted_id(const std::string& id) { return "'" + printable(id, 64) + "'"; }

std::optional<NodeStatus> status_from(v1::NodeStatus status) {
  switch (status) {
    case v1::NODE_STATUS_UNSPECIFIED:
    case v1::NODE_STATUS_READY:
      return NodeStatus::Ready;
    case v1::NODE_STATUS_DRAINING:
      return NodeStatus::Draining;
    case v1::NODE_STATUS_NOT_READY:
      return NodeStatus::NotReady;
    default:
      return std::nullopt;
  }
}

// Codes that are a plug-in's to give: those of a backend, not of Rollcall's own state.
bool is_plugin_code(ErrorCode code) {
  static constexpr std::array kCodes = {
      ErrorCode::BackendUnavailable, ErrorCode::Timeout,           ErrorCode::AuthFailed,
      ErrorCode::PermissionDenied,   ErrorCode::InvalidConfig,     ErrorCode::LimitExceeded,
      ErrorCode::MalformedResponse,  ErrorCode::CapabilityMissing, ErrorCode::IndexRollback};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

bool is_id(const std::string& id) {
  return !id.empty() && id.size() <= limits::kMaxNodeIdBytes && !has_control_characters(id) &&
         is_valid_utf8(id);
}

Result<std::string> index_from(const std::string& text) {
  if (text.size() <= limits::kMaxPluginIndexBytes && !has_control_characters(text)) return text;
  return malformed("a backend_index of at most 128 bytes without control characters is expected");
}

}  // namespace

std::string plugin_text(std::string_view text, std::size_t max_bytes) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return printable(text, max_bytes);
}

Result<ClusterNode> node_from_plugin(const v1::Node& message, std::string_view where) {
  ClusterNode node;
  std::vector<Problem> problems;
  const std::string prefix(where);
  node.id = NodeId(message.id());
  node.host = message.host();
  node.zone = message.zone();
  node.incarnation = message.incarnation();
  if (message.port() > std::numeric_limits<std::uint16_t>::max()) {
    problems.push_back({prefix + ".port", std::to_string(message.port()), "at most 65535"});
  } else {
    node.port = static_cast<std::uint16_t>(message.port());
  }
  if (message.weight() != 0) node.weight = message.weight();
  if (const auto status = status_from(message.status())) {
    node.status = *status;
  } else {
    problems.push_back({prefix + ".status", std::to_string(message.status()),
                        "READY (1), DRAINING (2) or NOT_READY (3)"});
  }
  if (static_cast<std::size_t>(message.labels().size()) > limits::kMaxLabels) {
    problems.push_back({prefix + ".labels", std::to_string(message.labels().size()),
                        "at most " + std::to_string(limits::kMaxLabels) + " labels"});
  } else {
    for (const auto& [key, value] : message.labels()) node.labels.emplace(key, value);
  }
  if (node.incarnation.empty()) {
    const auto declared = node.labels.find(std::string(kIncarnationKey));
    if (declared != node.labels.end()) node.incarnation = declared->second;
  }
  for (Problem& problem : validate_node(node, where)) problems.push_back(std::move(problem));
  if (problems.empty()) return node;
  return fail(ErrorCode::MalformedResponse, "a member is not what it must be", std::move(problems));
}

v1::Node node_to_plugin(const ClusterNode& node) {
  v1::Node message;
  message.set_id(node.id.str());
  message.set_host(node.host);
  message.set_port(node.port);
  message.set_zone(node.zone);
  for (const auto& [key, value] : node.labels) (*message.mutable_labels())[key] = value;
  message.set_weight(node.weight);
  message.set_status(static_cast<v1::NodeStatus>(node.status));  // the numbers are the wire's
  message.set_incarnation(node.incarnation);
  return message;
}

ProvisioningError failure_from_plugin(const v1::PluginFailure& message) {
  const std::string detail = plugin_text(message.detail(), limits::kMaxPluginDetailBytes);
  const auto code = error_code_from_string(message.code());
  if (code && is_plugin_code(*code)) {
    return {*code, detail.empty() ? "the plug-in says no more" : detail, {}, 0};
  }
  return {ErrorCode::MalformedResponse,
          "the plug-in failed with code '" + printable(message.code(), 64) +
              "', which is none of the protocol's: " + detail,
          {},
          0};
}

Result<std::optional<SnapshotAssembler::Complete>> SnapshotAssembler::add(
    const v1::PluginSnapshotChunk& chunk, std::size_t bytes) {
  if (chunk.chunk_index() != next_chunk_) {
    return malformed("chunk " + std::to_string(chunk.chunk_index()) + " of a snapshot came where " +
                     std::to_string(next_chunk_) + " was due");
  }
  if (!chunk.last() && chunk.members().empty()) {
    return malformed("chunk " + std::to_string(next_chunk_) +
                     " of a snapshot is empty, and not the last one");
  }
  bytes_ += bytes;
  if (bytes_ > limits::kMaxBackendAnswerBytes) {
    return fail(ErrorCode::LimitExceeded, "a snapshot of more than 64 MiB");
  }
  if (members_.size() + static_cast<std::size_t>(chunk.members_size()) > limits::kMaxMembers) {
    return fail(ErrorCode::LimitExceeded, "a snapshot of more than 200000 members");
  }
  for (const v1::Node& message : chunk.members()) {
    auto node = node_from_plugin(message, "members[" + std::to_string(members_.size()) + "]");
    if (!node) return tl::unexpected(std::move(node.error()));
    if (!ids_.insert(node->id.str()).second) {
      return malformed("the member " + quoted_id(node->id.str()) + " comes twice in one snapshot");
    }
    members_.push_back(std::move(*node));
  }
  ++next_chunk_;
  if (!chunk.last()) return std::nullopt;
  auto index = index_from(chunk.backend_index());
  if (!index) return tl::unexpected(std::move(index.error()));
  Complete complete{std::move(members_), std::move(*index), chunk.history()};
  *this = SnapshotAssembler();
  return complete;
}

Result<ChangeAnswer> change_from_plugin(const v1::PluginChange& message) {
  ChangeAnswer change;
  auto index = index_from(message.backend_index());
  if (!index) return tl::unexpected(std::move(index.error()));
  change.backend_index = std::move(*index);
  const auto total = static_cast<std::size_t>(message.upserts_size()) +
                     static_cast<std::size_t>(message.removals_size());
  if (total > limits::kMaxMembers) {
    return fail(ErrorCode::LimitExceeded, "a change of more than 200000 members");
  }
  std::unordered_set<std::string> ids;
  for (const v1::Node& upsert : message.upserts()) {
    auto node = node_from_plugin(upsert, "upserts[" + std::to_string(change.upserts.size()) + "]");
    if (!node) return tl::unexpected(std::move(node.error()));
    if (!ids.insert(node->id.str()).second) {
      return malformed("the member " + quoted_id(node->id.str()) + " comes twice in one change");
    }
    change.upserts.push_back(std::move(*node));
  }
  for (const std::string& id : message.removals()) {
    if (!is_id(id)) return malformed("a change removes " + quoted_id(id) + ", which is no id");
    if (!ids.insert(id).second) {
      return malformed("the member " + quoted_id(id) + " comes twice in one change");
    }
    change.removals.emplace_back(id);
  }
  return change;
}

Result<PluginIdentity> identity_from_plugin(const v1::HandshakeResponse& message,
                                            std::int64_t attest_ms) {
  for (const std::string* text : {&message.name(), &message.version()}) {
    if (text->size() > limits::kMaxPluginNameBytes || has_control_characters(*text)) {
      return malformed(
          "the plug-in's name and version must be at most 64 bytes each, without "
          "control characters");
    }
  }
  PluginIdentity identity{message.name(), message.version(), message.capabilities().watch(),
                          message.capabilities().announce()};
  if (message.protocol_version() != limits::kPluginProtocolVersion) {
    return fail(ErrorCode::CapabilityMissing, "the plug-in speaks protocol version " +
                                                  std::to_string(message.protocol_version()) +
                                                  "; this Rollcall offers version " +
                                                  std::to_string(limits::kPluginProtocolVersion));
  }
  if (message.attest_interval_ms() > attest_ms) {
    return fail(ErrorCode::CapabilityMissing, "the plug-in confirms its view every " +
                                                  std::to_string(message.attest_interval_ms()) +
                                                  " ms; every " + std::to_string(attest_ms) +
                                                  " ms is needed (watch_params.attest_ms)");
  }
  return identity;
}

}  // namespace rollcall
