// Operators that never stop: one thread registers and removes providers, one lets members join and
// leave. What was acknowledged is written down; an act without an answer may have happened or not.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "tests/daemon/daemon_process.h"

namespace rollcall::test {

// A set of names changed one at a time, with what is known of it.
struct KnownSet {
  std::set<std::string> there;      // acknowledged
  std::set<std::string> uncertain;  // the last act had no answer
  // What is wrong with `actual`; empty: nothing. Afterwards everything is certain again.
  std::string settle(const std::set<std::string>& actual);
};

class Churn {
 public:
  explicit Churn(std::uint64_t seed) : seed_(seed) {}
  ~Churn() { stop(); }

  // Begins against a running daemon; goes on until a call fails or stop().
  void start(const DaemonProcess& daemon);
  void stop();
  int acknowledged() const { return acknowledged_; }  // acts, since start()

  // Between stop() and start() only.
  KnownSet& providers() { return providers_; }
  KnownSet& members() { return members_; }

 private:
  void change_providers(const client::AdminClient& admin, std::uint64_t seed);
  void change_members(const client::AdminClient& admin, std::uint64_t seed);

  const std::uint64_t seed_;
  std::uint64_t round_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> acknowledged_{0};
  KnownSet providers_;  // of the providers' thread while it runs
  KnownSet members_;    // of the members' thread while it runs
  std::thread providers_thread_;
  std::thread members_thread_;
};

}  // namespace rollcall::test
