#include "providers/consul/consul_answer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/codec/large_json.h"
#include "core/codec/object_reader.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/common/http_client.h"
#include "providers/consul/limits.h"

namespace rollcall {
namespace {

using Meta = std::map<std::string, std::string>;

constexpr std::string_view kTagsLabel = "consul-tags";
constexpr std::string_view kZoneKey = "zone";
constexpr std::string_view kAnonymous = "00000000-0000-0000-0000-000000000002";

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What one entry's checks come to.
struct Checks {
  bool critical = false;
  bool warning = false;
  bool maintenance = false;
};

class EntryReader {
 public:
  EntryReader(const ConsulSettings& settings, ProblemList& problems)
      : settings_(settings), problems_(problems) {}

  std::optional<ClusterNode> read(const JsonView& entry, std::size_t number) {
    entry_ = "[" + std::to_string(number) + "]";
    const std::uint32_t before = problems_.total();
    std::array<JsonField, 3> parts{{{"Node", {}}, {"Service", {}}, {"Checks", {}}}};
    std::array<JsonField, 4> node{
        {{"Node", {}}, {"Address", {}}, {"Datacenter", {}}, {"Meta", {}}}};
    std::array<JsonField, 6> service{
        {{"ID", {}}, {"Address", {}}, {"Port", {}}, {"Meta", {}}, {"Tags", {}}, {"Weights", {}}}};
    if (!pick(entry, "", parts) || !pick(parts[0].value, ".Node", node) ||
        !pick(parts[1].value, ".Service", service)) {
      return std::nullopt;
    }
    const std::string node_name = text(node[0].value, ".Node.Node", true);
    const std::string node_address = text(node[1].value, ".Node.Address", false);
    const std::string datacenter = text(node[2].value, ".Node.Datacenter", false);
    const Meta node_meta = meta(node[3].value, ".Node.Meta");
    const std::string service_id = text(service[0].value, ".Service.ID", true);
    Meta labels = meta(service[3].value, ".Service.Meta");
    const Checks checks = read_checks(parts[2].value);

    ClusterNode out;
    out.host = text(service[1].value, ".Service.Address", false);
    if (out.host.empty()) out.host = node_address;
    out.port = port(service[2].value);
    out.weight = weight(service[5].value, checks);
    out.status = status_of(checks);
    out.zone = take(labels, node_meta, kZoneKey).value_or(datacenter);
    out.incarnation = take(labels, node_meta, kIncarnationKey).value_or("");
    out.id = id_of(node_name, service_id, labels, node_meta);
    add_tags(labels, service[4].value);
    out.labels = std::move(labels);
    // After problems of reading, defaults would be complained about once more.
    if (problems_.total() == before) problems_.add_all(validate_node(out, entry_));
    if (problems_.total() != before) return std::nullopt;
    return out;
  }

 private:
  void problem(std::string_view path, std::string_view found, std::string expected) {
    problems_.add(entry_ + std::string(path), found, std::move(expected));
  }

  bool pick(const JsonView& object, std::string_view path, std::span<JsonField> fields) {
    if (const char* why = object.pick(fields)) {
      problem(path, "", why);
      return false;
    }
    return true;
  }

  static bool empty(const JsonView& value) {
    return value.kind() == LargeKind::Absent || value.kind() == LargeKind::Null;
  }

  std::string text(const JsonView& value, std::string_view path, bool required) {
    if (!required && empty(value)) return {};
    const auto found = value.string();
    if (!found || (required && found->empty())) {
      problem(path, "", required ? "a non-empty string" : "a string");
      return {};
    }
    return std::string(*found);
  }

  std::uint16_t port(const JsonView& value) {
    if (empty(value)) return 0;  // a service without a port
    const auto found = value.u64();
    if (!found || *found > 65535) {
      problem(".Service.Port", found ? std::to_string(*found) : "", "an integer from 0 to 65535");
      return 0;
    }
    return static_cast<std::uint16_t>(*found);
  }

  std::uint32_t weight(const JsonView& value, const Checks& checks) {
    if (empty(value)) return 1;
    std::array<JsonField, 2> parts{{{"Passing", {}}, {"Warning", {}}}};
    if (!pick(value, ".Service.Weights", parts)) return 1;
    const JsonView& chosen = checks.warning && !checks.critical ? parts[1].value : parts[0].value;
    if (empty(chosen)) return 1;
    const auto found = chosen.u64();
    if (!found || *found > UINT32_MAX) {
      problem(".Service.Weights", found ? std::to_string(*found) : "", "integers of 32 bits");
      return 1;
    }
    return static_cast<std::uint32_t>(*found);
  }

