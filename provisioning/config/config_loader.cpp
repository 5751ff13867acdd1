#include "provisioning/config/config_loader.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "core/codec/descriptor_codec.h"
#include "core/codec/object_reader.h"
#include "core/codec/yaml_reader.h"
#include "core/limits.h"
#include "core/text.h"
#include "provisioning/config/settings.h"

namespace rollcall {
namespace {

constexpr std::string_view kProviders = "providers";

// Loads into a Config that begins with the defaults; every mistake goes into the list.
class Loader {
 public:
  explicit Loader(const ConfigSources& sources) : sources_(sources) {}

  Result<Config> load() {
    if (!sources_.file_name.empty()) read_file();
    read_environment();
    read_flags();
    check_together();
    if (problems_.empty()) return std::move(config_);
    const std::string what = sources_.file_name.empty() ? "the configuration" : sources_.file_name;
    return problems_.fail(ErrorCode::InvalidConfig, what + " is refused");
  }

 private:
  void read_file() {
    config_.from_file = true;
    std::vector<RepeatedKey> repeated;
    ReadLimits read_limits;
    read_limits.repeated = &repeated;
    auto document = parse_document(sources_.text, read_limits);
    for (const RepeatedKey& key : repeated) {
      problems_.add(key.path, "the key again",
                    "each key once (first on line " + std::to_string(key.first.line) + ")",
                    key.position);
    }
    if (!document) {
      const ProvisioningError& error = document.error();
      if (error.problems.empty()) problems_.add("", "", error.message);
      for (const Problem& problem : error.problems) {
        problems_.add(problem.field, problem.value, problem.expected);
      }
      return;
    }
    if (document->is_null()) return;  // empty, or only comments
    ObjectReader reader(*document, "", problems_);
    if (!reader.is_object()) return;
    if (const JsonValue* providers = reader.take(kProviders)) read_providers(*providers);
    reader.ignore(kProviders);
    read_level(reader, "");
    reader.finish();
  }

  // The settings and sections whose path begins with `prefix`, each once.
  void read_level(ObjectReader& reader, const std::string& prefix) {
    std::set<std::string_view> sections;
    for (const Setting& setting : settings()) {
      if (!setting.path.starts_with(prefix)) continue;
      const std::string_view rest = setting.path.substr(prefix.size());
      const std::size_t dot = rest.find('.');
      const std::string_view key = rest.substr(0, dot);
      if (dot == std::string_view::npos) {
        if (const JsonValue* value = reader.take(key)) {
          apply(setting, {*value, false}, value->position(), "");
        }
      } else if (sections.insert(key).second) {
        const auto read = [&](ObjectReader& inner) {
          read_level(inner, prefix + std::string(key) + ".");
        };
        if (setting.of_secrets) {
          reader.secrets_child(key, read);
        } else {
          reader.child(key, read);
        }
      }
    }
  }

  void apply(const Setting& setting, const SettingInput& input, SourcePosition position,
             const std::string& source) {
    if (setting.set(input, config_)) {
      positions_.emplace_back(setting.path, position);
      return;
    }
    unreadable_.insert(setting.path);
    const std::string from = source.empty() ? "" : " (from " + source + ")";
    problems_.add(std::string(setting.path),
                  setting.of_secrets ? std::string(kHiddenValue) : input.value.describe(),
                  setting.type + from, position);
  }

  void read_environment() {
    if (!sources_.environment) return;
    for (const Setting& setting : settings()) {
      const std::string variable = setting.environment();
      auto text = sources_.environment(variable);
      if (!text) continue;
      const JsonValue value(std::move(*text));
      apply(setting, {value, true}, {}, variable);
    }
  }

  void read_flags() {
    for (const ConfigOverride& flag : sources_.flags) {
      const Setting* setting = find_setting(flag.path);
      if (setting == nullptr || flag.values.empty()) {
        problems_.add(flag.path, "", "a setting with a value (from " + flag.source + ")");
        continue;
      }
      if (flag.values.size() == 1) {
        const JsonValue value(flag.values.front());
        apply(*setting, {value, true}, {}, flag.source);
        continue;
      }
      JsonValue::Array items;
      for (const std::string& text : flag.values) items.emplace_back(text);
      const JsonValue list(std::move(items));
      apply(*setting, {list, true}, {}, flag.source);
    }
  }

  // --- providers ---

