#include "bridges/http/http_sd_json.h"

#include <map>
#include <utility>

#include "core/codec/json_writer.h"
#include "core/http_sd.h"

namespace rollcall {
namespace {

using Labels = std::map<std::string, std::string>;

// Members were validated when they came: their texts are UTF-8, so writing them cannot fail.
std::string text_of(JsonWriter writer) {
  auto text = std::move(writer).finish();
  return text ? std::move(*text) : std::string("null");
}

std::string target_of(const ClusterNode& node) {
  const bool v6 = node.host.find(':') != std::string::npos;
  return (v6 ? "[" + node.host + "]" : node.host) + ":" + std::to_string(node.port);
}

// What Prometheus accepts in a label's name.
std::string label_name(std::string_view key) {
  std::string name(http_sd::kLabelPrefix);
  for (const char c : key) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += plain || c == '_' ? c : '_';
  }
  return name;
}

Labels labels_of(const Member& member) {
  const ClusterNode& node = *member.node;
  Labels labels;
  bool exact = true;
  for (const auto& [key, value] : node.labels) {
    std::string name = label_name(key);
    exact = exact && name.size() == http_sd::kLabelPrefix.size() + key.size() &&
            name.ends_with(key) && !labels.contains(name);
    labels.emplace(std::move(name), value);
  }
  const auto set = [&](std::string_view name, std::string value) {
    labels[std::string(name)] = std::move(value);
  };
  if (!exact) {
    JsonWriter w;
    w.begin_object();
    for (const auto& [key, value] : node.labels) w.field(key, value);
    w.end_object();
    set(http_sd::kLabels, text_of(std::move(w)));
  }
  set(http_sd::kId, node.id.str());
  set(http_sd::kWeight, std::to_string(node.weight));
  set(http_sd::kStatus, std::string(to_string(node.status)));
  set(http_sd::kBlocked, member.blocked ? "true" : "false");
  if (!node.zone.empty()) set(http_sd::kZone, node.zone);
  if (!node.incarnation.empty()) set(http_sd::kIncarnation, node.incarnation);
  return labels;
}

}  // namespace

std::string http_sd_json(const MemberMap& members) {
  JsonWriter w;
  w.begin_array();
  members.for_each([&](const Member& member) {
    w.begin_object().key("targets").begin_array().string(target_of(*member.node)).end_array();
    w.field("labels", labels_of(member)).end_object();
  });
  w.end_array();
  return text_of(std::move(w)) + "\n";
}

std::string http_sd_etag(const TopologySnapshot& snapshot) {
  return "\"" + std::to_string(snapshot.hash()) + "\"";
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) {
  while (!if_none_match.empty()) {
    const std::size_t comma = if_none_match.find(',');
    std::string_view one = if_none_match.substr(0, comma);
    if_none_match.remove_prefix(comma == std::string_view::npos ? if_none_match.size() : comma + 1);
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == etag || one == "*") return true;
  }
  return false;
}

std::shared_ptr<const std::string> HttpSdDocument::of(const MemberMap& members) {
  const std::lock_guard lock(mutex_);
  if (!text_ || !members_.same_version(members)) {
    text_ = std::make_shared<const std::string>(http_sd_json(members));
    members_ = members;
  }
  return text_;
}

}  // namespace rollcall
