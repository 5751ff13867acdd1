#include "bridges/client/channel.h"

#include <grpcpp/grpcpp.h>
#include <sys/un.h>

#include <charconv>
#include <fstream>
#include <string_view>
#include <utility>

#include "bridges/client/default_server.h"
#include "bridges/client/replica/limits.h"
#include "core/limits.h"

namespace rollcall::client {
namespace {

constexpr std::string_view kUnix = "unix:";
// What gRPC itself waits between two attempts to connect; the Subscriber has a backoff of its own.
constexpr int kReconnectMs = 100;
constexpr int kReconnectMaxMs = 2'000;
// How long one attempt may take, which is what gRPC's "min reconnect backoff" means (grpc issues
// 12830, 33423): a handshake on a busy machine or over a long way must not be cut off.
constexpr int kConnectMs = 5'000;

tl::unexpected<ProvisioningError> bad_address(const std::string& address, std::string expected) {
  return fail(ErrorCode::InvalidConfig, "the server's address can't be used",
              {{"server", address, std::move(expected)}});
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// gRPC takes a target for a URI: '%' would begin an escape, and '?' or '#' end the path.
std::string percent_encoded(std::string_view path) {
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 0xf];
    }
  }
  return out;
}

Result<std::string> target_of(const std::string& address) {
  if (address.starts_with(kUnix)) {
    const std::string path = address.substr(kUnix.size());
    if (path.empty()) return bad_address(address, "unix:PATH with a path");
    const std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
    if (path.size() > longest) {
      return bad_address(address, "a socket path of at most " + std::to_string(longest) + " bytes");
    }
    return std::string(kUnix) + percent_encoded(path);
  }
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || !is_port(address.substr(colon + 1))) {
    return bad_address(address, "unix:PATH or HOST:PORT");
  }
  return "dns:///" + address;
}

Result<std::string> read_pem(const std::string& path, const char* field) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char buffer[4096];
  while (file.read(buffer, sizeof buffer) || file.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(file.gcount()));
    if (text.size() > rollcall::limits::kMaxConfigBytes) break;
  }
  if (text.empty() || text.size() > rollcall::limits::kMaxConfigBytes) {
    return fail(ErrorCode::InvalidConfig, "a TLS file can't be used",
                {{field, path, "a readable PEM file"}});
  }
  return text;
}

Result<std::shared_ptr<grpc::ChannelCredentials>> credentials_of(const TlsOptions& tls) {
  if (!tls.enabled) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  auto ca = read_pem(tls.ca_file, "tls.ca_file");
  if (!ca) return tl::unexpected(ca.error());
  auto cert = read_pem(tls.cert_file, "tls.cert_file");
  if (!cert) return tl::unexpected(cert.error());
  auto key = read_pem(tls.key_file, "tls.key_file");
  if (!key) return tl::unexpected(key.error());
  options.pem_root_certs = *std::move(ca);
  options.pem_cert_chain = *std::move(cert);
  options.pem_private_key = *std::move(key);
  return grpc::SslCredentials(options);
}

int ms(std::chrono::milliseconds duration) { return static_cast<int>(duration.count()); }

}  // namespace

Result<Channel> Channel::open(const ChannelOptions& options) {
  std::string address =
      options.address.empty() ? default_server(process_surroundings()) : options.address;
  auto target = target_of(address);
  if (!target) return tl::unexpected(target.error());
  auto credentials = credentials_of(options.tls);
  if (!credentials) return tl::unexpected(credentials.error());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, ms(limits::kKeepaliveEvery));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, ms(limits::kKeepaliveTimeout));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  // Two channels of one process fail apart from one another.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // a repeated write is not ours to decide
  arguments.SetMaxReceiveMessageSize(static_cast<int>(limits::kMaxReceiveBytes));
  if (!options.tls.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls.server_name);
  }
  return Channel(std::move(address), grpc::CreateCustomChannel(*target, *credentials, arguments));
}

}  // namespace rollcall::client
