#include "providers/custom/plugin_settings.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/codec/json_reader.h"
#include "core/codec/object_reader.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/common/params.h"
#include "providers/custom/limits.h"

namespace rollcall {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::string_view kListForm = R"(a JSON list of strings: ["--dir","/etc/members"])";
constexpr std::string_view kMapForm = R"(a JSON object of scalars: {"dir":"/etc/members"})";

// "unix:/path" or "unix:///path"; empty when it is neither.
std::string socket_path(std::string_view endpoint) {
  if (!endpoint.starts_with(kUnixPrefix)) return {};
  endpoint.remove_prefix(kUnixPrefix.size());
  if (endpoint.starts_with("//")) endpoint.remove_prefix(2);
  if (!endpoint.starts_with('/') || endpoint.size() > limits::kMaxPluginSocketPath) return {};
  if (has_control_characters(endpoint)) return {};
  return std::string(endpoint);
}

// Everything that an argument or a variable must be for execve().
bool is_c_text(std::string_view text) { return text.find('\0') == std::string_view::npos; }

std::optional<std::vector<std::string>> parse_list(const std::string& text) {
  const auto value = parse_json(text);
  if (!value || value->as_array() == nullptr) return std::nullopt;
  std::vector<std::string> list;
  for (const JsonValue& entry : *value->as_array()) {
    const std::string* item = entry.as_string();
    if (item == nullptr || !is_c_text(*item)) return std::nullopt;
    list.push_back(*item);
  }
  if (list.size() > limits::kMaxPluginArguments) return std::nullopt;
  return list;
}

std::optional<std::map<std::string, std::string>> parse_map(const std::string& text) {
  const auto value = parse_json(text);
  if (!value || value->as_object() == nullptr) return std::nullopt;
  std::map<std::string, std::string> map;
  for (const JsonMember& member : *value->as_object()) {
    const auto scalar = scalar_text(member.value);
    if (!scalar || !is_c_text(*scalar) || !is_c_text(member.key) || member.key.empty()) {
      return std::nullopt;
    }
    map.emplace(member.key, *scalar);
  }
  if (map.size() > limits::kMaxPluginConfigEntries) return std::nullopt;
  return map;
}

bool is_variable_name(const std::string& name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

void check_forms(const ProviderDescriptor& d, std::string_view field,
                 std::vector<Problem>& problems) {
  const KindInfo& info = custom_info();
  // Values aren't shown: what an operator hands to a plug-in may be a secret in the wrong place.
  if (!parse_list(param_text(info, d, "args"))) {
    problems.push_back({param_path(field, "args"), "", std::string(kListForm)});
  }
  if (!parse_map(param_text(info, d, "config"))) {
    problems.push_back({param_path(field, "config"), "", std::string(kMapForm)});
  }
  const auto env = parse_map(param_text(info, d, "env"));
  if (!env) {
    problems.push_back({param_path(field, "env"), "", std::string(kMapForm)});
  } else {
    for (const auto& [name, value] : *env) {
      if (is_variable_name(name) && !name.starts_with("ROLLCALL_PLUGIN_")) continue;
      problems.push_back({param_path(field, "env"), printable(name, 64),
                          "names of letters, digits and _, none beginning with ROLLCALL_PLUGIN_"});
    }
  }
}

// Exactly one of the two: a running plug-in's socket, or a command.
void check_where(const ProviderDescriptor& d, std::string_view field,
                 std::vector<Problem>& problems) {
  const bool command = d.watch_params.contains("command");
  if (command == !d.endpoints.empty()) {
    problems.push_back({field_path(field, "endpoints"), "",
                        "either one endpoint unix:/PATH of a running plug-in, or "
                        "watch_params.command, which Rollcall starts"});
    return;
  }
  if (command) return;
  if (d.endpoints.size() != 1 || socket_path(d.endpoints.front()).empty()) {
    problems.push_back({field_path(field, "endpoints[0]"),
                        printable(d.endpoints.front(), limits::kMaxProblemValueBytes),
                        "one endpoint, unix:/PATH of at most 107 bytes"});
  }
  for (const char* name : {"args", "env"}) {
    if (!d.watch_params.contains(name)) continue;
    problems.push_back({param_path(field, name), "", "nothing without watch_params.command"});
  }
}

}  // namespace

Duration PluginSettings::silence() const {
  return attest + std::max<Duration>(limits::kPluginAttestMargin, attest / 5);
}

const KindInfo& custom_info() {
  static const KindInfo info{
      "custom",
      "An out-of-process plug-in that serves rollcall.v1.ClusterProviderPlugin on a Unix socket: "
      "started by Rollcall (command), or running already (endpoints: [unix:/PATH]).",
      /*external=*/true,
      /*needs_endpoints=*/false,  // one, or a command: check_where()
      {{"command", "path", "", false,
        "Absolute path of the program to start and supervise; without it, endpoints names the "
        "socket of a running one."},
       {"args", "string", "[]", false,
        R"(Its arguments, a JSON list of strings: ["--verbose"]. No shell is involved.)"},
       {"env", "string", "{}", false,
        "Variables beside its minimal environment, a JSON object. No secrets: use auth."},
       {"config", "string", "{}", false,
        "What the plug-in is told in the handshake, a JSON object of scalars. No secrets: use "
        "auth."},
       {"start_ms", "duration_ms", "4000", false,
        "How long starting, connecting and the handshake may take, 100 to 60000 ms."},
       {"attest_ms", "duration_ms", "5000", false,
        "How often the plug-in has to confirm that its view is complete, 50 to 600000 ms."}},
      /*announces=*/true};  // if the plug-in does
  return info;
}

std::vector<Problem> validate_custom(const ProviderDescriptor& d, std::string_view field) {
  const KindInfo& info = custom_info();
  KindInfo checked = info;
  checked.needs_endpoints = !d.endpoints.empty();
  std::vector<Problem> problems = validate_params(checked, d, field);
  check_range(info, d, field, "start_ms", limits::kPluginStartMinMs, limits::kPluginStartMaxMs,
              problems);
  check_range(info, d, field, "attest_ms", limits::kPluginAttestMinMs, limits::kPluginAttestMaxMs,
              problems);
  check_where(d, field, problems);
  check_forms(d, field, problems);
  return problems;
}

PluginSettings plugin_settings(const ProviderDescriptor& d) {
  const KindInfo& info = custom_info();
  PluginSettings settings;
  settings.provider_id = d.id.str();
  if (!d.endpoints.empty()) settings.socket = socket_path(d.endpoints.front());
  settings.command = param_text(info, d, "command");
  settings.arguments = parse_list(param_text(info, d, "args")).value_or(settings.arguments);
  settings.env = parse_map(param_text(info, d, "env")).value_or(settings.env);
  settings.config = parse_map(param_text(info, d, "config")).value_or(settings.config);
  settings.auth = d.auth;
  settings.start = std::chrono::milliseconds(param_integer(info, d, "start_ms"));
  settings.attest = std::chrono::milliseconds(param_integer(info, d, "attest_ms"));
  return settings;
}

}  // namespace rollcall
