#include "providers/http/http_sd_answer.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/codec/json_reader.h"
#include "core/codec/large_json.h"
#include "core/codec/object_reader.h"
#include "core/http_sd.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/common/http_client.h"
#include "providers/http/limits.h"

namespace rollcall {
namespace {

using Labels = std::map<std::string, std::string>;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// "application/json", and nothing but the charset beside it.
bool is_json(std::string_view content_type) {
  std::string text = lower(content_type);
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\t'; }),
             text.end());
  return text == "application/json" || text == "application/json;" ||
         text == "application/json;charset=utf-8" || text == "application/json;charset=\"utf-8\"";
}

Result<void> judge_status(const HttpResponse& response) {
  const int status = response.status;
  const std::string said = "HTTP " + std::to_string(status) + ": " + quoted_body(response);
  switch (status) {
    case 200:
    case 304:
      return {};
    case 401:
      return fail(ErrorCode::AuthFailed, said);
    case 403:
      return fail(ErrorCode::PermissionDenied, said);
    case 400:
    case 404:
    case 405:
    case 410:
      return fail(ErrorCode::InvalidConfig, "there is no list at this URL (" + said + ")");
    case 408:
    case 429:
      return fail(ErrorCode::BackendUnavailable, said);
    default:
      break;
  }
  if (status >= 500) return fail(ErrorCode::BackendUnavailable, said);
  if (status >= 300 && status < 400) {
    return fail(ErrorCode::MalformedResponse,
                "HTTP " + std::to_string(status) +
                    ": redirects are not followed; give the URL that it leads to");
  }
  return fail(ErrorCode::MalformedResponse, "a list comes with status 200, not with " + said);
}

std::optional<NodeStatus> status_from_text(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return node_status_from_string(name);
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Target {
  std::string host;
  std::uint16_t port = 0;
};

// As split_target() reads it, and always the same text for the same target.
std::string address_of(const Target& target) {
  const bool v6 = target.host.find(':') != std::string::npos;
  return (v6 ? "[" + target.host + "]" : target.host) + ":" + std::to_string(target.port);
}

// "host:port", "[address]:port".
std::optional<Target> split_target(std::string_view text) {
  Target target;
  std::size_t colon = 0;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    target.host = std::string(text.substr(1, close - 1));
    colon = close + 1;
  } else {
    colon = text.find(':');
    target.host = std::string(text.substr(0, colon));
  }
  if (colon >= text.size() || text[colon] != ':' || target.host.empty()) return std::nullopt;
  const auto port = number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return std::nullopt;
  target.port = *port;
  return target;
}

class GroupReader {
 public:
  GroupReader(const HttpSdSettings& settings, ProblemList& problems)
      : settings_(settings), problems_(problems) {}

  // Appends a member for each target; a group with problems appends any number.
  void read(const JsonView& group, std::size_t number, std::vector<ClusterNode>& out) {
    group_ = "[" + std::to_string(number) + "]";
    JsonView targets;
    JsonView labels;
    if (!pick(group, targets, labels)) return;
    LargeArray list;
    if (!targets.array(list)) return problem(".targets", "", "a list of strings");
    const std::uint32_t before = problems_.total();
    const ClusterNode common = from_labels(read_labels(labels));
    if (problems_.total() != before) return;
    std::size_t index = 0;
    for (JsonView item; list.next(item); ++index) {
      if (out.size() > limits::kMaxMembers) return;  // the caller refuses it
      add_target(item, index, common, out);
    }
  }

 private:
  void problem(std::string_view path, std::string_view found, std::string expected) {
    problems_.add(group_ + std::string(path), found, std::move(expected));
  }

