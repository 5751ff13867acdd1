// Endpoint: where an HTTP backend is, as an operator writes it: "http://10.0.0.1:8500",
// "https://consul.example:8501", "https://[fd00::1]:8501", "unix:///run/consul.sock", or bare
// "10.0.0.1:8500" (http). No path, no query, and no user:password (that would be a secret).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace rollcall {

struct Endpoint {
  enum class Scheme : std::uint8_t { Http, Https, Unix };
  Scheme scheme = Scheme::Http;
  std::string host;  // name or address without brackets; of Unix: the path
  std::uint16_t port = 0;
  std::string text;  // as it was written; what errors name

  std::string authority() const;  // for the Host header
};

// The error says what was expected.
tl::expected<Endpoint, std::string> parse_endpoint(std::string_view text,
                                                   std::uint16_t default_port);

}  // namespace rollcall
