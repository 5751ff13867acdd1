#include "provisioning/config/settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <utility>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Where a setting lives in Config.
template <class T>
using Place = T& (*)(Config&);

template <class T>
const T& read(Place<T> place, const Config& config) {
  return place(const_cast<Config&>(config));  // places only point
}

enum class Reload : bool { No, Yes };

struct Row {
  std::string_view path;
  Reload reload;
  std::string_view doc;
  std::string_view flag = {};
  std::string_view shown_default = {};
};

Setting make(const Row& row, std::string type,
             std::function<bool(const SettingInput&, Config&)> set,
             std::function<std::string(const Config&)> get) {
  return {row.path,       std::move(type), row.reload == Reload::Yes,
          row.flag,       row.doc,         row.shown_default,
          std::move(set), std::move(get)};
}

Setting duration(const Row& row, Place<Duration> place, Duration min, Duration max,
                 bool zero_too = false) {
  std::string type = "a duration from " + duration_text(min) + " to " + duration_text(max);
  if (zero_too) type += ", or 0s";
  return make(
      row, std::move(type),
      [=](const SettingInput& input, Config& config) {
        const auto value = input_duration(input);
        const bool zero = zero_too && value == Duration::zero();
        if (!value || (!zero && (*value < min || *value > max))) return false;
        place(config) = *value;
        return true;
      },
      [=](const Config& config) { return duration_text(read(place, config)); });
}

template <class T>
Setting integer(const Row& row, Place<T> place, std::int64_t min, std::int64_t max) {
  return make(
      row, "an integer from " + std::to_string(min) + " to " + std::to_string(max),
      [=](const SettingInput& input, Config& config) {
        const auto value = input_integer(input);
        if (!value || *value < min || *value > max) return false;
        place(config) = static_cast<T>(*value);
        return true;
      },
      [=](const Config& config) { return std::to_string(read(place, config)); });
}

Setting number(const Row& row, Place<double> place, double min, double max, bool min_too) {
  return make(
      row,
      std::string("a number ") + (min_too ? "from " : "above ") + number_text(min) + " to " +
          number_text(max),
      [=](const SettingInput& input, Config& config) {
        const auto value = input_number(input);
        const bool inside = value && *value <= max && (min_too ? *value >= min : *value > min);
        if (!inside) return false;
        place(config) = *value;
        return true;
      },
      [=](const Config& config) { return number_text(read(place, config)); });
}

Setting boolean(const Row& row, Place<bool> place) {
  return make(
      row, "true or false",
      [=](const SettingInput& input, Config& config) {
        const auto value = input_bool(input);
        if (value) place(config) = *value;
        return value.has_value();
      },
      [=](const Config& config) { return read(place, config) ? "true" : "false"; });
}

Setting bytes(const Row& row, Place<std::size_t> place, std::uint64_t min, std::uint64_t max) {
  return make(
      row, "a size from " + bytes_text(min) + " to " + bytes_text(max),
      [=](const SettingInput& input, Config& config) {
        const auto value = input_bytes(input);
        if (!value || *value < min || *value > max) return false;
        place(config) = static_cast<std::size_t>(*value);
        return true;
      },
      [=](const Config& config) { return bytes_text(read(place, config)); });
}

Setting name(const Row& row, Place<std::string> place, std::size_t max_bytes) {
  return make(
      row, "a text of 1 to " + std::to_string(max_bytes) + " bytes without control characters",
      [=](const SettingInput& input, Config& config) {
        auto value = input_text(input);
        const bool good = value && !value->empty() && value->size() <= max_bytes &&
                          is_valid_utf8(*value) && !has_control_characters(*value);
        if (good) place(config) = std::move(*value);
        return good;
      },
      [=](const Config& config) { return read(place, config); });
}

Setting path(const Row& row, Place<std::string> place) {
  return make(
      row, "an absolute path",
      [=](const SettingInput& input, Config& config) {
        auto value = input_text(input);
        const bool good = value && value->size() <= limits::kMaxPathBytes &&
                          value->starts_with('/') && is_valid_utf8(*value) &&
                          !has_control_characters(*value);
        if (!good) return false;
        while (value->size() > 1 && value->ends_with('/')) value->pop_back();
        place(config) = std::move(*value);
        return true;
      },
      [=](const Config& config) { return read(place, config); });
}

