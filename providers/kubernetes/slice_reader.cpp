#include "providers/kubernetes/slice_reader.h"

#include <array>
#include <charconv>
#include <map>
#include <utility>
#include <vector>

#include "core/limits.h"
#include "core/text.h"
#include "providers/kubernetes/limits.h"

namespace rollcall {
namespace {

constexpr std::string_view kWeightKey = "rollcall-weight";

bool empty(const JsonView& value) {
  return value.kind() == LargeKind::Absent || value.kind() == LargeKind::Null;
}

// Labels that Kubernetes itself puts on slices: "kubernetes.io/service-name", "….k8s.io/…".
bool of_kubernetes(std::string_view key) {
  const std::string_view prefix = key.substr(0, key.find('/'));
  if (prefix.size() == key.size()) return false;
  return prefix == "kubernetes.io" || prefix == "k8s.io" || prefix.ends_with(".kubernetes.io") ||
         prefix.ends_with(".k8s.io");
}

NodeStatus status_of(bool ready, bool serving, bool terminating) {
  if (terminating) return serving ? NodeStatus::Draining : NodeStatus::NotReady;
  return ready ? NodeStatus::Ready : NodeStatus::NotReady;
}

}  // namespace

std::optional<EndpointSlice> read_slice_names(const JsonView& object, ProblemList& problems) {
  std::array<JsonField, 1> top{{{"metadata", {}}}};
  std::array<JsonField, 2> fields{{{"name", {}}, {"resourceVersion", {}}}};
  const char* why = object.pick(top);
  if (why == nullptr) why = top[0].value.pick(fields);
  if (why != nullptr) {
    problems.add("metadata", "", why);
    return std::nullopt;
  }
  const auto name = fields[0].value.string();
  const auto version = fields[1].value.string();
  if (!name || name->empty() || name->size() > limits::kKubernetesNameBytes) {
    problems.add("metadata.name", "", "an object's name");
    return std::nullopt;
  }
  if (!version || version->empty() || version->size() > limits::kKubernetesVersionBytes) {
    problems.add("metadata.resourceVersion", printable(*name, 64), "a version of this slice");
    return std::nullopt;
  }
  EndpointSlice slice;
  slice.name = std::string(*name);
  slice.version = std::string(*version);
  return slice;
}

void SliceReader::problem(std::string_view path, std::string_view found, std::string expected) {
  std::string field = slice_;
  if (!endpoint_.empty()) field.append(".").append(endpoint_);
  if (!path.empty()) field.append(".").append(path);
  problems_.add(std::move(field), found, std::move(expected));
}

bool SliceReader::pick(const JsonView& object, std::string_view path, std::span<JsonField> fields) {
  if (const char* why = object.pick(fields)) {
    problem(path, "", why);
    return false;
  }
  return true;
}

// Of a field that may be left out.
std::string SliceReader::text(const JsonView& value, std::string_view path) {
  if (empty(value)) return {};
  const auto found = value.string();
  if (!found) problem(path, "", "a string");
  return std::string(found.value_or(""));
}

bool SliceReader::flag(const JsonView& value, std::string_view path, bool otherwise) {
  if (empty(value)) return otherwise;
  const auto found = value.boolean();
  if (!found) problem(path, "", "true or false");
  return found.value_or(otherwise);
}

std::optional<EndpointSlice> SliceReader::read(const JsonView& object) {
  const std::uint32_t before = problems_.total();
  auto slice = read_slice_names(object, problems_);
  if (!slice) return std::nullopt;
  slice_ = printable(slice->name, 128);
  endpoint_.clear();
  std::array<JsonField, 4> parts{
      {{"metadata", {}}, {"addressType", {}}, {"endpoints", {}}, {"ports", {}}}};
  if (!pick(object, "", parts) || !read_type(parts[1].value, *slice)) return std::nullopt;
  const bool any = !empty(parts[2].value);
  if (any && wanted(slice->type)) {
    Common common;
    LargeArray probe;
    JsonView first;
    // A slice without endpoints says nothing about ports.
    if (parts[2].value.array(probe) && probe.next(first)) common.port = read_port(parts[3].value);
    if (settings_.slice_labels) read_labels(parts[0].value.get("labels"), common);
    read_endpoints(parts[2].value, common, *slice);
  }
  if (problems_.total() != before) return std::nullopt;
  return slice;
}

bool SliceReader::read_type(const JsonView& value, EndpointSlice& slice) {
  const std::string_view type = value.string().value_or("");
  if (type == "IPv4") {
    slice.type = EndpointSlice::Type::IPv4;
  } else if (type == "IPv6") {
    slice.type = EndpointSlice::Type::IPv6;
  } else if (type == "FQDN") {
    slice.type = EndpointSlice::Type::Fqdn;
  } else {
    problem("addressType", type, "IPv4, IPv6 or FQDN");
    return false;
  }
  return true;
}

bool SliceReader::wanted(EndpointSlice::Type type) const {
  switch (settings_.addresses) {
    case KubernetesSettings::Addresses::Any:
      return true;
    case KubernetesSettings::Addresses::IPv4:
      return type == EndpointSlice::Type::IPv4;
    case KubernetesSettings::Addresses::IPv6:
      return type == EndpointSlice::Type::IPv6;
    case KubernetesSettings::Addresses::Fqdn:
      return type == EndpointSlice::Type::Fqdn;
  }
  return true;
}

std::uint16_t SliceReader::read_port(const JsonView& ports) {
  if (settings_.port_number) return *settings_.port_number;
  LargeArray list;
  std::size_t count = 0;
  std::uint16_t chosen = 0;
  bool found = false;
  if (!empty(ports) && !ports.array(list)) {
    problem("ports", "", "a list");
    return 0;
  }
  const bool any = !empty(ports);
  for (JsonView item; any && list.next(item); ++count) {
    std::array<JsonField, 2> parts{{{"name", {}}, {"port", {}}}};
    if (!pick(item, "ports", parts)) return 0;
    const bool this_one =
        settings_.port_name.empty() || text(parts[0].value, "ports.name") == settings_.port_name;
    if (!this_one || found) continue;
    found = true;
    if (empty(parts[1].value)) continue;  // nil: any port; 0 says that
    const auto number = parts[1].value.u64();
    if (number && *number <= 65535) {
      chosen = static_cast<std::uint16_t>(*number);
    } else {
      problem("ports.port", number ? std::to_string(*number) : "", "an integer from 0 to 65535");
    }
  }
  if (!settings_.port_name.empty() && !found) {
    problem("ports", "", "the port \"" + settings_.port_name + "\" of watch_params.port");
  } else if (settings_.port_name.empty() && count > 1) {
    problem("ports", "", "one port, or watch_params.port to choose among several");
  }
  return chosen;
}

void SliceReader::read_labels(const JsonView& labels, Common& common) {
  if (empty(labels)) return;
  LargeObject object;
  if (!labels.object(object)) {
    problem("metadata.labels", "", "an object of strings");
    return;
  }
  std::string_view key;
  for (JsonView item; object.next(key, item);) {
    const auto value = item.string();
    if (!value) {
      problem("metadata.labels", key, "strings");
    } else if (key == kIncarnationKey) {
      common.incarnation = std::string(*value);
    } else if (key == kWeightKey) {
      const auto [end, error] =
          std::from_chars(value->data(), value->data() + value->size(), common.weight);
      if (error != std::errc() || end != value->data() + value->size()) {
        problem("metadata.labels.rollcall-weight", *value, "an integer of 32 bits");
      }
    } else if (!of_kubernetes(key)) {
      common.labels.emplace(key, *value);
    }
    if (common.labels.size() > 4 * limits::kMaxLabels) break;  // validate_node() refuses it
  }
}

void SliceReader::read_endpoints(const JsonView& endpoints, const Common& common,
                                 EndpointSlice& slice) {
  LargeArray list;
  if (!endpoints.array(list)) {
    problem("endpoints", "", "a list");
    return;
  }
  std::size_t number = 0;
  for (JsonView item; list.next(item); ++number) {
    endpoint_ = "endpoints[" + std::to_string(number) + "]";
    if (number == limits::kKubernetesEndpoints) {
      problem("", "", "fewer endpoints in one slice");
      break;
    }
    if (auto endpoint = read_endpoint(item, common)) {
      slice.endpoints.push_back(std::move(*endpoint));
    }
  }
  endpoint_.clear();
}

std::optional<SliceEndpoint> SliceReader::read_endpoint(const JsonView& object,
                                                        const Common& common) {
  const std::uint32_t before = problems_.total();
  std::array<JsonField, 6> parts{{{"addresses", {}},
                                  {"conditions", {}},
                                  {"hostname", {}},
                                  {"nodeName", {}},
                                  {"targetRef", {}},
                                  {"zone", {}}}};
  if (!pick(object, "", parts)) return std::nullopt;
  LargeArray addresses;
  JsonView first;
  if (!parts[0].value.array(addresses) || !addresses.next(first) || !first.string()) {
    problem("addresses", "", "at least one address");
    return std::nullopt;
  }
  SliceEndpoint endpoint;
  ClusterNode& node = endpoint.node;
  node.host = std::string(*first.string());
  node.port = common.port;
  node.zone = text(parts[5].value, "zone");
  node.labels = common.labels;
  node.weight = common.weight;
  node.incarnation = common.incarnation;
  const Conditions conditions = read_conditions(parts[1].value);
  node.status = status_of(conditions.ready, conditions.serving, conditions.terminating);
  endpoint.terminating = conditions.terminating;
  const JsonView& target = parts[4].value;
  const auto part = [&](const char* key) { return text(target.get(key), "targetRef"); };
  endpoint.target =
      empty(target) ? node.host : part("kind") + "/" + part("namespace") + "/" + part("name");
  node.id = NodeId(id_of(target, parts[2].value, parts[3].value, node.host));
  // After problems of reading, defaults would be complained about once more.
  if (problems_.total() == before) {
    problems_.add_all(validate_node(node, slice_ + "." + endpoint_));
  }
  if (problems_.total() != before) return std::nullopt;
  return endpoint;
}

SliceReader::Conditions SliceReader::read_conditions(const JsonView& value) {
  if (empty(value)) return {};
  std::array<JsonField, 3> parts{{{"ready", {}}, {"serving", {}}, {"terminating", {}}}};
  if (!pick(value, "conditions", parts)) return {};
  return {flag(parts[0].value, "conditions.ready", true),
          flag(parts[1].value, "conditions.serving", true),
          flag(parts[2].value, "conditions.terminating", false)};
}

std::string SliceReader::id_of(const JsonView& target_ref, const JsonView& hostname,
                               const JsonView& node_name, const std::string& address) {
  std::string id;
  switch (settings_.id) {
    case KubernetesSettings::Id::Address:
      return address;
    case KubernetesSettings::Id::PodName:
      if (target_ref.get("kind").string().value_or("") == "Pod") {
        id = std::string(target_ref.get("name").string().value_or(""));
      }
      if (id.empty()) problem("targetRef", "", "a pod, as watch_params.id wants");
      break;
    case KubernetesSettings::Id::Hostname:
      id = text(hostname, "hostname");
      if (id.empty()) problem("hostname", "", "a hostname, as watch_params.id wants");
      break;
    case KubernetesSettings::Id::NodeName:
      id = text(node_name, "nodeName");
      if (id.empty()) problem("nodeName", "", "a node's name, as watch_params.id wants");
      break;
  }
  return id;
}

}  // namespace rollcall
