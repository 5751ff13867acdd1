#include "core/node.h"

#include <algorithm>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

struct TextRule {
  std::size_t max_bytes;
  bool may_be_empty;
  bool plain;  // no control characters: it is shown in terminals, metrics and logs
};

class NodeChecker {
 public:
  NodeChecker(std::string_view prefix, std::vector<Problem>& out) : prefix_(prefix), out_(out) {}

  void text(std::string_view name, std::string_view value, const TextRule& rule) {
    if (value.empty()) {
      if (!rule.may_be_empty) add(name, "", "1 to " + std::to_string(rule.max_bytes) + " bytes");
    } else if (value.size() > rule.max_bytes) {
      add(name, value, "at most " + std::to_string(rule.max_bytes) + " bytes");
    } else if (!is_valid_utf8(value)) {
      add(name, value, "valid UTF-8");
    } else if (rule.plain && has_control_characters(value)) {
      add(name, value, "no control characters");
    }
  }

  void add(std::string_view name, std::string_view value, std::string expected) {
    std::string field(prefix_);
    if (!field.empty() && !name.empty()) field += '.';
    field += name;
    out_.push_back(
        {std::move(field), printable(value, limits::kMaxProblemValueBytes), std::move(expected)});
  }

 private:
  std::string_view prefix_;
  std::vector<Problem>& out_;
};

// An IPv6 address has at least two colons; one colon is a port that belongs elsewhere.
bool is_host(std::string_view host) {
  return host.find_first_of(" /@?#[]\"\\") == std::string_view::npos &&
         std::count(host.begin(), host.end(), ':') != 1;
}

// The canonical bytes' length (SPEC 4), without making them.
std::size_t canonical_size(const ClusterNode& node) {
  std::size_t size = 4 + node.id.str().size() + 4 + node.host.size() + 2 + 4 + node.zone.size() +
                     4 + 4 + 1 + 4 + node.incarnation.size() + 1;
  for (const auto& [key, value] : node.labels) size += 8 + key.size() + value.size();
  return size;
}

}  // namespace

std::string_view to_string(NodeStatus status) {
  switch (status) {
    case NodeStatus::Ready:
      return "READY";
    case NodeStatus::Draining:
      return "DRAINING";
    case NodeStatus::NotReady:
      return "NOT_READY";
  }
  return "UNKNOWN";
}

std::optional<NodeStatus> node_status_from_string(std::string_view name) {
  for (int i = 1; i <= kNodeStatusCount; ++i) {
    const auto status = static_cast<NodeStatus>(i);
    if (to_string(status) == name) return status;
  }
  return std::nullopt;
}

std::vector<Problem> validate_node(const ClusterNode& node, std::string_view field) {
  std::vector<Problem> out;
  NodeChecker check(field, out);
  check.text("id", node.id.str(), {limits::kMaxNodeIdBytes, false, true});
  check.text("host", node.host, {limits::kMaxHostBytes, false, true});
  if (!is_host(node.host)) {
    check.add("host", node.host, "an IP address or a DNS name, without brackets and port");
  }
  check.text("zone", node.zone, {limits::kMaxZoneBytes, true, true});
  check.text("incarnation", node.incarnation, {limits::kMaxIncarnationBytes, true, true});
  const int status = static_cast<int>(node.status);
  if (status < 1 || status > kNodeStatusCount) {
    check.add("status", std::to_string(status), "READY, DRAINING or NOT_READY");
  }
  if (node.labels.size() > limits::kMaxLabels) {
    check.add("labels", std::to_string(node.labels.size()),
              "at most " + std::to_string(limits::kMaxLabels) + " labels");
  }
  for (const auto& [key, value] : node.labels) {
    const std::string name = "labels." + printable(key, 64);
    check.text(name, key, {limits::kMaxLabelKeyBytes, false, true});
    check.text(name, value, {limits::kMaxLabelValueBytes, true, false});
    // Enough is known; a hostile node may have millions of labels.
    if (out.size() > 2 * limits::kMaxLabels) break;
  }
  if (canonical_size(node) > limits::kMaxNodeBytes) {
    check.add("", std::to_string(canonical_size(node)) + " bytes",
              "at most " + std::to_string(limits::kMaxNodeBytes) + " bytes in all");
  }
  return out;
}

}  // namespace rollcall
