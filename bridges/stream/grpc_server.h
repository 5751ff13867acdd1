// GrpcServer: the one gRPC server of a sidecar: the bridges' services, standard health checking and
// reflection, on Unix sockets of our own (unix_listener.h) and on TCP where configured.
//
// Keepalive, so that half-open connections are noticed: pings every 30 s, 10 s to answer, also
// without calls; clients may ping every 10 s (gRPC's default of 5 min would end them with
// too_many_pings).
//
// Threads: gRPC's own, and one a Unix socket. start() and stop() by the owner, set_serving() by
// any.
#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bridges/stream/unix_listener.h"
#include "core/error.h"
#include "core/time.h"

namespace rollcall {

struct GrpcServerOptions {
  struct Tcp {
    std::string host;        // numeric (IPv6 without brackets) or "localhost"
    std::uint16_t port = 0;  // 0: any free one
  };
  // PEM files; empty cert_file: TCP without TLS, which is for loopback only (the configuration's
  // check).
  struct Tls {
    std::string cert_file;
    std::string key_file;
    std::string client_ca_file;  // clients must show a certificate that it signed
  };
  std::vector<UnixListener::Options> unix_sockets;
  std::vector<Tcp> tcp;
  Tls tls;
  Duration keepalive{std::chrono::seconds(30)};
  Duration keepalive_timeout{std::chrono::seconds(10)};
  // 0: unbounded. gRPC adds ±10 %, so that clients don't all return at once.
  Duration max_connection_age{};
  std::vector<grpc::Service*> services;    // outlive the server
  std::vector<std::string> service_names;  // for health checking: "rollcall.v1.PlacementBridge"
  UnixListener::OnRefused on_refused;
};

class GrpcServer {
 public:
  // INVALID_CONFIG names the address or file that cannot be used.
  static Result<std::unique_ptr<GrpcServer>> start(GrpcServerOptions options);
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // What health checks answer, for "" and each service. NOT_SERVING until it is called.
  void set_serving(bool serving);
  // Takes no new connections, waits `grace` for calls to end, cancels the rest. The hub's streams
  // should have been closed before (WatchHub::close). Idempotent.
  void stop(Duration grace);
  // In the order of the options: "unix:/run/x.sock", "127.0.0.1:9630" with the real port.
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  GrpcServer() = default;

  std::vector<std::string> service_names_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::unique_ptr<UnixListener>> listeners_;  // stop before the server does
  std::vector<std::string> addresses_;
  std::atomic<bool> stopped_{false};
};

}  // namespace rollcall