  void read_providers(const JsonValue& list) {
    config_.has_providers = true;
    const std::size_t before = problems_.kept().size();
    config_.providers = read_descriptor_list(list, std::string(kProviders), problems_);
    for (ProviderDescriptor& d : config_.providers) d.origin = Origin::Config;
    std::vector<Problem> found = sources_.validator != nullptr
                                     ? sources_.validator->check_all(config_.providers, kProviders)
                                     : repeated_ids();
    for (Problem& problem : found) {
      const auto& kept = problems_.kept();
      const bool known =
          std::any_of(kept.begin() + static_cast<std::ptrdiff_t>(before), kept.end(),
                      [&](const Problem& other) { return other.field == problem.field; });
      if (known) continue;
      const SourcePosition position = position_of(problem.field, list);
      problems_.add(std::move(problem.field), problem.value, std::move(problem.expected), position);
    }
  }

  std::vector<Problem> repeated_ids() const {
    std::vector<Problem> repeated;
    std::set<ProviderId> seen;
    for (std::size_t i = 0; i < config_.providers.size(); ++i) {
      const ProviderId& id = config_.providers[i].id;
      if (seen.insert(id).second) continue;
      repeated.push_back({"providers[" + std::to_string(i) + "].id", id.str(), "an id of its own"});
    }
    return repeated;
  }

  // Of the descriptor that "providers[3].kind" is in.
  static SourcePosition position_of(std::string_view field, const JsonValue& list) {
    const std::size_t open = field.find('[');
    const JsonValue::Array* items = list.as_array();
    if (open == std::string_view::npos || items == nullptr) return list.position();
    std::size_t index = items->size();
    std::from_chars(field.data() + open + 1, field.data() + field.size(), index);
    return index < items->size() ? (*items)[index].position() : list.position();
  }

  // --- what only several settings together can get wrong ---

  // Not of one that could not be read: that is said already, and its default is nobody's mistake.
  void complain(std::string_view path, const std::string& expected) {
    if (unreadable_.contains(path)) return;
    SourcePosition position;
    for (const auto& [set, at] : positions_) {
      if (set == path) position = at;
    }
    const Setting* setting = find_setting(path);
    problems_.add(std::string(path), setting != nullptr ? setting->get(config_) : "", expected,
                  position);
  }

  void check_together() {
    const FailoverPolicy& failover = config_.failover;
    if (failover.degraded_after > failover.timeout) {
      complain("failover.degraded_after",
               "at most failover.timeout (" + duration_text(failover.timeout) + ")");
    }
    if (failover.backoff_initial > failover.backoff_max) {
      complain("failover.backoff",
               "at most failover.backoff_max (" + duration_text(failover.backoff_max) + ")");
    }
    check_tls();
    check_listeners();
    check_announce();
    check_store();
  }

  void check_announce() {
    const Config::Announce& announce = config_.announce;
    if (announce.providers.empty()) {
      if (!announce.node.id.empty()) {
        complain("announce.providers", "at least one provider's id, because there is a node_id");
      }
      return;
    }
    for (const Problem& problem : validate_node(announce.node, "announce")) {
      if (problem.field == "announce.id") {
        complain("announce.node_id", problem.expected);
      } else {
        const Setting* setting = find_setting(problem.field);
        complain(setting != nullptr ? std::string_view(setting->path) : "announce.labels",
                 problem.expected);
      }
    }
    if (announce.node.port == 0) complain("announce.port", "the port on which the node listens");
  }

  // --- where the providers live ---

  void check_store() {
    Config::Store& store = config_.store;
    if (store.kind == StoreKind::File) {
      Config::Store nothing;
      nothing.key = store.key;  // it has a default
      if (store != nothing) {
        complain("store.kind", "etcd, because other settings of `store` are given");
      }
      return;
    }
    if (store.key.empty()) store.key = default_store_key(config_.cluster);
    if (config_.has_providers) {
      problems_.add(std::string(kProviders), "a list",
                    "no list with store.kind etcd: the providers are the fleet's "
                    "(`rollcall providers apply FILE`, at any sidecar of it)");
    }
    if (store.endpoints.empty()) {
      complain("store.endpoints", "at least one endpoint, because store.kind is etcd");
    }
    check_store_as_provider();
  }

