// A real Knot DNS server on loopback, authoritative for rollcall.test: a test gives the zone its
// records, lets it answer SERVFAIL, stops it (SIGSTOP: silence), kills it (refusal), starts it
// again. Names outside of its zone are REFUSED. One owner, not thread-safe; start it on the test's
// own thread (process.h says why).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/backends/environment.h"
#include "tests/backends/process.h"

namespace rollcall::test {

class DnsServerProcess {
 public:
  struct Options {
    // Answers every UDP question with "cut, ask over TCP".
    bool tcp_only = false;
    std::string records = {};  // what the zone has at first, as set_records()
  };
  static Outcome<std::unique_ptr<DnsServerProcess>> start(Options options);
  static Outcome<std::unique_ptr<DnsServerProcess>> start() { return start(Options{}); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }  // stable

  // The zone has these records from now on: lines of a zone file, names relative to rollcall.test.
  // The zone's own: SOA with a negative TTL of 0, NS. A second zone, other.test, has `records` of
  // set_other().
  Outcome<void> set_records(std::string_view records);
  Outcome<void> set_other(std::string_view records);
  // Restarted with a zone that can't be loaded: SERVFAIL, until set_records().
  Outcome<void> break_zone();

  bool pause() { return process_->pause(); }
  bool resume() { return process_->resume(); }
  void kill() { process_->kill(); }
  Outcome<void> restart();
  Process& process() { return *process_; }

 private:
  explicit DnsServerProcess(Options options) : options_(std::move(options)) {}
  void write_config();
  void write_zone(const std::string& zone, std::string_view records);
  Outcome<void> spawn();
  Outcome<void> reload(const std::string& zone, std::string_view records);
  bool said(const std::string& text) const;

  TempDir dir_;
  Options options_;
  std::string binary_;
  std::uint16_t port_ = 0;
  std::uint32_t serial_ = 0;        // of the zone that was written last
  std::size_t log_from_ = 0;        // where what is waited for begins
  std::optional<Process> process_;  // after dir_: ends before its files go
};

}  // namespace rollcall::test
