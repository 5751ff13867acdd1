// Encoders whose bytes are easy to check, and a consumer that believes nothing: what the hub's
// tests share.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/snapshot.h"
#include "provisioning/hub/encoders.h"
#include "provisioning/hub/event_log.h"
#include "provisioning/hub/subscription.h"
#include "provisioning/hub/watch_hub.h"

namespace rollcall::testing_hub {

inline constexpr std::uint64_t kBoot = 3;
inline const Epoch kEpoch = make_epoch(kBoot, 77);
inline SeqNo seq(std::uint64_t n) { return make_seq(kBoot, n); }
inline MonoTime at(Duration d) { return MonoTime(d); }

// The topology's hash after event `s`: something that no mistake produces by chance.
std::uint64_t hash_after(SeqNo s);

// One thing in a batch.
struct Item {
  char kind = 0;  // 'E' event, 'R' reset, 'C' chunk, 'B' bookmark
  SeqNo seq_no;
  std::uint64_t hash = 0;
  std::uint32_t index = 0;
  bool last = false;
  std::size_t size = 0;  // of the whole frame
};
// Nothing if a frame is torn, or was written over.
std::optional<std::vector<Item>> parse(std::string_view bytes);
std::string bytes_of(const Subscription::Next& next);
inline std::string_view view(const Slice& s) {
  return {reinterpret_cast<const char*>(s.data), s.size};
}

// The payload of an event's frame is as long as its availability reason says ("123"), or small.
class TestEventEncoder final : public EventEncoder {
 public:
  void encode(const Event& event, FrameSpace& space) override;
};
class TestSnapshotEncoder final : public SnapshotEncoder {
 public:
  explicit TestSnapshotEncoder(std::uint32_t chunks = 2, std::size_t chunk_bytes = 100)
      : chunks_(chunks), chunk_bytes_(chunk_bytes) {}
  std::vector<std::string> encode_chunks(const TopologySnapshot& s, std::size_t) const override;
  std::string encode_last_chunk(const TopologySnapshot& s, std::uint32_t, Duration) const override;
  std::string encode_bookmark(const TopologySnapshot& s) const override;

 private:
  const std::uint32_t chunks_;
  const std::size_t chunk_bytes_;
};

Event plain_event(SeqNo s, std::size_t payload = 0);
Event reset_event(SeqNo s);
std::shared_ptr<const TopologySnapshot> state_at(SeqNo s, bool has_topology = true,
                                                 MonoTime confirmed_at = {});

// Applies what it is given as SPEC 5 says and fails the test on anything that must not happen.
class Consumer {
 public:
  void apply(std::string_view bytes);
  SeqNo position() const { return position_; }
  std::uint64_t hash() const { return hash_; }
  std::size_t events() const { return events_; }
  std::size_t snapshots() const { return snapshots_; }  // complete ones
  std::size_t starts() const { return starts_; }        // chunks 0
  std::size_t bookmarks() const { return bookmarks_; }
  // Whether it holds a consistent copy, with no snapshot due or half received.
  bool whole() const { return !needs_snapshot_ && !unfinished_.has_value(); }
  void start_at(SeqNo s) {
    position_ = s;
    hash_ = hash_after(s);
  }

 private:
  void apply(const Item& item);
  SeqNo position_;
  std::uint64_t hash_ = 0;
  bool needs_snapshot_ = false;
  std::optional<Item> unfinished_;
  std::uint32_t next_chunk_ = 0;
  std::size_t events_ = 0;
  std::size_t snapshots_ = 0;
  std::size_t starts_ = 0;
  std::size_t bookmarks_ = 0;
};

class CountingWaker final : public Waker {
 public:
  void wake() override { ++wakes; }
  void abandon(const ProvisioningError& error) override { abandoned = error; }
  int wakes = 0;
  std::optional<ProvisioningError> abandoned;
};

// A hub without threads: the test says when time passes and when the hub's work is done.
struct TestHub {
  explicit TestHub(HubOptions options = {}, std::uint32_t chunks = 2);
  // Publishes `count` events as one step.
  void publish(std::size_t count, std::size_t payload = 0);
  void publish_reset();
  void tick_to(Duration d) {
    now = at(d);
    hub.poll(now);
  }

  static HubOptions with_defaults(HubOptions options);
  TestEventEncoder events;
  TestSnapshotEncoder snapshots;
  WatchHub hub;
  MonoTime now{};
  bool has_topology = true;
};

// A subscription with its consumer and waker.
struct Stream {
  std::shared_ptr<CountingWaker> waker = std::make_shared<CountingWaker>();
  std::shared_ptr<Subscription> sub;
  Consumer consumer;
  std::optional<ProvisioningError> end;
  bool ended = false;

  // Takes batches until there is nothing; the hub's threads' work is done in between.
  void drain(TestHub& hub, std::size_t max_bytes = 1 << 16);
  // One call of next(), its bytes applied and written.
  Subscription::Outcome step(TestHub& hub, std::size_t max_bytes = 1 << 16);
};
Stream open_stream(TestHub& hub, std::string id, Epoch epoch = {}, SeqNo after = {},
                   Bridge bridge = Bridge::Partition, bool acknowledges = false);

}  // namespace rollcall::testing_hub