  Meta meta(const JsonView& value, std::string_view path) {
    Meta out;
    if (empty(value)) return out;
    LargeObject object;
    if (!value.object(object)) {
      problem(path, "", "an object of strings");
      return out;
    }
    std::string_view key;
    for (JsonView item; object.next(key, item);) {
      const auto found = item.string();
      if (!found) {
        problem(std::string(path) + "." + printable(key, 64), "", "a string");
      } else if (!out.emplace(key, *found).second) {
        problem(std::string(path) + "." + printable(key, 64), "", "a key of its own");
      }
      if (out.size() > 4 * limits::kMaxLabels) break;  // validate_node() refuses it
    }
    return out;
  }

  Checks read_checks(const JsonView& value) {
    Checks checks;
    LargeArray list;
    if (empty(value)) return checks;
    if (!value.array(list)) {
      problem(".Checks", "", "a list");
      return checks;
    }
    for (JsonView item; list.next(item);) {
      std::array<JsonField, 2> parts{{{"CheckID", {}}, {"Status", {}}}};
      if (!pick(item, ".Checks", parts)) return checks;
      const std::string id = text(parts[0].value, ".Checks.CheckID", false);
      const std::string status = text(parts[1].value, ".Checks.Status", true);
      if (status == "critical") {
        const bool maintenance =
            id == "_node_maintenance" || id.starts_with("_service_maintenance:");
        (maintenance ? checks.maintenance : checks.critical) = true;
      } else if (status == "warning") {
        checks.warning = true;
      } else if (status != "passing") {
        problem(".Checks.Status", status, "passing, warning or critical");
      }
    }
    return checks;
  }

  static NodeStatus status_of(const Checks& checks) {
    if (checks.critical) return NodeStatus::NotReady;
    return checks.maintenance ? NodeStatus::Draining : NodeStatus::Ready;
  }

  // The service's value for `key`, which then is no label any more, or the node's.
  static std::optional<std::string> take(Meta& of_service, const Meta& of_node,
                                         std::string_view key) {
    if (const auto found = of_service.find(std::string(key)); found != of_service.end()) {
      return std::move(of_service.extract(found).mapped());
    }
    const auto found = of_node.find(std::string(key));
    return found == of_node.end() ? std::nullopt : std::optional(found->second);
  }

  NodeId id_of(const std::string& node, const std::string& service, Meta& labels,
               const Meta& node_meta) {
    switch (settings_.id) {
      case ConsulSettings::Id::NodeAndService:
        return NodeId(node + "/" + service);
      case ConsulSettings::Id::Node:
        return NodeId(node);
      case ConsulSettings::Id::Service:
        return NodeId(service);
      case ConsulSettings::Id::Meta:
        break;
    }
    auto declared = take(labels, node_meta, settings_.id_meta);
    if (!declared || declared->empty()) {
      problem(".Service.Meta." + settings_.id_meta, "",
              "the id of this member, as watch_params.id wants");
      return {};
    }
    return NodeId(std::move(*declared));
  }

  void add_tags(Meta& labels, const JsonView& value) {
    if (empty(value)) return;
    LargeArray list;
    if (!value.array(list)) {
      problem(".Service.Tags", "", "a list of strings");
      return;
    }
    std::vector<std::string> tags;
    for (JsonView item; list.next(item);) tags.push_back(text(item, ".Service.Tags", false));
    std::sort(tags.begin(), tags.end());
    std::string joined;
    for (const std::string& tag : tags) {
      if (tag.empty() || joined.size() + 1 + tag.size() > limits::kConsulTagsBytes) continue;
      if (!joined.empty()) joined += ',';
      joined += tag;
    }
    const bool room = labels.size() < limits::kMaxLabels;
    if (!joined.empty() && room) labels.emplace(kTagsLabel, std::move(joined));
  }

