#include "bridges/stream/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

#include "core/limits.h"

namespace rollcall {
namespace {

constexpr int kMaxReceiveBytes = 4 << 20;  // requests; the largest, ApplyProviders, is below 2 MiB
constexpr int kMinClientPingMs = 10'000;   // PROTOCOLS "gRPC"
constexpr std::size_t kMaxPemBytes = 1u << 20;

int clamp_ms(Duration d) {
  return static_cast<int>(std::clamp<std::int64_t>(to_ms(d), 1, std::numeric_limits<int>::max()));
}

Result<std::string> read_pem(const std::string& field, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || text.empty() || text.size() > kMaxPemBytes) {
    return fail(ErrorCode::InvalidConfig, "TLS cannot be set up",
                {{field, path, "a readable PEM file of at most 1 MiB"}});
  }
  return text;
}

Result<std::shared_ptr<grpc::ServerCredentials>> credentials(const GrpcServerOptions::Tls& tls) {
  if (tls.cert_file.empty()) return grpc::InsecureServerCredentials();
  auto cert = read_pem("grpc.tls.cert_file", tls.cert_file);
  if (!cert) return tl::unexpected(cert.error());
  auto key = read_pem("grpc.tls.key_file", tls.key_file);
  if (!key) return tl::unexpected(key.error());
  grpc::SslServerCredentialsOptions options(
      tls.client_ca_file.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                 : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_key_cert_pairs.push_back({*std::move(key), *std::move(cert)});
  if (!tls.client_ca_file.empty()) {
    auto ca = read_pem("grpc.tls.client_ca_file", tls.client_ca_file);
    if (!ca) return tl::unexpected(ca.error());
    options.pem_root_certs = *std::move(ca);
  }
  return grpc::SslServerCredentials(options);
}

std::string host_port(const std::string& host, int port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

void set_arguments(grpc::ServerBuilder& builder, const GrpcServerOptions& options) {
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, clamp_ms(options.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, clamp_ms(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinClientPingMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(limits::kMaxSubscribers));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second sidecar gets an error
  if (options.max_connection_age > Duration::zero()) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                               clamp_ms(options.max_connection_age));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, clamp_ms(limits::kWriteStall));
  }
}

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(GrpcServerOptions options) {
  std::unique_ptr<GrpcServer> made(new GrpcServer());
  made->service_names_ = options.service_names;
  for (auto& unix_socket : options.unix_sockets) {
    auto listener = UnixListener::bind(unix_socket);
    if (!listener) return tl::unexpected(listener.error());
    made->addresses_.push_back("unix:" + unix_socket.path);
    made->listeners_.push_back(*std::move(listener));
  }
  auto tcp_credentials = credentials(options.tls);
  if (!tcp_credentials) return tl::unexpected(tcp_credentials.error());

  // Both are switches of the process; this class is its only user of gRPC servers.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  set_arguments(builder, options);
  std::vector<int> ports(options.tcp.size(), 0);
  for (std::size_t i = 0; i < options.tcp.size(); ++i) {
    builder.AddListeningPort(host_port(options.tcp[i].host, options.tcp[i].port), *tcp_credentials,
                             &ports[i]);
  }
  for (grpc::Service* service : options.services) builder.RegisterService(service);
  made->server_ = builder.BuildAndStart();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (made->server_ == nullptr || ports[i] == 0) {
      return fail(ErrorCode::InvalidConfig, "cannot listen for gRPC",
                  {{"grpc.listen", host_port(options.tcp[i].host, options.tcp[i].port),
                    "an address of this machine that no other process uses"}});
    }
    made->addresses_.push_back(host_port(options.tcp[i].host, ports[i]));
  }
  if (made->server_ == nullptr) {
    return fail(ErrorCode::InvalidConfig, "the gRPC server cannot be started");
  }
  made->set_serving(false);
  grpc::Server* const server = made->server_.get();
  for (auto& listener : made->listeners_) {
    listener->start([server](int fd) { grpc::AddInsecureChannelFromFd(server, fd); },
                    options.on_refused);
  }
  return made;
}

GrpcServer::~GrpcServer() { stop(Duration::zero()); }

void GrpcServer::set_serving(bool serving) {
  auto* health = server_->GetHealthCheckService();
  if (health == nullptr) return;
  health->SetServingStatus(serving);  // of every service it was told of
  health->SetServingStatus("", serving);
  for (const auto& name : service_names_) health->SetServingStatus(name, serving);
}

void GrpcServer::stop(Duration grace) {
  if (server_ == nullptr || stopped_.exchange(true)) return;
  for (auto& listener : listeners_) listener->stop();
  if (auto* health = server_->GetHealthCheckService(); health != nullptr) health->Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(grace));
  server_->Wait();
}

}  // namespace rollcall
