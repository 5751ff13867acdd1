#include <arpa/inet.h>

#include <charconv>
#include <utility>

#include "core/limits.h"
#include "core/text.h"
#include "provisioning/config/config.h"

namespace rollcall {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un, less the terminating zero

tl::unexpected<ProvisioningError> bad(std::string_view text, std::string expected) {
  return fail(ErrorCode::InvalidConfig, "not an address to listen on",
              {{"address", printable(text, limits::kMaxProblemValueBytes), std::move(expected)}});
}

bool is_ipv4(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  ListenAddress address;
  if (text.starts_with(kUnix)) {
    address.is_unix = true;
    address.path = text.substr(kUnix.size());
    if (!address.path.starts_with('/') || address.path.size() > kMaxSocketPath ||
        address.path.ends_with('/') || has_control_characters(address.path) ||
        !is_valid_utf8(address.path)) {
      return bad(text, "unix: and an absolute path of at most " + std::to_string(kMaxSocketPath) +
                           " bytes");
    }
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad(text, "unix:/PATH, HOST:PORT or [IPV6]:PORT");
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || port.empty()) {
    return bad(text, "a port from 0 to 65535");
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  address.host = host;
  const bool good =
      bracketed ? is_ipv6(address.host) : is_ipv4(address.host) || host == "localhost";
  if (!good) return bad(text, "a numeric address (IPv6 in brackets) or localhost");
  return address;
}

std::string ListenAddress::text() const {
  if (is_unix) return std::string(kUnix) + path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool ListenAddress::is_loopback() const {
  if (is_unix) return false;
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace rollcall