  // Prometheus refuses unknown keys, and a list that it refuses is no list.
  bool pick(const JsonView& group, JsonView& targets, JsonView& labels) {
    LargeObject object;
    if (!group.object(object)) {
      problem("", "", "an object with targets and labels");
      return false;
    }
    std::string_view key;
    for (JsonView value; object.next(key, value);) {
      JsonView* place = key == "targets" ? &targets : key == "labels" ? &labels : nullptr;
      if (place == nullptr || place->present()) {
        problem("." + printable(key, 64), "", "targets and labels, once each, and nothing else");
        return false;
      }
      *place = value;
    }
    return true;
  }

  Labels read_labels(const JsonView& value) {
    Labels labels;
    if (value.kind() == LargeKind::Absent || value.kind() == LargeKind::Null) return labels;
    LargeObject object;
    if (!value.object(object)) {
      problem(".labels", "", "an object of strings");
      return labels;
    }
    std::string_view key;
    for (JsonView item; object.next(key, item);) {
      const auto text = item.string();
      if (!text) {
        problem(".labels." + printable(key, 64), "", "a string");
      } else if (!labels.emplace(key, *text).second) {
        problem(".labels." + printable(key, 64), "", "a key of its own");
      }
      if (labels.size() > limits::kHttpSdGroupLabels) {
        problem(".labels", "", "at most " + std::to_string(limits::kHttpSdGroupLabels) + " labels");
        break;
      }
    }
    return labels;
  }

  // What all members of a group have in common; the id as the label gives it.
  ClusterNode from_labels(Labels labels) {
    ClusterNode node;
    if (!settings_.id_label.empty()) {
      auto id = take(labels, settings_.id_label);
      if (!id || id->empty()) {
        problem(".labels." + settings_.id_label, "", "the id, as watch_params.id wants");
        return node;
      }
      node.id = NodeId(std::move(*id));
    }
    node.zone = take(labels, settings_.zone_label).value_or("");
    node.incarnation = take(labels, settings_.incarnation_label).value_or("");
    if (const auto text = take(labels, settings_.weight_label)) {
      const auto weight = number<std::uint32_t>(*text);
      if (!weight) problem(".labels." + settings_.weight_label, *text, "an integer of 32 bits");
      node.weight = weight.value_or(1);
    }
    if (const auto text = take(labels, settings_.status_label)) {
      const auto status = status_from_text(*text);
      if (!status) {
        problem(".labels." + settings_.status_label, *text, "READY, DRAINING or NOT_READY");
      }
      node.status = status.value_or(NodeStatus::Ready);
    }
    node.labels = own_labels(std::move(labels));
    return node;
  }

  static std::optional<std::string> take(Labels& labels, const std::string& name) {
    const auto found = labels.find(name);
    if (found == labels.end()) return std::nullopt;
    return std::move(labels.extract(found).mapped());
  }

  // The labels that are the member's: those under Rollcall's prefix under their own names, exactly
  // if the list says them exactly, and all that have nothing to do with Rollcall.
  Labels own_labels(Labels labels) {
    Labels own;
    const auto exact = labels.find(std::string(http_sd::kLabels));
    if (exact != labels.end()) own = exact_labels(exact->second);
    for (auto& [name, value] : labels) {
      if (!name.starts_with(http_sd::kPrefix)) {
        own.emplace(name, std::move(value));
      } else if (exact == labels.end() && name.starts_with(http_sd::kLabelPrefix)) {
        own.emplace(name.substr(http_sd::kLabelPrefix.size()), std::move(value));
      }
    }
    return own;
  }

  Labels exact_labels(const std::string& text) {
    Labels labels;
    ReadLimits read_limits;
    read_limits.max_bytes = limits::kMaxNodeBytes * 8;  // JSON writes a byte in up to 6
    const auto document = parse_json(text, read_limits);
    const JsonValue::Object* object = document ? document->as_object() : nullptr;
    if (object == nullptr) {
      problem(".labels." + std::string(http_sd::kLabels), "", "a JSON object of strings");
      return labels;
    }
    for (const JsonMember& member : *object) {
      const std::string* value = member.value.as_string();
      if (value == nullptr) {
        problem(".labels." + std::string(http_sd::kLabels), "", "a JSON object of strings");
        return {};
      }
      labels.emplace(member.key, *value);
    }
    return labels;
  }

