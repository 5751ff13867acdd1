// A listener that keeps what it is told and lets a test wait for it.
//
// Threads: the callbacks come from the Subscriber's thread, the rest is for the test's.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "bridges/client/listener.h"

namespace rollcall::client::testing {

class RecordingListener : public TopologyListener {
 public:
  struct Heard {
    std::vector<TopologyChange> topologies;
    std::vector<RemoteChange> remotes;
    std::vector<Trouble> troubles;
    std::vector<ConnectionChange> connections;
    std::vector<std::string> events;  // names, as they came
    int synced = 0;
  };

  void on_topology(const TopologyChange& change) override {
    note([&](Heard& heard) { heard.topologies.push_back(change); });
  }
  void on_remote(const RemoteChange& change) override {
    note([&](Heard& heard) { heard.remotes.push_back(change); });
  }
  void on_trouble(const Trouble& trouble) override {
    note([&](Heard& heard) { heard.troubles.push_back(trouble); });
  }
  void on_connection(const ConnectionChange& change) override {
    note([&](Heard& heard) { heard.connections.push_back(change); });
  }
  void on_synced(const Synced&) override {
    note([&](Heard& heard) { ++heard.synced; });
  }
  void on_event(const v1::ClusterEvent& event) override;

  // Waits until what was heard fulfils `enough`; false after a time that only a failing test needs.
  bool wait(const std::function<bool(const Heard&)>& enough) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return enough(heard_); });
  }
  Heard heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  void note(const std::function<void(Heard&)>& change) {
    const std::lock_guard lock(mutex_);
    change(heard_);
    changed_.notify_all();
  }

  std::mutex mutex_;  // guards heard_
  std::condition_variable changed_;
  Heard heard_;
};

}  // namespace rollcall::client::testing
