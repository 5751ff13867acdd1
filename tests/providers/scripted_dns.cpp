#include "tests/providers/scripted_dns.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace rollcall::test {
namespace {

constexpr std::size_t kHeader = 12;
constexpr int kPortTries = 50;

unsigned u16_at(const std::string& bytes, std::size_t at) {
  return static_cast<unsigned>(static_cast<unsigned char>(bytes[at]) << 8 |
                               static_cast<unsigned char>(bytes[at + 1]));
}

int bound(int type, std::uint16_t port) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

// Whether `fd` is readable before the server ends.
bool readable(int fd, int stop) {
  pollfd fds[2] = {{stop, POLLIN, 0}, {fd, POLLIN, 0}};
  ::poll(fds, 2, -1);
  return fds[0].revents == 0;
}

}  // namespace

ScriptedDns::ScriptedDns(Handler handler)
    : handler_(std::move(handler)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  for (int i = 0; i < kPortTries && tcp_ < 0; ++i) {
    if (udp_ >= 0) ::close(udp_);
    udp_ = bound(SOCK_DGRAM, 0);
    if (udp_ < 0) std::abort();
    port_ = port_of(udp_);
    tcp_ = bound(SOCK_STREAM, port_);
  }
  if (tcp_ < 0 || ::listen(tcp_, 16) != 0) std::abort();
  udp_thread_ = std::thread([this] { serve_udp(); });
  tcp_thread_ = std::thread([this] { serve_tcp(); });
}

ScriptedDns::~ScriptedDns() {
  const std::uint64_t one = 1;
  if (::write(stop_, &one, sizeof one) != sizeof one) std::abort();
  udp_thread_.join();
  tcp_thread_.join();
  for (const int fd : {udp_, tcp_, stop_}) ::close(fd);
}

std::vector<std::string> ScriptedDns::answer(const std::string& bytes, bool tcp) {
  if (bytes.size() < kHeader) return {};
  Question question;
  question.id = static_cast<std::uint16_t>(u16_at(bytes, 0));
  question.tcp = tcp;
  std::size_t at = kHeader;
  while (at < bytes.size() && bytes[at] != 0) {
    const auto size = static_cast<std::size_t>(bytes[at]);
    if (!question.name.empty()) question.name += '.';
    question.name += bytes.substr(at + 1, size);
    at += 1 + size;
  }
  if (at + 5 > bytes.size()) return {};
  question.type = u16_at(bytes, at + 1);
  question.raw = bytes.substr(kHeader, at + 5 - kHeader);
  ++questions_;
  const std::lock_guard lock(mutex_);
  return handler_(question);
}

void ScriptedDns::serve_udp() {
  while (readable(udp_, stop_)) {
    char buffer[4096];
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    const ssize_t n = ::recvfrom(udp_, buffer, sizeof buffer, MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&peer), &length);
    if (n <= 0) continue;
    for (const std::string& reply : answer({buffer, static_cast<std::size_t>(n)}, false)) {
      ::sendto(udp_, reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&peer),
               length);
    }
  }
}

void ScriptedDns::serve_tcp() {
  while (readable(tcp_, stop_)) {
    const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    serve_connection(fd);
    ::close(fd);
  }
}

void ScriptedDns::serve_connection(int fd) {
  std::string received;
  while (readable(fd, stop_)) {
    char buffer[4096];
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return;
    received.append(buffer, static_cast<std::size_t>(n));
    while (received.size() >= 2 && received.size() >= 2 + u16_at(received, 0)) {
      const std::string question = received.substr(2, u16_at(received, 0));
      received.erase(0, 2 + question.size());
      for (const std::string& reply : answer(question, true)) {
        const std::string framed = dns_u16(static_cast<unsigned>(reply.size())) + reply;
        if (::send(fd, framed.data(), framed.size(), MSG_NOSIGNAL) < 0) return;
      }
    }
  }
}

DnsBytes reply_to(const ScriptedDns::Question& question, unsigned flags) {
  return DnsBytes(flags, question.id).question(question.name, question.type);
}

}  // namespace rollcall::test
