// Subscriber: keeps a TopologyReplica up to date from one of rollcalld's three bridges, whatever
// happens to the connection, and tells a TopologyListener what changed.
//
//   struct Placement : TopologyListener {
//     void on_topology(const TopologyChange& change) override { recalculate(change.members); }
//   } placement;
//   SubscriberOptions options;
//   options.bridge = Bridge::Placement;
//   options.consumer_id = "placement-1";
//   options.acknowledge = Acknowledge::Automatic;
//   auto subscriber = Subscriber::start(options, placement);   //
//   Result<std::unique_ptr<Subscriber>>
//
// It resumes by (epoch, after_seq) after a break, waits longer and longer between attempts (with
// jitter from its own seeded generator), takes a stream that says nothing for 20 s as dead, asks
// for a snapshot when the replica finds that something is missing or wrong, and never gives up by
// itself.
//
// Threads: one thread of its own runs everything and calls the listener. The public methods are for
// any thread. What bounds it: one message of at most 4 MiB is held at a time, nothing is queued,
// and at most one acknowledgement is under way (later ones replace the one that waits).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "bridges/client/backoff.h"
#include "bridges/client/channel.h"
#include "bridges/client/listener.h"
#include "bridges/client/replica/topology_replica.h"
#include "core/error.h"

namespace rollcall::client {

enum class Bridge : std::uint8_t { Placement = 1, Partition = 2, Remoting = 3 };
std::string_view to_string(Bridge bridge);  // "placement" …

enum class Acknowledge : std::uint8_t {
  Never = 1,
  Automatic = 2,  // when the listener's callbacks for a message have returned
  Manual = 3,     // by acknowledge()
};

struct SubscriberOptions {
  ChannelOptions channel;
  Bridge bridge = Bridge::Placement;
  // 1..128 bytes. A newer stream of the same (bridge, consumer) replaces the older: give each
  // consumer its own.
  std::string consumer_id;
  std::string cluster;                           // empty: whichever the sidecar serves
  Acknowledge acknowledge = Acknowledge::Never;  // the others: placement only
  TopologyReplica::Keep keep = TopologyReplica::Keep::Copy;
  std::string resume_state;  // Keep::Copy: what export_state() gave; empty: from a snapshot
  Position resume_at;        // Keep::Position: the newest event applied; none: from a snapshot
  BackoffPolicy backoff;
  std::uint64_t seed = 0;  // of the jitter; 0: drawn from the system
  // A stream that says nothing for so long is dead. More than the sidecar's hub.bookmark_every.
  std::chrono::milliseconds silence = limits::kSilence;
};

class Subscriber {
 public:
  // Starts the thread. `listener` must outlive the Subscriber. INVALID_CONFIG, STORE_CORRUPTED (of
  // resume_state). That nobody answers is not an error: on_connection() tells it.
  static Result<std::unique_ptr<Subscriber>> start(SubscriberOptions options,
                                                   TopologyListener& listener);
  ~Subscriber();  // stop()

  // Ends the stream and the thread; when it returns no callback runs or will run. Not for
  // callbacks.
  void stop();
  // Lets it end soon, without waiting; for callbacks too. Events of the same message are not told
  // any more.
  void request_stop();

  // The copy as it is now; while an event's callbacks run, it has that event already.
  TopologyView view() const;
  LeaseTable leases() const;
  // Position and copy as bytes, for SubscriberOptions::resume_state. Consistent with the callbacks
  // that have returned if called from a callback or after stop().
  std::string export_state() const;

  // Acknowledge::Manual: everything up to `position` is applied. The newest one counts; it is told
  // again to the stream after this one. One of another epoch than the stream's is dropped.
  void acknowledge(Position position);

 private:
  class Loop;
  explicit Subscriber(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace rollcall::client
