#include "providers/dns/dns_client.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "core/text.h"
#include "providers/common/ares_channel.h"
#include "providers/common/endpoint_errors.h"
#include "providers/dns/limits.h"

namespace rollcall {
namespace {

constexpr std::uint16_t kSystemPort = 53;

// How much one look-up has taken of limits::kDnsLookupBytes.
struct Intake {
  std::size_t bytes = 0;
  bool full() const { return bytes > limits::kDnsLookupBytes; }
};

// A question that c-ares has, and what came of it.
struct Exchange {
  Intake* intake = nullptr;
  bool done = false;
  int status = ARES_SUCCESS;
  std::string bytes;  // of the reply, if there was one, until it is read
};

void on_reply(void* arg, int status, int /*timeouts*/, unsigned char* bytes, int size) {
  auto* exchange = static_cast<Exchange*>(arg);
  exchange->done = true;
  exchange->status = status;
  if (bytes == nullptr || size <= 0) return;
  exchange->intake->bytes += static_cast<std::size_t>(size);
  if (exchange->intake->full()) return;
  exchange->bytes.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

AresChannel make_channel(const DnsSettings& settings) {
  ares_options options{};
  // With NOCHECKRESP the reply itself is handed on, whatever its code: what it means is decided
  // here, not by asking the next server or by an error that hides it.
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                  ARES_FLAG_STAYOPEN | ARES_FLAG_EDNS;
  options.timeout = static_cast<int>(to_ms(settings.timeout) / limits::kDnsTimeoutParts);
  options.tries = limits::kDnsTries;
  options.ednspsz = limits::kDnsUdpBytes;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ;
  ares_channel channel = nullptr;
  if (ares_init_options(&channel, &options, mask) != ARES_SUCCESS) return nullptr;
  return AresChannel(channel);
}

bool use_server(ares_channel channel, const DnsServer& server) {
  ares_addr_port_node node{};
  node.family = server.family;
  node.udp_port = server.port;
  node.tcp_port = server.port;
  if (server.family == AF_INET) {
    std::memcpy(&node.addr.addr4, server.address.data(), sizeof node.addr.addr4);
  } else {
    std::memcpy(&node.addr.addr6, server.address.data(), sizeof node.addr.addr6);
  }
  return ares_set_servers_ports(channel, &node) == ARES_SUCCESS;
}

Result<DnsMessage> to_message(const Exchange& exchange, const DnsQuestion& question) {
  if (!exchange.bytes.empty()) return parse_dns_message(exchange.bytes);
  const std::string what =
      std::string(to_string(question.type)) + " of " + printable(question.name, 128);
  switch (exchange.status) {
    case ARES_ETIMEOUT:
      return fail(ErrorCode::Timeout, what + ": no answer in time");
    case ARES_EBADNAME:
      // The name of an alias or an SRV target: that of the settings was checked.
      return fail(ErrorCode::MalformedResponse, what + ": not a name that can be asked for");
    default:
      return fail(ErrorCode::BackendUnavailable,
                  what + ": " + std::string(ares_strerror(exchange.status)));
  }
}

// The questions of one look-up, a bounded number of them at a time.
class Asker {
 public:
  Asker(AresChannel channel, MonoTime deadline, const Io& io)
      : deadline_(deadline), io_(io), channel_(std::move(channel)) {}

  Result<std::vector<DnsMessage>> ask(const std::vector<DnsQuestion>& questions) {
    // A question that was given up on may still be open in c-ares: its place must stay.
    exchanges_.push_back(std::make_unique<std::vector<Exchange>>(
        questions.size(), Exchange{&intake_, false, ARES_SUCCESS, {}}));
    std::vector<Exchange>& exchanges = *exchanges_.back();
    std::vector<DnsMessage> replies;
    std::size_t put = 0;
    while (replies.size() < questions.size()) {
      while (put < questions.size() && put < replies.size() + limits::kDnsInFlight) {
        ares_query(channel_.get(), questions[put].name.c_str(), ns_c_in,
                   static_cast<int>(questions[put].type), on_reply, &exchanges[put]);
        ++put;
      }
      if (intake_.full()) {
        return fail(
            ErrorCode::LimitExceeded,
            "the replies are above " + std::to_string(limits::kDnsLookupBytes) + " bytes together");
      }
      Exchange& next = exchanges[replies.size()];
      if (next.done) {
        const DnsQuestion& question = questions[replies.size()];
        auto message = to_message(next, question);
        if (!message) return tl::unexpected(std::move(message.error()));
        next.bytes = std::string();  // assigned, not cleared: the memory goes
        keep_what_was_asked(*message, question.type);
        intake_.bytes += bytes_of(*message);
        replies.push_back(std::move(*message));
        continue;
      }
      if (io_.clock.now() >= deadline_) {
        return fail(ErrorCode::Timeout, "the name was not resolved in time");
      }
      if (run_ares_once(channel_.get(), deadline_, io_)) {
        return fail(ErrorCode::ShuttingDown, "cancelled");
      }
    }
    return replies;
  }

 private:
  const MonoTime deadline_;
  const Io io_;
  Intake intake_;  // of all questions
  std::vector<std::unique_ptr<std::vector<Exchange>>> exchanges_;
  AresChannel channel_;  // after the exchanges: its end calls on_reply()
};

}  // namespace

Result<std::vector<DnsServer>> dns_servers(const DnsSettings& settings) {
  if (!settings.servers.empty()) return settings.servers;
  const AresChannel channel = make_channel(settings);
  ares_addr_port_node* list = nullptr;
  if (!channel || ares_get_servers_ports(channel.get(), &list) != ARES_SUCCESS) {
    return fail(ErrorCode::BackendUnavailable, "the name resolver can't start");
  }
  std::vector<DnsServer> servers;
  for (const ares_addr_port_node* node = list; node != nullptr; node = node->next) {
    if (servers.size() == limits::kDnsServers) break;
    const auto port =
        node->udp_port == 0 ? kSystemPort : static_cast<std::uint16_t>(node->udp_port);
    servers.push_back(make_dns_server(node->family, &node->addr, port));
  }
  if (list != nullptr) ares_free_data(list);
  if (servers.empty()) return fail(ErrorCode::BackendUnavailable, "the system has no name server");
  return servers;
}

Result<DnsReply> look_up_at(const DnsServer& server, const DnsSettings& settings, MonoTime deadline,
                            const Io& io) {
  AresChannel channel = make_channel(settings);
  if (!channel || !use_server(channel.get(), server)) {
    return fail(ErrorCode::BackendUnavailable, "the name resolver can't start");
  }
  Asker asker(std::move(channel), deadline, io);
  DnsReply reply;
  reply.times.read_began = io.clock.now();
  auto members = look_up(
      settings, [&](const std::vector<DnsQuestion>& questions) { return asker.ask(questions); });
  if (!members) {
    members.error().message = server.text + ": " + members.error().message;
    return tl::unexpected(std::move(members.error()));
  }
  reply.members = std::move(*members);
  reply.times.complete = io.clock.now();
  reply.times.observed_at = io.clock.wall_now();
  return reply;
}

Result<DnsReply> look_up_anywhere(const DnsSettings& settings, std::size_t& first,
                                  MonoTime deadline, const Io& io) {
  const auto servers = dns_servers(settings);
  if (!servers) return tl::unexpected(servers.error());
  const MonoTime ends =
      std::min(deadline, io.clock.now() + limits::kDnsRoundTimeouts * settings.timeout);
  EndpointErrors errors;
  for (std::size_t tried = 0; tried < servers->size(); ++tried) {
    // Every server is worth a try: what one refuses another may serve.
    const std::size_t at = (first + tried) % servers->size();
    auto reply = look_up_at((*servers)[at], settings, ends, io);
    if (reply) {
      first = at;
      return reply;
    }
    if (reply.error().code == ErrorCode::ShuttingDown) return reply;
    errors.add(reply.error());
    if (io.clock.now() >= ends) break;
  }
  return fail(errors.code(), errors.detail());
}

}  // namespace rollcall