  void add_target(const JsonView& item, std::size_t index, const ClusterNode& common,
                  std::vector<ClusterNode>& out) {
    const std::string path = ".targets[" + std::to_string(index) + "]";
    const auto text = item.string();
    auto target = text ? split_target(*text) : std::nullopt;
    if (!target) {
      return problem(path, text.value_or(""), "host:port, or [address]:port of IPv6");
    }
    ClusterNode node = common;
    if (settings_.id_label.empty()) node.id = NodeId(address_of(*target));
    node.host = std::move(target->host);
    node.port = target->port;
    const std::uint32_t before = problems_.total();
    problems_.add_all(validate_node(node, group_ + path));
    if (problems_.total() == before) out.push_back(std::move(node));
  }

  const HttpSdSettings& settings_;
  ProblemList& problems_;
  std::string group_;
};

}  // namespace

Result<HttpSdVerdict> judge_http_sd(const HttpResponse& response, bool conditional) {
  if (auto ok = judge_status(response); !ok) return tl::unexpected(std::move(ok.error()));
  const std::string* stale = response.header(lower(http_sd::kStaleHeader));
  if (stale != nullptr && *stale == "true") {
    return fail(ErrorCode::BackendUnavailable,
                "the sidecar there serves a stale topology: no provider of its own confirms it");
  }
  if (response.status == 304) {
    if (conditional) return HttpSdVerdict::NotModified;
    return fail(ErrorCode::MalformedResponse, "HTTP 304 to a question that named no ETag");
  }
  const std::string* type = response.header("content-type");
  if (type == nullptr || !is_json(*type)) {
    return fail(ErrorCode::MalformedResponse,
                "a list comes as application/json in UTF-8, not as " +
                    printable(type == nullptr ? "nothing in particular" : *type, 64));
  }
  return HttpSdVerdict::List;
}

std::string usable_etag(const HttpResponse& response) {
  const std::string* etag = response.header("etag");
  if (etag == nullptr || etag->size() > limits::kHttpSdMaxEtagBytes) return {};
  std::string_view opaque = *etag;
  if (opaque.starts_with("W/")) opaque.remove_prefix(2);
  const bool quoted = opaque.size() >= 2 && opaque.front() == '"' && opaque.back() == '"';
  const bool plain =
      std::all_of(etag->begin(), etag->end(), [](char c) { return c > ' ' && c < 127; });
  return quoted && plain ? *etag : std::string();
}

Result<std::vector<ClusterNode>> parse_http_sd(const std::string& body,
                                               const HttpSdSettings& settings) {
  auto document = LargeJson::parse(body);
  if (!document) return tl::unexpected(std::move(document.error()));
  LargeArray list;
  if (!document->root().array(list)) {
    return fail(ErrorCode::MalformedResponse, "the answer is no list of target groups");
  }
  ProblemList problems;
  std::vector<ClusterNode> members;
  GroupReader reader(settings, problems);
  std::size_t number = 0;
  for (JsonView group; list.next(group); ++number) {
    reader.read(group, number, members);
    if (members.size() > limits::kMaxMembers) {
      return fail(ErrorCode::LimitExceeded,
                  "the list has more than " + std::to_string(limits::kMaxMembers) + " targets");
    }
  }
  if (!problems.empty()) {
    return problems.fail(ErrorCode::MalformedResponse, "target groups refused");
  }
  std::unordered_set<std::string_view> ids;
  ids.reserve(members.size());
  for (const ClusterNode& member : members) {
    if (ids.insert(member.id.str()).second) continue;
    return fail(ErrorCode::MalformedResponse,
                "two targets have the id " + member.id.str() +
                    ": watch_params.id must name something unique in the cluster");
  }
  return members;
}

}  // namespace rollcall
