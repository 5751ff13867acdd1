#include "providers/etcd/etcd_member.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "core/codec/json_reader.h"
#include "core/codec/node_codec.h"
#include "core/text.h"
#include "providers/etcd/limits.h"

namespace rollcall {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<ClusterNode> refuse(std::string why) {
  return fail(ErrorCode::MalformedResponse, std::move(why));
}

// "10.0.0.1:7000", "[::1]:7000".
Result<ClusterNode> read_address(std::string_view name, std::string_view text) {
  const auto colon = text.rfind(':');
  ClusterNode node;
  if (colon == std::string_view::npos) return refuse("neither a JSON object nor host:port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), node.port);
  const bool number = error == std::errc() && end == port.data() + port.size() && !port.empty();
  const bool one_host = bracketed || host.find(':') == std::string_view::npos;
  if (!number || !one_host || host.empty() || host.find_first_of(" \t/[]{}\"") < host.size()) {
    return refuse("neither a JSON object nor host:port");
  }
  node.id = NodeId(name);
  node.host = std::string(host);
  if (auto problems = validate_node(node, ""); !problems.empty()) {
    return fail(ErrorCode::MalformedResponse, "not a member", std::move(problems));
  }
  return node;
}

// The document with the id that counts.
JsonValue with_id(JsonValue document, std::string_view name, EtcdIdFrom id_from) {
  const JsonValue* id = document.find("id");
  const bool has_one = id != nullptr && !id->is_null();
  if (has_one && id_from == EtcdIdFrom::Value) return document;
  JsonValue::Object members;
  for (const JsonMember& member : *document.as_object()) {
    if (member.key != "id") members.push_back(member);
  }
  members.push_back({"id", {}, JsonValue(std::string(name))});
  return JsonValue(std::move(members), document.position());
}

}  // namespace

Result<ClusterNode> parse_etcd_member(std::string_view name, std::string_view value,
                                      EtcdIdFrom id_from) {
  if (value.size() > limits::kEtcdMaxValueBytes) {
    return refuse("a value of " + std::to_string(value.size()) + " bytes, above the limit of " +
                  std::to_string(limits::kEtcdMaxValueBytes));
  }
  const std::string_view text = trimmed(value);
  if (text.empty()) return refuse("an empty value");
  if (!text.starts_with('{')) return read_address(name, text);
  ReadLimits read_limits;
  read_limits.max_bytes = limits::kEtcdMaxValueBytes;
  read_limits.code = ErrorCode::MalformedResponse;
  auto document = parse_json(text, read_limits);
  if (!document) return fail(ErrorCode::MalformedResponse, std::move(document.error().message));
  ProblemList problems;
  ClusterNode node = read_node(with_id(std::move(*document), name, id_from), "", problems);
  if (!problems.empty()) return problems.fail(ErrorCode::MalformedResponse, "not a member");
  return node;
}

}  // namespace rollcall