  const ConsulSettings& settings_;
  ProblemList& problems_;
  std::string entry_;
};

}  // namespace

Result<void> judge_status(const HttpResponse& response) {
  const int status = response.status;
  if (status == 200) return {};
  const std::string said = "HTTP " + std::to_string(status) + ": " + quoted_body(response);
  if (status == 400) return fail(ErrorCode::InvalidConfig, said);
  if (status == 401) return fail(ErrorCode::AuthFailed, said);
  if (status == 403 || status == 500) {  // an error that another server relayed comes as 500
    if (contains(response.body, "ACL not found")) {
      return fail(ErrorCode::AuthFailed, "the token is unknown to Consul (" + said + ")");
    }
    if (status == 403 || contains(response.body, "Permission denied")) {
      return fail(ErrorCode::PermissionDenied, said);
    }
    if (contains(response.body, "boolean expression evaluator")) {
      return fail(ErrorCode::InvalidConfig, "the filter is refused (" + said + ")");
    }
  }
  if (status == 429 || status >= 500) return fail(ErrorCode::BackendUnavailable, said);
  return fail(ErrorCode::MalformedResponse, "not what Consul answers: " + said);
}

Result<std::uint64_t> judge(const HttpResponse& response, const ConsulSettings& settings) {
  if (auto ok = judge_status(response); !ok) return tl::unexpected(std::move(ok.error()));
  const std::string* index = response.header("x-consul-index");
  if (index == nullptr) {
    return fail(ErrorCode::CapabilityMissing,
                "the answer has no X-Consul-Index: blocking queries (Consul 0.3 and later) are "
                "needed, directly from an agent and not through a cache");
  }
  const auto value = number(*index);
  if (!value) {
    return fail(ErrorCode::MalformedResponse,
                "X-Consul-Index is no number: " + printable(*index, 32));
  }
  const std::string* backend = response.header("x-consul-query-backend");
  if (backend != nullptr && *backend == "streaming") {
    return fail(
        ErrorCode::CapabilityMissing,
        "the answer comes from the agent's streaming cache, which tells neither lost servers "
        "nor filtering: answers of the servers themselves are needed");
  }
  const std::string* leader = response.header("x-consul-knownleader");
  if (leader != nullptr && *leader == "false") {
    return fail(ErrorCode::BackendUnavailable, "the Consul servers know no leader");
  }
  const std::string* filtered = response.header("x-consul-results-filtered-by-acls");
  if (filtered != nullptr && *filtered == "true") {
    return fail(ErrorCode::PermissionDenied,
                "Consul filtered the answer: the token needs service:read for " +
                    printable(settings.service, 64) + " and node:read for its nodes");
  }
  if (settings.mode == ConsulSettings::Mode::Stale) {
    const std::string* contact = response.header("x-consul-lastcontact");
    const auto age_ms = contact == nullptr ? std::nullopt : number(*contact);
    if (age_ms && *age_ms > static_cast<std::uint64_t>(settings.max_stale_ms)) {
      return fail(ErrorCode::BackendUnavailable,
                  "the answer is stale: the server heard from its leader " +
                      std::to_string(*age_ms) + " ms ago");
    }
  }
  return std::max<std::uint64_t>(*value, 1);  // an index of 0 would never block
}

bool may_hide(const HttpResponse& response) {
  return response.header("x-consul-default-acl-policy") != nullptr;
}

ConsulIdentity identity_in(const HttpResponse& response) {
  if (response.status == 401 && contains(response.body, "ACL support disabled")) {
    return ConsulIdentity::NoAccessControl;
  }
  if (response.status != 200) return ConsulIdentity::Nobody;
  const auto document = LargeJson::parse(response.body);
  if (!document) return ConsulIdentity::Nobody;
  const auto accessor = document->root().get("AccessorID").string();
  const bool known = accessor && !accessor->empty() && *accessor != kAnonymous;
  return known ? ConsulIdentity::Known : ConsulIdentity::Nobody;
}

Result<std::vector<ClusterNode>> parse_members(const std::string& body,
                                               const ConsulSettings& settings) {
  auto document = LargeJson::parse(body);
  if (!document) return tl::unexpected(std::move(document.error()));
  LargeArray list;
  if (!document->root().array(list)) {
    return fail(ErrorCode::MalformedResponse, "the answer is no list of health entries");
  }
  ProblemList problems;
  std::vector<ClusterNode> members;
  EntryReader reader(settings, problems);
  std::size_t number = 0;
  for (JsonView entry; list.next(entry); ++number) {
    if (number == limits::kMaxMembers) {
      return fail(ErrorCode::LimitExceeded,
                  "the answer has more than " + std::to_string(limits::kMaxMembers) + " entries");
    }
    auto member = reader.read(entry, number);
    if (member) members.push_back(std::move(*member));
  }
  if (!problems.empty()) {
    return problems.fail(ErrorCode::MalformedResponse, "health entries refused");
  }
  std::unordered_set<std::string_view> ids;
  ids.reserve(members.size());
  for (const ClusterNode& member : members) {
    if (ids.insert(member.id.str()).second) continue;
    return fail(ErrorCode::MalformedResponse,
                "two entries have the id " + member.id.str() +
                    ": watch_params.id must name something unique in the cluster");
  }
  return members;
}

}  // namespace rollcall