Setting secret_path(const Row& row, Place<std::string> place) {
  Setting setting = path(row, place);
  setting.of_secrets = true;
  return setting;
}

template <class T>
Setting choice(const Row& row, Place<T> place, std::string type,
               std::optional<T> (*parse)(std::string_view)) {
  return make(
      row, std::move(type),
      [=](const SettingInput& input, Config& config) {
        const auto text = input_text(input);
        const auto value = text ? parse(*text) : std::optional<T>();
        if (value) place(config) = *value;
        return value.has_value();
      },
      [=](const Config& config) { return std::string(to_string(read(place, config))); });
}

constexpr std::size_t kMaxListenAddresses = 16;
constexpr std::uint32_t kOwnerOnly = 0600;
constexpr std::uint32_t kOwnerAndGroup = 0660;

Setting grpc_listen() {
  const Row row{"grpc.listen", Reload::No,
                "Where the gRPC services listen. TCP beyond loopback needs TLS.", "--grpc-listen",
                "unix:STATE_DIR/rollcall.sock"};
  return make(
      row, "a list of at most 16 addresses, each unix:/PATH, HOST:PORT or [IPV6]:PORT",
      [](const SettingInput& input, Config& config) {
        const auto texts = input_list(input);
        if (!texts || texts->empty() || texts->size() > kMaxListenAddresses) return false;
        std::vector<ListenAddress> addresses;
        for (const std::string& text : *texts) {
          auto address = parse_listen_address(text);
          if (!address) return false;
          addresses.push_back(std::move(*address));
        }
        config.grpc.listen = std::move(addresses);
        return true;
      },
      [](const Config& config) {
        std::string out;
        for (const ListenAddress& address : config.grpc.listen) {
          out += (out.empty() ? "" : ", ") + address.text();
        }
        return out;
      });
}

// YAML reads a plain 0600 as the number 600; whatever was written, these two modes are meant.
Setting unix_mode() {
  const Row row{"grpc.unix_mode", Reload::No,
                "Permissions of the Unix sockets: their owner, or its group as well."};
  return make(
      row, "0600 or 0660",
      [](const SettingInput& input, Config& config) {
        const auto text = input_text(input);
        const std::int64_t integer = input.is_text ? -1 : input_integer(input).value_or(-1);
        if (text == "0600" || integer == 600 || integer == std::int64_t{kOwnerOnly}) {
          config.grpc.unix_mode = kOwnerOnly;
        } else if (text == "0660" || integer == 660 || integer == std::int64_t{kOwnerAndGroup}) {
          config.grpc.unix_mode = kOwnerAndGroup;
        } else {
          return false;
        }
        return true;
      },
      [](const Config& config) { return config.grpc.unix_mode == kOwnerOnly ? "0600" : "0660"; });
}

Setting http_listen() {
  const Row row{
      "http.listen", Reload::No,
      "Where /metrics, /livez, /readyz, /v1/topology and /v1/http_sd are served. Loopback only.",
      "--http-listen"};
  return make(
      row, "HOST:PORT of loopback, or off",
      [](const SettingInput& input, Config& config) {
        const auto text = input_text(input);
        if (!text) return false;
        config.http.enabled = *text != "off";
        if (!config.http.enabled) return true;
        const auto address = parse_listen_address(*text);
        if (!address || address->is_unix || !address->is_loopback()) return false;
        config.http.host = address->host;
        config.http.port = address->port;
        return true;
      },
      [](const Config& config) {
        if (!config.http.enabled) return std::string("off");
        return ListenAddress{false, "", config.http.host, config.http.port}.text();
      });
}

constexpr std::size_t kMaxKeyBytes = 512;

