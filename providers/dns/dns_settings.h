// The settings of a dns provider: the table that documents and checks them, and their values.
// Pure functions, any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/provider.h"
#include "providers/dns/dns_message.h"

namespace rollcall {

struct DnsServer {
  int family = 0;  // AF_INET, AF_INET6
  std::array<unsigned char, 16> address{};
  std::uint16_t port = 0;
  std::string text;  // "10.0.0.53:53", "[fd00::53]:53": what errors name
};

struct DnsSettings {
  enum class Kind { Srv, A, Aaaa, Both };
  enum class Id { Address, Name };

  std::vector<DnsServer> servers;  // empty: the system's
  std::string name;                // lower case, without the last dot
  Kind kind = Kind::Srv;
  Id id = Id::Address;
  bool all_priorities = false;  // of Kind::Srv
  std::uint16_t port = 0;       // of the others
  Duration min_ttl{};
  Duration max_ttl{};
  Duration timeout{};
};

// The error says what was expected. Never a name: it would have to be resolved by another server.
tl::expected<DnsServer, std::string> parse_dns_server(std::string_view text);
DnsServer make_dns_server(int family, const void* address, std::uint16_t port);

const KindInfo& dns_info();
std::vector<Problem> validate_dns(const ProviderDescriptor& d, std::string_view field);
// Of a descriptor without problems.
DnsSettings dns_settings(const ProviderDescriptor& d);

}  // namespace rollcall
