#include "providers/common/resolver.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

#include "providers/common/ares_channel.h"
#include "providers/common/limits.h"

namespace rollcall {
namespace {

template <class T>
SocketAddress to_address(const T& in) {
  SocketAddress out;
  static_assert(sizeof(T) <= sizeof out.storage);
  std::memcpy(&out.storage, &in, sizeof in);
  out.length = sizeof in;
  return out;
}

std::optional<SocketAddress> literal(const std::string& host, std::uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) return to_address(v4);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  const std::size_t percent = host.find('%');
  if (::inet_pton(AF_INET6, host.substr(0, percent).c_str(), &v6.sin6_addr) != 1) {
    return std::nullopt;
  }
  if (percent != std::string::npos) {
    const std::string zone = host.substr(percent + 1);
    v6.sin6_scope_id = ::if_nametoindex(zone.c_str());
    if (v6.sin6_scope_id == 0) {
      std::from_chars(zone.data(), zone.data() + zone.size(), v6.sin6_scope_id);
    }
  }
  return to_address(v6);
}

struct Answer {
  bool done = false;
  int status = ARES_SUCCESS;
  std::vector<SocketAddress> addresses;
};

void on_answer(void* arg, int status, int /*timeouts*/, ares_addrinfo* found) {
  auto* answer = static_cast<Answer*>(arg);
  answer->done = true;
  answer->status = status;
  if (found == nullptr) return;
  for (const ares_addrinfo_node* node = found->nodes; node != nullptr; node = node->ai_next) {
    if (answer->addresses.size() == limits::kMaxAddresses) break;
    if (node->ai_addrlen > sizeof(sockaddr_storage)) continue;
    SocketAddress address;
    std::memcpy(&address.storage, node->ai_addr, node->ai_addrlen);
    address.length = node->ai_addrlen;
    answer->addresses.push_back(address);
  }
  ares_freeaddrinfo(found);
}

AresChannel make_channel(const std::string& servers) {
  ares_options options{};
  options.timeout = static_cast<int>(limits::kResolverTryTimeout.count());
  options.tries = limits::kResolverTries;
  ares_channel channel = nullptr;
  const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
  if (ares_init_options(&channel, &options, mask) != ARES_SUCCESS) return nullptr;
  AresChannel owner(channel);
  const bool asked =
      servers.empty() || ares_set_servers_ports_csv(channel, servers.c_str()) == ARES_SUCCESS;
  return asked ? std::move(owner) : nullptr;
}

}  // namespace

Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port,
                                           MonoTime deadline, const Io& io,
                                           const std::string& servers) {
  if (const auto address = literal(host, port)) return std::vector<SocketAddress>{*address};

  // Declared before the channel: destroying that ends an open question, which calls on_answer().
  Answer answer;
  const AresChannel channel = make_channel(servers);
  if (!channel) return fail(ErrorCode::BackendUnavailable, "the name resolver can't start");
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NUMERICSERV;
  ares_getaddrinfo(channel.get(), host.c_str(), std::to_string(port).c_str(), &hints, on_answer,
                   &answer);
  while (!answer.done) {
    if (io.clock.now() >= deadline) {
      return fail(ErrorCode::Timeout, "the name " + host + " was not resolved in time");
    }
    if (run_ares_once(channel.get(), deadline, io))
      return fail(ErrorCode::ShuttingDown, "cancelled");
  }
  if (answer.status == ARES_ETIMEOUT) {
    return fail(ErrorCode::Timeout, "no name server answered for " + host);
  }
  if (answer.status != ARES_SUCCESS || answer.addresses.empty()) {
    return fail(ErrorCode::BackendUnavailable,
                "the name " + host + " has no address: " + ares_strerror(answer.status));
  }
  return std::move(answer.addresses);
}

}  // namespace rollcall
