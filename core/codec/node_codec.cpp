#include "core/codec/node_codec.h"

#include <optional>
#include <unordered_map>
#include <utility>

#include "core/codec/yaml_reader.h"
#include "core/text.h"

namespace rollcall {
namespace {

std::optional<NodeStatus> status_from_text(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '-') c = '_';
  }
  return node_status_from_string(name);
}

// YAML makes numbers of `zone: 1` and `incarnation: 7`; people mean the text.
void optional_text(ObjectReader& reader, std::string_view key, std::string& out) {
  const JsonValue* value = reader.take(key);
  if (value == nullptr) return;
  if (auto text = scalar_text(*value)) {
    out = std::move(*text);
  } else {
    reader.add_problem(key, *value, "a text; a number such as 007 or 1.10 in quotes");
  }
}

}  // namespace

ClusterNode read_node(const JsonValue& value, const std::string& path, ProblemList& problems) {
  ClusterNode node;
  ObjectReader reader(value, path, problems);
  if (!reader.is_object()) return node;
  const std::uint32_t before = problems.total();
  std::string id;
  reader.required("id", id).required("host", node.host).optional("port", node.port);
  optional_text(reader, "zone", node.zone);
  reader.scalars("labels", node.labels)
      .optional("weight", node.weight)
      .optional_enum("status", node.status, status_from_text, "READY, DRAINING or NOT_READY");
  optional_text(reader, "incarnation", node.incarnation);
  reader.finish();
  node.id = NodeId(std::move(id));
  if (node.incarnation.empty()) {
    const auto declared = node.labels.find(std::string(kIncarnationKey));
    if (declared != node.labels.end()) node.incarnation = declared->second;
  }
  // After problems of reading, defaults would be complained about once more.
  if (problems.total() == before) problems.add_all(validate_node(node, path), value.position());
  return node;
}

std::vector<ClusterNode> read_node_list(const JsonValue& value, ProblemList& problems) {
  std::vector<ClusterNode> nodes;
  const JsonValue* list = &value;
  if (value.as_object() != nullptr) {
    ObjectReader reader(value, "", problems);
    list = reader.take_required("members");
    reader.finish();
    if (list == nullptr) return nodes;
  }
  const JsonValue::Array* items = list->as_array();
  if (items == nullptr) {
    problems.add("members", list->describe(), "a list of members", list->position());
    return nodes;
  }
  if (items->size() > limits::kMaxMembers) {
    problems.add("members", std::to_string(items->size()),
                 "at most " + std::to_string(limits::kMaxMembers) + " members");
    return nodes;
  }
  nodes.reserve(items->size());
  for (std::size_t i = 0; i < items->size(); ++i) {
    nodes.push_back(read_node((*items)[i], "members[" + std::to_string(i) + "]", problems));
  }
  std::unordered_map<std::string_view, std::size_t> seen;
  seen.reserve(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].id.empty()) continue;  // already a problem
    const auto [first, added] = seen.emplace(nodes[i].id.str(), i);
    if (added) continue;
    problems.add("members[" + std::to_string(i) + "].id", nodes[i].id.str(),
                 "an id of its own (also that of members[" + std::to_string(first->second) + "])",
                 (*items)[i].position());
  }
  return nodes;
}

Result<std::vector<ClusterNode>> parse_node_list(std::string_view text,
                                                 const ReadLimits& read_limits) {
  auto document = parse_document(text, read_limits);
  if (!document) return tl::unexpected(std::move(document.error()));
  ProblemList problems;
  auto nodes = read_node_list(*document, problems);
  if (!problems.empty()) return problems.fail(read_limits.code, "member list refused");
  return nodes;
}

void write_node_fields(const ClusterNode& node, JsonWriter& writer) {
  writer.field("id", node.id.str())
      .field("host", node.host)
      .field("port", node.port)
      .field("zone", node.zone)
      .field("labels", node.labels)
      .field("weight", node.weight)
      .field("status", to_string(node.status))
      .field("incarnation", node.incarnation);
}

void write_node(const ClusterNode& node, JsonWriter& writer) {
  writer.begin_object();
  write_node_fields(node, writer);
  writer.end_object();
}

Result<std::string> nodes_to_json(const std::vector<ClusterNode>& nodes, int indent) {
  JsonWriter writer(indent);
  writer.begin_array();
  for (const ClusterNode& node : nodes) write_node(node, writer);
  writer.end_array();
  return std::move(writer).finish();
}

}  // namespace rollcall