// Whether each is an endpoint is for the kind etcd to say (config_loader).
Setting store_endpoints() {
  const Row row{"store.endpoints", Reload::No,
                "Members of one etcd cluster, tried in turn: http://HOST:2379, https://HOST:2379."};
  return make(
      row, "a list of at most 16 endpoints",
      [](const SettingInput& input, Config& config) {
        auto texts = input_list(input);
        if (!texts || texts->empty() || texts->size() > limits::kMaxEndpoints) return false;
        config.store.endpoints = std::move(*texts);
        return true;
      },
      [](const Config& config) {
        std::string out;
        for (const std::string& endpoint : config.store.endpoints) {
          out += (out.empty() ? "" : ", ") + endpoint;
        }
        return out;
      });
}

#define ROLLCALL_AT(type, member) [](Config& c) -> type& { return c.member; }

void add_process(std::vector<Setting>& all) {
  all.push_back(name({"cluster", Reload::No, "The cluster that this sidecar serves."},
                     ROLLCALL_AT(std::string, cluster), limits::kMaxConsumerIdBytes));
  all.push_back(path({"state_dir", Reload::No, "Everything durable lives there.", "--state-dir"},
                     ROLLCALL_AT(std::string, state_dir)));
}

void add_servers(std::vector<Setting>& all) {
  all.push_back(grpc_listen());
  all.push_back(
      secret_path({"grpc.tls.cert_file", Reload::No, "The server's certificate chain, PEM."},
                  ROLLCALL_AT(std::string, grpc.tls.cert_file)));
  all.push_back(secret_path({"grpc.tls.key_file", Reload::No, "Its private key, PEM."},
                            ROLLCALL_AT(std::string, grpc.tls.key_file)));
  all.push_back(
      secret_path({"grpc.tls.client_ca_file", Reload::No,
                   "If set, clients must present a certificate that one of these signed."},
                  ROLLCALL_AT(std::string, grpc.tls.client_ca_file)));
  all.push_back(unix_mode());
  all.push_back(integer<std::size_t>(
      {"grpc.max_subscribers", Reload::No, "Open subscriptions at once; more are refused."},
      ROLLCALL_AT(std::size_t, grpc.max_subscribers), 1, limits::kMaxSubscribers));
  all.push_back(
      duration({"grpc.keepalive", Reload::No, "The server pings a quiet connection that often."},
               ROLLCALL_AT(Duration, grpc.keepalive), seconds(1), hours(2)));
  all.push_back(duration(
      {"grpc.keepalive_timeout", Reload::No, "A ping without an answer ends the connection then."},
      ROLLCALL_AT(Duration, grpc.keepalive_timeout), seconds(1), minutes(10)));
  all.push_back(duration({"grpc.max_connection_age", Reload::No,
                          "Connections are asked to reconnect after that time; 0s: never."},
                         ROLLCALL_AT(Duration, grpc.max_connection_age), minutes(1), hours(240),
                         true));
  all.push_back(http_listen());
}

void add_log(std::vector<Setting>& all) {
  all.push_back(choice<LogLevel>({"log.level", Reload::Yes, "What is logged.", "--log-level"},
                                 ROLLCALL_AT(LogLevel, log.level),
                                 "one of debug, info, warning, error", log_level_from_string));
  all.push_back(choice<LogFormat>({"log.format", Reload::Yes, "How a line looks."},
                                  ROLLCALL_AT(LogFormat, log.format), "json or logfmt",
                                  log_format_from_string));
}

void add_store(std::vector<Setting>& all) {
  all.push_back(choice<StoreKind>(
      {"store.kind", Reload::No,
       "A file of this sidecar in state_dir, or a key of an etcd that a fleet of sidecars shares."},
      ROLLCALL_AT(StoreKind, store.kind), "file or etcd", store_kind_from_string));
  all.push_back(store_endpoints());
  Setting key =
      name({"store.key",
            Reload::No,
            "The key that holds the fleet's set. Sidecars of one fleet name the same one.",
            {},
            "/rollcall/CLUSTER/providers"},
           ROLLCALL_AT(std::string, store.key), kMaxKeyBytes);
  all.push_back(std::move(key));
  all.push_back(secret_path({"store.auth.token_file", Reload::No, "One line user:password."},
                            ROLLCALL_AT(std::string, store.auth.token_file)));
  all.push_back(
      secret_path({"store.auth.ca_file", Reload::No,
                   "Who signs the servers' certificates, PEM; by default the system's bundle."},
                  ROLLCALL_AT(std::string, store.auth.ca_file)));
  all.push_back(secret_path(
      {"store.auth.cert_file", Reload::No, "Our certificate, PEM, where etcd asks for one."},
      ROLLCALL_AT(std::string, store.auth.cert_file)));
  all.push_back(secret_path({"store.auth.key_file", Reload::No, "Its private key, PEM."},
                            ROLLCALL_AT(std::string, store.auth.key_file)));
  all.push_back(name({"store.tls_server_name", Reload::No,
                      "The name in the servers' certificates; by default the endpoint's host."},
                     ROLLCALL_AT(std::string, store.tls_server_name), limits::kMaxHostBytes));
}

