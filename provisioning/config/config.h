// Config: everything that an operator may set of rollcalld (SPEC 9). One declarative table
// (settings.cpp) says of each setting where it stands, what it may be, its default, its environment
// variable and whether a reload may change it; that table drives parsing, checking, the comparison
// at a reload, and the reference in the README.
//
// Threads: a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/descriptor.h"
#include "core/limits.h"
#include "core/node.h"
#include "core/time.h"
#include "provisioning/failover/failover_policy.h"
#include "provisioning/telemetry/logger.h"

namespace rollcall {

inline constexpr std::string_view kDefaultStateDir = "/var/lib/rollcall";
inline constexpr std::string_view kGrpcSocketName = "rollcall.sock";  // in the state directory
inline constexpr std::uint16_t kDefaultHttpPort = 9631;

// "unix:PATH" or "HOST:PORT"; an IPv6 host is written in brackets and kept without them.
struct ListenAddress {
  bool is_unix = false;
  std::string path;        // absolute, of a Unix socket
  std::string host;        // numeric or "localhost"
  std::uint16_t port = 0;  // 0: any free one
  std::string text() const;
  bool is_loopback() const;  // of TCP: 127.0.0.0/8, ::1, localhost
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};
Result<ListenAddress> parse_listen_address(std::string_view text);

struct TlsFiles {
  std::string cert_file;  // PEM; with key_file
  std::string key_file;
  std::string client_ca_file;  // set: clients must present a certificate that it signed
  bool enabled() const { return !cert_file.empty(); }
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

// Where the accepted descriptors live: a file of this sidecar, or a key of an etcd that a fleet
// shares.
enum class StoreKind : std::uint8_t { File = 1, Etcd = 2 };
std::string_view to_string(StoreKind kind);  // "file", "etcd"
std::optional<StoreKind> store_kind_from_string(std::string_view name);
std::string default_store_key(const std::string& cluster);  // "/rollcall/CLUSTER/providers"

struct Config {
  std::string cluster = "default";          // Watch{cluster} must name it, or nothing
  std::string state_dir{kDefaultStateDir};  // absolute

  struct Grpc {
    std::vector<ListenAddress>
        listen;    // after loading never empty: default unix:STATE_DIR/rollcall.sock
    TlsFiles tls;  // of the TCP addresses
    std::uint32_t unix_mode = 0600;
    std::size_t max_subscribers = limits::kMaxSubscribers;
    Duration keepalive{std::chrono::seconds(30)};  // server's ping on a quiet connection
    Duration keepalive_timeout{std::chrono::seconds(10)};
    Duration max_connection_age{};  // 0: unbounded
    friend bool operator==(const Grpc&, const Grpc&) = default;
  } grpc;

  struct Http {
    bool enabled = true;
    std::string host = "127.0.0.1";
    std::uint16_t port = kDefaultHttpPort;
    friend bool operator==(const Http&, const Http&) = default;
  } http;

  struct Log {
    LogLevel level = LogLevel::Info;
    LogFormat format = LogFormat::Json;
    friend bool operator==(const Log&, const Log&) = default;
  } log;

  FailoverPolicy failover;  // leave_guard included

  struct Store {  // of the accepted providers
    StoreKind kind = StoreKind::File;
    std::vector<std::string> endpoints;
    std::string key;  // after loading not empty if kind is Etcd: default_store_key()
    AuthRef auth;
    std::string tls_server_name;
    friend bool operator==(const Store&, const Store&) = default;
  } store;

  struct Hub {
    std::size_t log_bytes = limits::kLogBytes;
    Duration bookmark_every{limits::kBookmarkEvery};
    Duration write_stall{limits::kWriteStall};
    friend bool operator==(const Hub&, const Hub&) = default;
  } hub;

  struct Admission {  // of providers
    Duration connectivity_deadline{limits::kConnectivityDeadline};
    bool allow_unreachable = false;  // of `providers:` at a reload
    friend bool operator==(const Admission&, const Admission&) = default;
  } admission;

  struct Lifecycle {
    Duration drain_deadline{limits::kDrainDeadline};
    Duration topology_save_every{limits::kTopologySaveEvery};
    friend bool operator==(const Lifecycle&, const Lifecycle&) = default;
  } lifecycle;

  struct Announce {
    std::vector<ProviderId> providers;  // through whose backends; none: nothing is announced
    ClusterNode node;                   // this one; all right if there are providers
    std::string socket;                 // of the node, absolute; empty: the sidecar's own
    Duration ttl{limits::kAnnounceTtl};
    friend bool operator==(const Announce&, const Announce&) = default;
  } announce;

  bool from_file = false;      // there was a configuration file: no embedded default provider
  bool has_providers = false;  // `providers:` is there, if only as an empty list
  std::vector<ProviderDescriptor> providers;  // origin Config
};

}  // namespace rollcall