  // Endpoints and credentials are what the kind etcd takes, and it knows what is right.
  void check_store_as_provider() {
    if (sources_.validator == nullptr || config_.store.endpoints.empty()) return;
    ProviderDescriptor d;
    d.id = ProviderId("store");
    d.kind = std::string(to_string(StoreKind::Etcd));
    d.endpoints = config_.store.endpoints;
    d.auth = config_.store.auth;
    d.watch_params["prefix"] = config_.store.key;
    for (Problem& problem : sources_.validator->check(d, "store")) {
      SourcePosition position;
      for (const auto& [set, at] : positions_) {
        if (problem.field.starts_with(set) && set.starts_with("store.")) position = at;
      }
      problems_.add(std::move(problem.field), problem.value, std::move(problem.expected), position);
    }
  }

  void check_tls() {
    const TlsFiles& tls = config_.grpc.tls;
    if (tls.cert_file.empty() && !tls.key_file.empty()) {
      complain("grpc.tls.cert_file", "a certificate, because there is a key_file");
    }
    if (!tls.cert_file.empty() && tls.key_file.empty()) {
      complain("grpc.tls.key_file", "a key, because there is a cert_file");
    }
    if (!tls.client_ca_file.empty() && tls.cert_file.empty()) {
      complain("grpc.tls.cert_file", "a certificate, because there is a client_ca_file");
    }
  }

  // Whether listening on `a` takes `b`, an address of loopback, away.
  static bool collide(const ListenAddress& a, const ListenAddress& b) {
    if (a.is_unix || a.port == 0 || a.port != b.port) return false;
    const bool v6 = b.host.find(':') != std::string::npos;
    const bool everywhere = a.host == "::" || (a.host == "0.0.0.0" && !v6);
    const bool by_name = a.is_loopback() && (a.host == "localhost" || b.host == "localhost");
    return a.host == b.host || everywhere || by_name;
  }

  void check_listeners() {
    Config::Grpc& grpc = config_.grpc;
    if (grpc.listen.empty()) {
      auto socket =
          parse_listen_address("unix:" + config_.state_dir + "/" + std::string(kGrpcSocketName));
      if (!socket) {
        complain("state_dir", "a path short enough for the socket in it, or grpc.listen set");
        return;
      }
      grpc.listen.push_back(std::move(*socket));
    }
    const ListenAddress http{false, "", config_.http.host, config_.http.port};
    std::set<std::string> seen;
    for (const ListenAddress& address : grpc.listen) {
      const bool any_port = !address.is_unix && address.port == 0;
      if (!any_port && !seen.insert(address.text()).second) {
        complain("grpc.listen", "each address once (" + address.text() + ")");
      }
      if (config_.http.enabled && collide(address, http)) {
        complain("grpc.listen", "another port than that of http.listen (" + http.text() + ")");
      }
      if (!address.is_unix && !address.is_loopback() && !grpc.tls.enabled()) {
        complain("grpc.listen",
                 "a loopback address, or grpc.tls with a certificate (" + address.text() + ")");
      }
    }
  }

  const ConfigSources& sources_;
  Config config_;
  ProblemList problems_;
  std::vector<std::pair<std::string_view, SourcePosition>> positions_;  // of what was set, in order
  std::set<std::string_view> unreadable_;
};

}  // namespace

Result<Config> load_config(const ConfigSources& sources) { return Loader(sources).load(); }

std::vector<std::string> restart_only_changes(const Config& running, const Config& wanted) {
  std::vector<std::string> changed;
  for (const Setting& setting : settings()) {
    if (setting.reloadable || setting.get(running) == setting.get(wanted)) continue;
    changed.emplace_back(setting.path);
  }
  return changed;
}

Result<void> check_reload(const Config& running, const Config& wanted) {
  std::vector<Problem> problems;
  for (const std::string& path : restart_only_changes(running, wanted)) {
    const Setting* setting = find_setting(path);
    problems.push_back({path, setting->get(wanted),
                        "what is running (" + setting->get(running) + "), or a restart"});
  }
  if (problems.empty()) return {};
  return fail(ErrorCode::InvalidConfig, "the reload is refused, nothing was changed",
              std::move(problems));
}

std::vector<ConfigFlag> config_flags() {
  std::vector<ConfigFlag> flags;
  for (const Setting& setting : settings()) {
    if (setting.flag.empty()) continue;
    flags.push_back({std::string(setting.flag), std::string(setting.path), setting.type});
  }
  return flags;
}

std::vector<std::pair<std::string, std::string>> config_environment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (const Setting& setting : settings()) {
    variables.emplace_back(setting.environment(), setting.path);
  }
  return variables;
}

}  // namespace rollcall
