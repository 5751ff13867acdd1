#include "providers/dns/dns_settings.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/limits.h"
#include "core/text.h"
#include "providers/common/params.h"
#include "providers/dns/limits.h"

namespace rollcall {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr std::string_view kExpectedServer =
    "an address and a port: 10.0.0.53, 10.0.0.53:5353 or [fd00::53]:5353";

// What can stand in a name that is asked for; escapes are left to those who need them.
bool is_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > limits::kMaxHostBytes) return false;
  std::size_t label = 0;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    if (c == '.' ? label == 0 : !plain || label == 63) return false;
    label = c == '.' ? 0 : label + 1;
  }
  return label > 0;
}

DnsSettings::Kind kind_of(std::string_view type) {
  if (type == "a") return DnsSettings::Kind::A;
  if (type == "aaaa") return DnsSettings::Kind::Aaaa;
  return type == "srv" ? DnsSettings::Kind::Srv : DnsSettings::Kind::Both;
}

void check_together(const ProviderDescriptor& d, std::string_view field,
                    std::vector<Problem>& problems) {
  const KindInfo& info = dns_info();
  const bool srv = param_text(info, d, "type") == "srv";
  if (srv && d.watch_params.contains("port")) {
    problems.push_back({param_path(field, "port"), "", "nothing with type srv: records say it"});
  }
  if (!srv && !d.watch_params.contains("port")) {
    problems.push_back({param_path(field, "port"), "", "the members' port, with any type but srv"});
  }
  if (!srv && param_text(info, d, "id") == "name") {
    problems.push_back({param_path(field, "id"), "name",
                        "address with any type but srv: all members have the same name"});
  }
  if (param_integer(info, d, "min_ttl_ms") > param_integer(info, d, "max_ttl_ms")) {
    problems.push_back({param_path(field, "min_ttl_ms"),
                        printable(param_text(info, d, "min_ttl_ms"), 32), "at most max_ttl_ms"});
  }
}

}  // namespace

DnsServer make_dns_server(int family, const void* address, std::uint16_t port) {
  DnsServer server;
  server.family = family;
  server.port = port;
  std::memcpy(server.address.data(), address,
              family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr));
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, server.address.data(), text.data(), text.size());
  const std::string host = text.data();
  server.text = (family == AF_INET ? host : "[" + host + "]") + ":" + std::to_string(port);
  return server;
}

tl::expected<DnsServer, std::string> parse_dns_server(std::string_view text) {
  const tl::unexpected<std::string> wrong{std::string(kExpectedServer)};
  std::string host(text);
  std::string_view port_text;
  const std::size_t close = text.find(']');
  if (text.starts_with('[') && close != std::string_view::npos) {
    host = std::string(text.substr(1, close - 1));
    port_text = text.substr(close + 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    host = std::string(text.substr(0, text.find(':')));
    port_text = text.substr(text.find(':'));
  }
  std::uint16_t port = kDnsPort;
  if (!port_text.empty()) {
    const char* end = port_text.data() + port_text.size();
    const auto read = std::from_chars(port_text.data() + 1, end, port);
    if (port_text.front() != ':' || read.ec != std::errc() || read.ptr != end || port == 0) {
      return wrong;
    }
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1) return make_dns_server(AF_INET6, &v6, port);
  in_addr v4{};
  if (text.starts_with('[') || ::inet_pton(AF_INET, host.c_str(), &v4) != 1) return wrong;
  return make_dns_server(AF_INET, &v4, port);
}

const KindInfo& dns_info() {
  static const KindInfo info{
      "dns",
      "The SRV, A or AAAA records of a name, asked for as often as their TTL says; endpoints are "
      "the servers (address:port), none are the system's.",
      /*external=*/true,
      /*needs_endpoints=*/false,
      {{"name", "string", "", true,
        "The full name whose records are the members; no search list is used."},
       {"type", "enum srv|a|aaaa|a+aaaa", "srv", false, "The records that are asked for."},
       {"port", "integer", "", false,
        "The members' port, 0 to 65535: required with any type but srv, whose records say it."},
       {"id", "enum address|name", "address", false,
        "Where ids come from: address (address:port), or, with type srv, name (target:port)."},
       {"priorities", "enum lowest|all", "lowest", false,
        "Which SRV records are members: those of the lowest priority, or all, with the label "
        "dns-priority."},
       {"min_ttl_ms", "duration_ms", "1000", false,
        "A shorter TTL counts as this, 20 to 3600000 ms."},
       {"max_ttl_ms", "duration_ms", "5000", false,
        "A longer TTL counts as this, 20 to 3600000 ms; the provider attests that often."},
       {"timeout_ms", "duration_ms", "2000", false,
        "How long a server may take to answer a question, 60 to 10000 ms; it is sent twice."}}};
  return info;
}

std::vector<Problem> validate_dns(const ProviderDescriptor& d, std::string_view field) {
  const KindInfo& info = dns_info();
  ProviderDescriptor without_servers = d;  // they are optional, and checked below
  without_servers.endpoints.clear();
  std::vector<Problem> problems = validate_params(info, without_servers, field);
  check_range(info, d, field, "min_ttl_ms", limits::kDnsTtlMinMs, limits::kDnsTtlMaxMs, problems);
  check_range(info, d, field, "max_ttl_ms", limits::kDnsTtlMinMs, limits::kDnsTtlMaxMs, problems);
  check_range(info, d, field, "timeout_ms", limits::kDnsTimeoutMinMs, limits::kDnsTimeoutMaxMs,
              problems);
  check_range(info, d, field, "port", 0, 65535, problems);
  const std::string name = param_text(info, d, "name");
  if (!name.empty() && !is_name(name)) {
    problems.push_back({param_path(field, "name"), printable(name, limits::kMaxProblemValueBytes),
                        "a DNS name: labels of letters, digits, - and _, at most 253 bytes"});
  }
  check_together(d, field, problems);
  for (std::size_t i = 0; i < d.endpoints.size(); ++i) {
    const auto server = parse_dns_server(d.endpoints[i]);
    if (server) continue;
    problems.push_back({field_path(field, "endpoints[" + std::to_string(i) + "]"),
                        printable(d.endpoints[i], limits::kMaxProblemValueBytes), server.error()});
  }
  if (d.auth != AuthRef{}) {
    problems.push_back({field_path(field, "auth"), "", "nothing: DNS asks for no credentials"});
  }
  return problems;
}

DnsSettings dns_settings(const ProviderDescriptor& d) {
  const KindInfo& info = dns_info();
  DnsSettings settings;
  for (const std::string& text : d.endpoints) {
    if (auto server = parse_dns_server(text)) settings.servers.push_back(std::move(*server));
  }
  settings.name = dns_name(param_text(info, d, "name"));
  settings.kind = kind_of(param_text(info, d, "type"));
  if (param_text(info, d, "id") == "name") settings.id = DnsSettings::Id::Name;
  settings.all_priorities = param_text(info, d, "priorities") == "all";
  settings.port = static_cast<std::uint16_t>(param_integer(info, d, "port"));
  settings.min_ttl = std::chrono::milliseconds(param_integer(info, d, "min_ttl_ms"));
  settings.max_ttl = std::chrono::milliseconds(param_integer(info, d, "max_ttl_ms"));
  settings.timeout = std::chrono::milliseconds(param_integer(info, d, "timeout_ms"));
  return settings;
}

}  // namespace rollcall