void add_failover(std::vector<Setting>& all) {
  all.push_back(choice<TopologyMode>({"topology.mode", Reload::Yes,
                                      "Whose members make the topology: the active provider's, or "
                                      "those of all providers together."},
                                     ROLLCALL_AT(TopologyMode, failover.mode), "failover or merge",
                                     topology_mode_from_string));
  all.push_back(choice<MergeIdentity>({"topology.identity", Reload::Yes,
                                       "Merged, members of two providers are one node if they "
                                       "share the id; or the id or the address."},
                                      ROLLCALL_AT(MergeIdentity, failover.identity),
                                      "id or address", merge_identity_from_string));
  const auto add = [&](const char* path, const char* doc, Place<Duration> place, Duration min,
                       Duration max) {
    all.push_back(duration({path, Reload::Yes, doc}, place, min, max));
  };
  add("failover.degraded_after", "A provider without a confirmed answer for that long is Degraded.",
      ROLLCALL_AT(Duration, failover.degraded_after), milliseconds(100), hours(1));
  add("failover.timeout", "A provider without a confirmed answer for that long is Unreachable.",
      ROLLCALL_AT(Duration, failover.timeout), milliseconds(100), hours(1));
  all.push_back(integer<int>({"failover.max_errors", Reload::Yes,
                              "That many errors in a row make a provider Unreachable."},
                             ROLLCALL_AT(int, failover.max_errors), 1, 1000));
  add("failover.backoff", "Wait before the first retry; it doubles with each further error.",
      ROLLCALL_AT(Duration, failover.backoff_initial), milliseconds(10), hours(1));
  add("failover.backoff_max", "The longest wait before a retry.",
      ROLLCALL_AT(Duration, failover.backoff_max), milliseconds(10), hours(1));
  all.push_back(number({"failover.backoff_jitter", Reload::Yes,
                        "Share by which a wait is lengthened or shortened at random."},
                       ROLLCALL_AT(double, failover.backoff_jitter), 0, 0.9, true));
  add("failover.cooldown",
      "A provider that lost the active role gets it back after being healthy that long.",
      ROLLCALL_AT(Duration, failover.cooldown), Duration::zero(), hours(24));
  all.push_back(integer<int>(
      {"failover.hold_failures", Reload::Yes,
       "That many answers within hold_window that fail validation hold a provider back."},
      ROLLCALL_AT(int, failover.hold_failures), 1, 1000));
  add("failover.hold_window", "The window in which they are counted.",
      ROLLCALL_AT(Duration, failover.hold_window), seconds(1), hours(24));
  add("failover.rollback_stand",
      "After an index rollback, an answer that removes members must stand that long.",
      ROLLCALL_AT(Duration, failover.rollback_stand), Duration::zero(), hours(24));
  add("failover.block_lifetime", "A quarantined node stays blocked at most that long.",
      ROLLCALL_AT(Duration, failover.block_lifetime), minutes(1), hours(24 * 30));

  all.push_back(
      boolean({"leave_guard.enabled", Reload::Yes, "Whether mass removals are held back."},
              ROLLCALL_AT(bool, failover.leave_guard.enabled)));
  all.push_back(number({"leave_guard.max_share", Reload::Yes,
                        "Share of the members that may leave within `hold` unquestioned."},
                       ROLLCALL_AT(double, failover.leave_guard.max_share), 0, 1, false));
  add("leave_guard.hold", "The sliding window, and how long removals are held.",
      ROLLCALL_AT(Duration, failover.leave_guard.hold), seconds(1), hours(24));
}

