#include "providers/common/endpoint.h"

#include <sys/un.h>

#include <algorithm>
#include <charconv>

namespace rollcall {
namespace {

constexpr std::string_view kExpected =
    "http://host:port, https://host:port, host:port or unix:///absolute/path, without user or path";

bool host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

bool ipv6_character(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

bool zoned_character(char c) {  // "fe80::1%eth0"
  return host_character(c) || c == ':' || c == '%';
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

}  // namespace

std::string Endpoint::authority() const {
  if (scheme == Scheme::Unix) return "localhost";
  const bool v6 = host.find(':') != std::string::npos;
  const std::string name = v6 ? "[" + host.substr(0, host.find('%')) + "]" : host;
  return name + ":" + std::to_string(port);
}

tl::expected<Endpoint, std::string> parse_endpoint(std::string_view text,
                                                   std::uint16_t default_port) {
  const tl::unexpected<std::string> wrong{std::string(kExpected)};
  Endpoint endpoint;
  endpoint.text = std::string(text);
  if (take(text, "unix://")) {
    endpoint.scheme = Endpoint::Scheme::Unix;
    if (!text.starts_with('/') || text.size() >= sizeof(sockaddr_un::sun_path) ||
        text.find('\0') != std::string_view::npos) {
      return tl::unexpected(std::string("unix:// and an absolute path of at most 107 bytes"));
    }
    endpoint.host = std::string(text);
    return endpoint;
  }
  if (take(text, "https://")) {
    endpoint.scheme = Endpoint::Scheme::Https;
  } else {
    take(text, "http://");
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  endpoint.port = default_port;
  if (take(text, "[")) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || close == 0) return wrong;
    endpoint.host = std::string(text.substr(0, close));
    text.remove_prefix(close + 1);
    const std::string_view address =
        std::string_view(endpoint.host)
            .substr(0, endpoint.host.find('%'));  // what follows is an interface's name
    if (!std::all_of(address.begin(), address.end(), ipv6_character)) return wrong;
    if (!std::all_of(endpoint.host.begin(), endpoint.host.end(), zoned_character)) return wrong;
  } else {
    const std::size_t colon = text.find(':');
    endpoint.host = std::string(text.substr(0, colon));
    text.remove_prefix(std::min(colon, text.size()));
    if (endpoint.host.empty() || endpoint.host.size() > 253 ||
        !std::all_of(endpoint.host.begin(), endpoint.host.end(), host_character)) {
      return wrong;
    }
  }
  if (take(text, ":")) {
    if (!parse_port(text, endpoint.port)) return wrong;
  } else if (!text.empty()) {
    return wrong;
  }
  return endpoint;
}

}  // namespace rollcall
