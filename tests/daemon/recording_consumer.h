// A consumer on the real client library that writes down what it is told, and fails the test on
// what must never happen: a gap, a hash that does not match, an event applied twice.
//
// Threads: the recording comes from the subscriber's thread; everything else is for the test's.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bridges/client/subscriber.h"
#include "tests/daemon/daemon_process.h"

namespace rollcall::test {

class RecordingConsumer final : public client::TopologyListener {
 public:
  struct Options {
    client::Bridge bridge = client::Bridge::Placement;
    std::string consumer_id = "consumer-1";
    client::Acknowledge acknowledge = client::Acknowledge::Never;
    client::BackoffPolicy backoff = {};  // between attempts to connect
  };
  RecordingConsumer(const DaemonProcess& daemon, Options options);
  ~RecordingConsumer() override;

  // The events of the log, in order, as they were applied.
  std::vector<v1::ClusterEvent> events() const;
  // Those of one kind.
  std::vector<v1::ClusterEvent> events(v1::ClusterEvent::EventCase kind) const;
  client::TopologyView view() const { return subscriber_->view(); }
  client::Subscriber& subscriber() { return *subscriber_; }
  std::vector<std::string> troubles() const;
  // Applied sequence numbers that were not above all before them in their epoch. Empty: never.
  std::vector<std::string> repeated() const;

  // Until `condition` holds; false after a bound that only a hung program reaches.
  bool wait_for(const std::function<bool()>& condition) const;
  bool wait_for_event(const std::function<bool(const v1::ClusterEvent&)>& matches) const;
  // Until the copy is exactly these ids.
  bool wait_for_members(const std::vector<std::string>& ids) const;
  std::string describe() const;  // what came, for the reader of a failed test

  void on_event(const v1::ClusterEvent& event) override;
  void on_trouble(const client::Trouble& trouble) override;
  void on_connection(const client::ConnectionChange& change) override;
  void on_topology(const client::TopologyChange& change) override;
  void on_synced(const client::Synced&) override;

 private:
  mutable std::mutex mutex_;  // guards everything below but the subscriber
  mutable std::condition_variable changed_;
  std::vector<v1::ClusterEvent> events_;
  std::vector<std::string> troubles_;
  std::vector<std::string> repeated_;
  std::map<std::uint64_t, std::uint64_t> newest_;  // epoch → newest applied seq_no
  std::unique_ptr<client::Subscriber> subscriber_;
};

}  // namespace rollcall::test