void add_rest(std::vector<Setting>& all) {
  all.push_back(bytes(
      {"hub.log_bytes", Reload::No, "Size of the event log: how far back a consumer may resume."},
      ROLLCALL_AT(std::size_t, hub.log_bytes), 1u << 20, std::uint64_t{4} << 30));
  all.push_back(duration(
      {"hub.bookmark_every", Reload::No,
       "Quiet streams get a bookmark that often; clients take 20 s of silence for a dead one."},
      ROLLCALL_AT(Duration, hub.bookmark_every), milliseconds(100), seconds(10)));
  all.push_back(duration(
      {"hub.write_stall", Reload::No, "A write that stalls for that long ends its stream."},
      ROLLCALL_AT(Duration, hub.write_stall), seconds(1), hours(1)));
  all.push_back(duration({"admission.connectivity_deadline", Reload::No,
                          "How long a backend may take to answer before it is accepted."},
                         ROLLCALL_AT(Duration, admission.connectivity_deadline),
                         limits::kConnectivityGrace * 2, limits::kConnectivityDeadline));
  all.push_back(boolean({"admission.allow_unreachable", Reload::Yes,
                         "A reload accepts configured providers that do not answer."},
                        ROLLCALL_AT(bool, admission.allow_unreachable)));
  all.push_back(duration({"lifecycle.drain_deadline", Reload::No,
                          "How long a shutdown may take to close streams in order."},
                         ROLLCALL_AT(Duration, lifecycle.drain_deadline), milliseconds(100),
                         limits::kDrainDeadline));
  all.push_back(duration({"lifecycle.topology_save_every", Reload::No,
                          "The last confirmed topology is written at most that often."},
                         ROLLCALL_AT(Duration, lifecycle.topology_save_every), milliseconds(100),
                         hours(1)));
}

#undef ROLLCALL_AT

std::vector<Setting> all_settings() {
  std::vector<Setting> all;
  add_process(all);
  add_servers(all);
  add_log(all);
  add_store(all);
  add_failover(all);
  add_rest(all);
  add_announce_settings(all);
  return all;
}

struct Section {
  std::string_view name;
  std::string_view doc;
};
constexpr std::array<Section, 11> kSections = {{
    {"grpc", "The services of the API."},
    {"http", "The endpoints for Prometheus, probes and people."},
    {"log", "The structured log on standard error."},
    {"store", "Where the accepted providers live."},
    {"topology", "Whose members make the topology."},
    {"failover", "When a provider counts as lost, and which one takes over."},
    {"leave_guard", "Holds back removals that are too many to be believed at once."},
    {"hub", "The event log and its subscribers."},
    {"admission", "What is checked before a provider is accepted."},
    {"lifecycle", "Shutting down, and what is kept for the next start."},
    {"announce", "This node as a member at the backends of providers that are registered."},
}};

}  // namespace

std::string_view to_string(StoreKind kind) { return kind == StoreKind::Etcd ? "etcd" : "file"; }

std::optional<StoreKind> store_kind_from_string(std::string_view name) {
  if (name == "file") return StoreKind::File;
  if (name == "etcd") return StoreKind::Etcd;
  return std::nullopt;
}

std::string default_store_key(const std::string& cluster) {
  return "/rollcall/" + cluster + "/providers";
}

std::string Setting::environment() const {
  std::string out = "ROLLCALL_";
  for (const char c : path) {
    out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

const std::vector<Setting>& settings() {
  static const std::vector<Setting> kAll = all_settings();
  return kAll;
}

const Setting* find_setting(std::string_view path) {
  const auto& all = settings();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Setting& s) { return s.path == path; });
  return found == all.end() ? nullptr : &*found;
}

std::string_view section_doc(std::string_view section) {
  for (const Section& known : kSections) {
    if (known.name == section) return known.doc;
  }
  return {};
}

}  // namespace rollcall
