// The rows of the section `announce`. What the node must look like to be one is checked when all of
// them are known (config_loader.cpp).
#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "core/limits.h"
#include "core/text.h"
#include "provisioning/config/settings.h"

namespace rollcall {
namespace {

using Announce = Config::Announce;
using Set = std::function<bool(const SettingInput&, Announce&)>;
using Get = std::function<std::string(const Announce&)>;

Setting row(std::string_view path, std::string type, std::string_view doc, Set set, Get get) {
  Setting setting;
  setting.path = path;
  setting.type = std::move(type);
  setting.doc = doc;
  setting.set = [set = std::move(set)](const SettingInput& input, Config& config) {
    return set(input, config.announce);
  };
  setting.get = [get = std::move(get)](const Config& config) { return get(config.announce); };
  return setting;
}

Setting text(std::string_view path, std::string_view doc, std::size_t max_bytes,
             std::function<std::string&(Announce&)> place) {
  return row(
      path, "a text of at most " + std::to_string(max_bytes) + " bytes", doc,
      [=](const SettingInput& input, Announce& announce) {
        auto value = input_text(input);
        const bool good = value && value->size() <= max_bytes && is_valid_utf8(*value) &&
                          !has_control_characters(*value);
        if (good) place(announce) = std::move(*value);
        return good;
      },
      [=](const Announce& announce) { return place(const_cast<Announce&>(announce)); });
}

template <class T>
Setting integer(std::string_view path, std::string_view doc, T& (*place)(Announce&),
                std::int64_t min, std::int64_t max) {
  return row(
      path, "an integer from " + std::to_string(min) + " to " + std::to_string(max), doc,
      [=](const SettingInput& input, Announce& announce) {
        const auto value = input_integer(input);
        if (!value || *value < min || *value > max) return false;
        place(announce) = static_cast<T>(*value);
        return true;
      },
      [=](const Announce& announce) {
        const T value = place(const_cast<Announce&>(announce));
        return value == 0 ? std::string() : std::to_string(value);
      });
}

bool is_provider_id(const std::string& id) {
  ProviderDescriptor d;
  d.id = ProviderId(id);
  const auto problems = validate_descriptor(d, "");
  return std::none_of(problems.begin(), problems.end(),
                      [](const Problem& problem) { return problem.field == "id"; });
}

Setting providers() {
  return row(
      "announce.providers",
      "a list of at most " + std::to_string(limits::kMaxAnnounceProviders) + " provider ids",
      "Through whose backends this node is announced: endpoints, credentials and place are those "
      "of the provider. Kinds that can: consul, etcd, local, custom.",
      [](const SettingInput& input, Announce& announce) {
        const auto ids = input_list(input);
        if (!ids || ids->size() > limits::kMaxAnnounceProviders) return false;
        std::vector<ProviderId> found;
        for (const std::string& id : *ids) {
          const bool again = std::find(found.begin(), found.end(), ProviderId(id)) != found.end();
          if (again || !is_provider_id(id)) return false;
          found.emplace_back(id);
        }
        announce.providers = std::move(found);
        return true;
      },
      [](const Announce& announce) {
        std::string out;
        for (const ProviderId& id : announce.providers) out += (out.empty() ? "" : ", ") + id.str();
        return out;
      });
}

// Two sets of labels must not look alike (a="1,b=2"; a="1" and b="2").
std::string label_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ',' || c == '=' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// An object of texts; of a flag or the environment: key=value, separated by commas.
std::optional<std::map<std::string, std::string>> input_labels(const SettingInput& input) {
  std::map<std::string, std::string> labels;
  if (input.is_text) {
    const auto pairs = input_list(input);
    if (!pairs) return std::nullopt;
    for (const std::string& pair : *pairs) {
      const std::size_t equals = pair.find('=');
      if (equals == std::string::npos || equals == 0) return std::nullopt;
      if (!labels.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
        return std::nullopt;
      }
    }
    return labels;
  }
  const JsonValue::Object* object = input.value.as_object();
  if (object == nullptr) return std::nullopt;
  for (const JsonMember& member : *object) {
    const std::string* value = member.value.as_string();
    if (value == nullptr) return std::nullopt;
    labels.emplace(member.key, *value);
  }
  return labels;
}

Setting labels() {
  return row(
      "announce.labels", "an object of texts, or key=value,…",
      "Labels of the node; a reader of the backend sees them as its own meta data.",
      [](const SettingInput& input, Announce& announce) {
        auto value = input_labels(input);
        if (value) announce.node.labels = std::move(*value);
        return value.has_value();
      },
      [](const Announce& announce) {
        std::string out;
        for (const auto& [key, value] : announce.node.labels) {
          out += (out.empty() ? "" : ",") + label_text(key) + "=" + label_text(value);
        }
        return out;
      });
}

Setting ttl() {
  const Duration min = limits::kAnnounceTtlMin;
  const Duration max = limits::kAnnounceTtlMax;
  return row(
      "announce.ttl", "a duration from " + duration_text(min) + " to " + duration_text(max),
      "The backend forgets the node when it heard nothing for that long; it is renewed three times "
      "in it.",
      [=](const SettingInput& input, Announce& announce) {
        const auto value = input_duration(input);
        if (!value || *value < min || *value > max) return false;
        announce.ttl = *value;
        return true;
      },
      [](const Announce& announce) { return duration_text(announce.ttl); });
}

Setting node_id() {
  const std::size_t max_bytes = limits::kMaxNodeIdBytes;
  return row(
      "announce.node_id", "a text of at most " + std::to_string(max_bytes) + " bytes",
      "The node's id, the same at every backend; required to announce.",
      [=](const SettingInput& input, Announce& announce) {
        auto value = input_text(input);
        const bool good = value && value->size() <= max_bytes && is_valid_utf8(*value) &&
                          !has_control_characters(*value);
        if (good) announce.node.id = NodeId(std::move(*value));
        return good;
      },
      [](const Announce& announce) { return announce.node.id.str(); });
}

Setting socket() {
  return row(
      "announce.socket",
      "an absolute path of at most " + std::to_string(limits::kMaxAnnounceSocketBytes) + " bytes",
      "Unix socket of the node, for the kind local; by default the sidecar's own.",
      [](const SettingInput& input, Announce& announce) {
        auto value = input_text(input);
        const bool good = value && value->starts_with('/') && is_valid_utf8(*value) &&
                          value->size() <= limits::kMaxAnnounceSocketBytes &&
                          !has_control_characters(*value);
        if (good) announce.socket = std::move(*value);
        return good;
      },
      [](const Announce& announce) { return announce.socket; });
}

}  // namespace

void add_announce_settings(std::vector<Setting>& all) {
  all.push_back(providers());
  all.push_back(node_id());
  all.push_back(text("announce.host",
                     "Where others reach the node: an IP address or a DNS name; required to "
                     "announce.",
                     limits::kMaxHostBytes,
                     [](Announce& a) -> std::string& { return a.node.host; }));
  all.push_back(integer<std::uint16_t>(
      "announce.port", "The node's port; required to announce.",
      [](Announce& a) -> std::uint16_t& { return a.node.port; }, 1, 65535));
  all.push_back(text("announce.zone", "The node's zone.", limits::kMaxZoneBytes,
                     [](Announce& a) -> std::string& { return a.node.zone; }));
  all.push_back(labels());
  all.push_back(integer<std::uint32_t>(
      "announce.weight", "The node's weight.",
      [](Announce& a) -> std::uint32_t& { return a.node.weight; }, 1,
      std::numeric_limits<std::uint32_t>::max()));
  all.push_back(text("announce.incarnation",
                     "Which life of the node this is; another one is told as left and joined.",
                     limits::kMaxIncarnationBytes,
                     [](Announce& a) -> std::string& { return a.node.incarnation; }));
  all.push_back(socket());
  all.push_back(ttl());
}

}  // namespace rollcall
