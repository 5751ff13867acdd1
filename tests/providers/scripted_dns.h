// ScriptedDns: a DNS server on loopback, UDP and TCP, that misbehaves as a test says, because a
// real one can't be made to: it lies about ids, answers half, contradicts itself.
//
// Threads: one for UDP, one for TCP; the handler runs on either. The destructor ends both.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/providers/dns_bytes.h"

namespace rollcall::test {

class ScriptedDns {
 public:
  struct Question {
    std::uint16_t id = 0;
    std::string name;  // lower case, dots between the labels
    unsigned type = 0;
    bool tcp = false;
    std::string raw;  // the question section as it was sent
  };
  // What is sent back, each a message of its own; none: silence.
  using Handler = std::function<std::vector<std::string>(const Question&)>;

  explicit ScriptedDns(Handler handler);
  ~ScriptedDns();

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::size_t questions() const { return questions_; }

 private:
  void serve_udp();
  void serve_tcp();
  void serve_connection(int fd);
  std::vector<std::string> answer(const std::string& bytes, bool tcp);

  std::mutex mutex_;  // one handler call at a time
  const Handler handler_;
  std::atomic<std::size_t> questions_{0};
  int udp_ = -1;
  int tcp_ = -1;
  int stop_ = -1;  // an eventfd, readable once the server ends
  std::uint16_t port_ = 0;
  std::thread udp_thread_;
  std::thread tcp_thread_;
};

// A reply to this question, with its id and its question section; records are added by the caller.
DnsBytes reply_to(const ScriptedDns::Question& question, unsigned flags = kReply | kAuthoritative);

}  // namespace rollcall::test
