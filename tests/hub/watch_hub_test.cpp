// What a subscriber gets, without threads: the test says when time passes and when the hub's work
// is done.
#include "provisioning/hub/watch_hub.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/hub/hub_fixture.h"

namespace rollcall::testing_hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = Subscription::Outcome;

TEST(WatchHub, AFreshSubscriberGetsASnapshotABookmarkAndWhatFollows) {
  TestHub hub;
  hub.publish(10);
  Stream stream = open_stream(hub, "a");
  stream.drain(hub);
  EXPECT_EQ(stream.consumer.snapshots(), 1u);
  EXPECT_EQ(stream.consumer.bookmarks(), 1u);
  EXPECT_EQ(stream.consumer.events(), 0u);
  hub.publish(5);
  hub.hub.poll(hub.now);
  stream.drain(hub);
  EXPECT_EQ(stream.consumer.events(), 5u);
  EXPECT_EQ(stream.consumer.position(), seq(15));
  EXPECT_EQ(stream.consumer.hash(), hash_after(seq(15)));
}

TEST(WatchHub, R2_3_ResumesAtEveryPositionWithoutASnapshot) {
  TestHub hub;
  for (int i = 0; i < 20; ++i) hub.publish(3, 10);
  for (std::uint64_t n = 1; n <= 60; ++n) {
    Stream stream = open_stream(hub, "a" + std::to_string(n), kEpoch, seq(n));
    stream.drain(hub, 150);
    EXPECT_EQ(stream.consumer.snapshots(), 0u) << n;
    EXPECT_EQ(stream.consumer.events(), 60 - n);
    EXPECT_EQ(stream.consumer.bookmarks(), 1u) << "after every resume";
    EXPECT_EQ(stream.consumer.position(), seq(60));
  }
}

TEST(WatchHub, APlaceThatIsNotInTheLogMeansASnapshot) {
  HubOptions options;
  options.log_bytes = 16 << 10;
  options.block_bytes = 1 << 10;
  TestHub hub(options);
  hub.publish(5);
  for (int i = 0; i < 300; ++i) hub.publish(3, 30);
  struct Case {
    const char* what;
    Epoch epoch;
    SeqNo after;
  };
  const std::vector<Case> cases{
      {"nothing known", Epoch(0), SeqNo(0)},
      {"no place", kEpoch, SeqNo(0)},
      {"too old", kEpoch, seq(2)},
      {"ahead", kEpoch, hub.hub.head().next()},
      {"another epoch", make_epoch(kBoot, 78), seq(900)},
      {"another boot", make_epoch(kBoot - 1, 77), make_seq(kBoot - 1, 900)},
  };
  for (const Case& c : cases) {
    Stream stream;
    stream.sub = *hub.hub.subscribe({Bridge::Remoting, c.what, c.epoch, c.after, false},
                                    stream.waker, hub.now);
    stream.drain(hub);
    EXPECT_EQ(stream.consumer.snapshots(), 1u) << c.what;
    EXPECT_EQ(stream.consumer.position(), hub.hub.head()) << c.what;
  }
}

TEST(WatchHub, R3_2_BeforeAnyTopologyThereIsNoSnapshot) {
  TestHub hub;
  Stream early = open_stream(hub, "early");
  early.drain(hub);
  EXPECT_TRUE(early.ended);
  ASSERT_TRUE(early.end.has_value());
  EXPECT_EQ(early.end->code, ErrorCode::NoSnapshot);
  EXPECT_EQ(early.sub->next(100, hub.now).error->code, ErrorCode::NoSnapshot) << "and again";

  hub.has_topology = false;
  hub.publish(1);  // the epoch's first event
  Stream fresh = open_stream(hub, "fresh");
  fresh.drain(hub);
  ASSERT_TRUE(fresh.end.has_value());
  EXPECT_EQ(fresh.end->code, ErrorCode::NoSnapshot);
  const auto once =
      hub.hub.latest_snapshot(std::nullopt, std::make_shared<CountingWaker>(), hub.now);
  ASSERT_FALSE(once.has_value());
  EXPECT_EQ(once.error().code, ErrorCode::NoSnapshot);

  Stream resumed = open_stream(hub, "resumed", kEpoch, seq(1));
  resumed.drain(hub);
  EXPECT_FALSE(resumed.ended) << "a place that the log holds needs no snapshot";
  hub.has_topology = true;
  hub.publish(2);
  hub.hub.poll(hub.now);
  resumed.drain(hub);
  EXPECT_EQ(resumed.consumer.position(), seq(3));
}

TEST(WatchHub, ASubscriberBeforeTheFirstEventOfItsEpochGetsAllOfThem) {
  TestHub hub;
  Stream stream = open_stream(hub, "a", kEpoch, seq(0));
  stream.drain(hub);
  EXPECT_FALSE(stream.ended);
  hub.publish(3);
  hub.hub.poll(hub.now);
  stream.drain(hub);
  EXPECT_EQ(stream.consumer.position(), seq(3));
}

TEST(WatchHub, AResetBringsEverySubscriberASnapshotThatIncludesIt) {
  TestHub hub;
  hub.publish(10);
  Stream live = open_stream(hub, "live", kEpoch, seq(10));
  Stream behind = open_stream(hub, "behind", kEpoch, seq(3));
  live.drain(hub);
  hub.publish_reset();  // 11, and 12 with it
  hub.publish(4);
  hub.hub.poll(hub.now);
  live.drain(hub);
  behind.drain(hub);
  for (Stream* stream : {&live, &behind}) {
    EXPECT_EQ(stream->consumer.snapshots(), 1u);
    EXPECT_EQ(stream->consumer.position(), seq(16));
  }
  EXPECT_EQ(live.consumer.events(), 1u) << "the reset itself, then the snapshot";
  Stream at_reset = open_stream(hub, "at", kEpoch, seq(11));
  at_reset.drain(hub);
  EXPECT_EQ(at_reset.consumer.snapshots(), 1u) << "its snapshot had not arrived";
  Stream beyond = open_stream(hub, "beyond", kEpoch, seq(12));
  beyond.drain(hub);
  EXPECT_EQ(beyond.consumer.snapshots(), 0u);
}

TEST(WatchHub, AVersionFromBeforeAResetIsNotUsedAgain) {
  TestHub hub;
  hub.publish(10);
  Stream first = open_stream(hub, "first");
  first.drain(hub);
  hub.publish_reset();
  Stream second = open_stream(hub, "second");
  second.drain(hub);
  EXPECT_EQ(second.consumer.snapshots(), 1u);
  EXPECT_EQ(second.consumer.events(), 0u);
  EXPECT_EQ(hub.hub.stats().snapshots.encoded, 2u);
}

TEST(WatchHub, ASubscriberThatFallsOffTheLogIsResynchronised) {
  HubOptions options;
  options.log_bytes = 16 << 10;
  options.block_bytes = 1 << 10;
  TestHub hub(options);
  hub.publish(5);
  Stream stream = open_stream(hub, "slow", kEpoch, seq(5));
  stream.drain(hub);
  for (int i = 0; i < 500; ++i) hub.publish(3, 30);
  hub.hub.poll(hub.now);
  stream.drain(hub);
  EXPECT_EQ(stream.consumer.snapshots(), 1u);
  EXPECT_EQ(stream.consumer.position(), hub.hub.head());
  EXPECT_GE(hub.hub.stats().resyncs, 1u);
}

TEST(WatchHub, ABookmarkEveryFiveSecondsWhenIdleAndNoneBefore) {
  TestHub hub;
  hub.publish(1);
  Stream stream = open_stream(hub, "a", kEpoch, seq(1));
  stream.drain(hub);
  ASSERT_EQ(stream.consumer.bookmarks(), 1u);
  hub.tick_to(milliseconds(4900));
  stream.drain(hub);
  EXPECT_EQ(stream.consumer.bookmarks(), 1u);
  for (int i = 1; i <= 4; ++i) {
    const int wakes = stream.waker->wakes;
    hub.tick_to(seconds(5 * i));
    EXPECT_EQ(stream.waker->wakes, wakes + 1);
    stream.drain(hub);
    EXPECT_EQ(stream.consumer.bookmarks(), 1u + static_cast<std::size_t>(i));
  }
  hub.tick_to(seconds(23));
  hub.publish(1);
  hub.hub.poll(hub.now);
  stream.drain(hub);
  hub.tick_to(seconds(27));
  stream.drain(hub);
  EXPECT_EQ(stream.consumer.bookmarks(), 5u) << "an event counts as a sign of life too";
}

TEST(WatchHub, AThousandSubscribersCostOneEncoding) {
  TestHub hub;
  hub.publish(3);
  std::vector<Stream> streams;
  for (int i = 0; i < 1000; ++i) {
    streams.push_back(open_stream(hub, "c" + std::to_string(i)));
    if (i % 50 == 0) hub.publish(1);
  }
  for (auto& stream : streams) stream.drain(hub);
  hub.hub.poll(hub.now);
  for (auto& stream : streams) {
    stream.drain(hub);
    EXPECT_EQ(stream.consumer.position(), hub.hub.head());
  }
  EXPECT_EQ(hub.hub.stats().snapshots.encoded, 1u);
}

TEST(WatchHub, PublishingWakesNobodyByItself) {
  TestHub hub;
  hub.publish(1);
  Stream stream = open_stream(hub, "a", kEpoch, seq(1));
  stream.drain(hub);
  const int wakes = stream.waker->wakes;
  hub.publish(1);
  hub.publish(1);
  EXPECT_EQ(stream.waker->wakes, wakes) << "the writer's work is over without it";
  hub.hub.fan_out();
  EXPECT_EQ(stream.waker->wakes, wakes + 1);
  hub.hub.fan_out();
  EXPECT_EQ(stream.waker->wakes, wakes + 1) << "once, until it asks again";
}

TEST(WatchHub, AStepOfNoEventsChangesOnlyTheState) {
  TestHub hub;
  hub.publish(2);
  hub.hub.publish({}, state_at(seq(2), true, at(seconds(9))));
  EXPECT_EQ(hub.hub.state()->confirmed_at, at(seconds(9)));
  EXPECT_EQ(hub.hub.head(), seq(2));
}

TEST(WatchHubDeathTest, AStateThatIsNotAtTheEndOfTheLogAborts) {
  TestHub hub;
  hub.publish(2);
  EXPECT_DEATH(hub.hub.publish({}, state_at(seq(1))), "does not stand at the end");
  const std::vector<Event> gap{plain_event(seq(4))};
  EXPECT_DEATH(hub.hub.publish(gap, state_at(seq(4))), "do not follow one another");
}

TEST(WatchHub, AReaderThatStallsWithinASnapshotPinsOneChunkAndStartsAgain) {
  HubOptions options;
  options.log_bytes = 16 << 10;
  options.block_bytes = 1 << 10;
  TestHub hub(options, 5);
  hub.publish(3);
  Stream slow = open_stream(hub, "slow");
  while (slow.consumer.starts() == 0) {
    if (slow.step(hub) == Outcome::Idle) hub.hub.poll(hub.now);
  }
  auto in_hand = slow.sub->next(1 << 16, hub.now);  // chunk 1, being written
  ASSERT_EQ(in_hand.outcome, Outcome::Batch);
  const std::weak_ptr<const void> chunk = in_hand.slices[0].owner;
  // The log turns over; others need newer versions.
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 400; ++i) hub.publish(3, 30);
    Stream other = open_stream(hub, "other" + std::to_string(round));
    other.drain(hub);
    EXPECT_EQ(other.consumer.position(), hub.hub.head());
    EXPECT_LE(hub.hub.stats().snapshots.versions, 2u);
  }
  EXPECT_FALSE(chunk.expired()) << "in hand";
  slow.consumer.apply(bytes_of(in_hand));
  in_hand = {};
  slow.sub->written();
  EXPECT_TRUE(chunk.expired()) << "and nothing else of that version";
  slow.drain(hub);
  EXPECT_GE(slow.consumer.starts(), 2u) << "a new chunk 0 discards the unfinished one";
  EXPECT_EQ(slow.consumer.snapshots(), 1u);
  EXPECT_EQ(slow.consumer.position(), hub.hub.head());
}

TEST(WatchHub, AWriteThatStallsForThirtySecondsEndsItsStream) {
  TestHub hub;
  hub.publish(1);
  Stream stalled = open_stream(hub, "stalled", kEpoch, seq(0));
  Stream fine = open_stream(hub, "fine", kEpoch, seq(0));
  fine.drain(hub);
  ASSERT_EQ(stalled.sub->next(1000, hub.now).outcome, Outcome::Batch);  // and never written()
  hub.tick_to(milliseconds(29'900));
  fine.drain(hub);
  EXPECT_FALSE(stalled.waker->abandoned.has_value());
  hub.tick_to(seconds(30));
  ASSERT_TRUE(stalled.waker->abandoned.has_value());
  EXPECT_EQ(stalled.waker->abandoned->code, ErrorCode::LimitExceeded);
  stalled.sub->written();  // the transport gave up on it
  const auto next = stalled.sub->next(1000, hub.now);
  EXPECT_EQ(next.outcome, Outcome::Ended);
  EXPECT_EQ(next.error->code, ErrorCode::LimitExceeded);
  EXPECT_FALSE(fine.waker->abandoned.has_value());
  EXPECT_EQ(hub.hub.stats().stalled_streams, 1u);
}

TEST(WatchHub, TheNewerStreamOfAConsumerReplacesTheOlder) {
  TestHub hub;
  hub.publish(4);
  Stream older = open_stream(hub, "a", kEpoch, seq(4), Bridge::Remoting);
  Stream other_bridge = open_stream(hub, "a", kEpoch, seq(4), Bridge::Partition);
  older.drain(hub);
  other_bridge.drain(hub);
  const int wakes = older.waker->wakes;
  Stream newer = open_stream(hub, "a", kEpoch, seq(4), Bridge::Remoting);
  EXPECT_EQ(older.waker->wakes, wakes + 1) << "it was idle, so it is woken to end";
  older.drain(hub);
  ASSERT_TRUE(older.ended);
  EXPECT_EQ(older.end->code, ErrorCode::OutOfOrder);
  older.sub->close();
  hub.publish(1);
  hub.hub.poll(hub.now);
  newer.drain(hub);
  other_bridge.drain(hub);
  EXPECT_EQ(newer.consumer.position(), seq(5)) << "closing the older one closed only that";
  EXPECT_EQ(other_bridge.consumer.position(), seq(5));
  EXPECT_EQ(hub.hub.stats().replaced_streams, 1u);
}

TEST(WatchHub, MoreSubscribersThanTheLimitAreRefused) {
  HubOptions options;
  options.max_subscribers = 3;
  TestHub hub(options);
  hub.publish(1);
  std::vector<Stream> streams;
  for (int i = 0; i < 3; ++i) streams.push_back(open_stream(hub, std::to_string(i)));
  const auto waker = std::make_shared<CountingWaker>();
  const auto refused = hub.hub.subscribe({Bridge::Placement, "x", {}, {}, false}, waker, hub.now);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
  EXPECT_FALSE(hub.hub.latest_snapshot(std::nullopt, waker, hub.now).has_value());
  streams[1].sub->close();
  streams[1].sub->close();  // idempotent
  EXPECT_EQ(streams[1].sub->next(100, hub.now).outcome, Outcome::Ended);
  EXPECT_TRUE(hub.hub.subscribe({Bridge::Placement, "x", {}, {}, false}, waker, hub.now));
}

TEST(WatchHub, R3_5_ClosingDeliversEverythingAndThenEndsTheStreamsInOrder) {
  TestHub hub;
  hub.publish(5);
  Stream idle = open_stream(hub, "idle", kEpoch, seq(5));
  idle.drain(hub);
  Stream behind = open_stream(hub, "behind", kEpoch, seq(1));
  Stream fresh = open_stream(hub, "fresh");
  hub.publish(7);
  hub.hub.close();
  hub.hub.close();
  for (Stream* stream : {&idle, &behind, &fresh}) {
    hub.hub.poll(hub.now);
    stream->drain(hub, 60);
    EXPECT_EQ(stream->consumer.position(), seq(12));
    ASSERT_TRUE(stream->ended);
    EXPECT_EQ(stream->end->code, ErrorCode::ShuttingDown);
    stream->sub->close();
  }
  EXPECT_EQ(hub.hub.stats().subscribers, 0u);
  hub.publish(1);  // the writer's last tick may come later
  const auto late = hub.hub.subscribe({Bridge::Placement, "x", {}, {}, false},
                                      std::make_shared<CountingWaker>(), hub.now);
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, ErrorCode::ShuttingDown);
}

TEST(WatchHub, OneSnapshotIsAtLeastAsNewAsTheCallAndEndsInOrder) {
  TestHub hub;
  hub.publish(3);
  Stream watcher = open_stream(hub, "w");
  watcher.drain(hub);  // a version of 3 exists
  hub.publish(2);
  Stream once;
  once.sub = *hub.hub.latest_snapshot(std::nullopt, once.waker, hub.now);
  once.drain(hub);
  EXPECT_EQ(once.consumer.position(), seq(5));
  EXPECT_EQ(once.consumer.snapshots(), 1u);
  EXPECT_TRUE(once.ended);
  EXPECT_FALSE(once.end.has_value()) << "no error";
}

// Whatever the order of publishing, reading, stalling, reconnecting and time passing: consumers
// that apply what they get as SPEC 5 says end where the hub ends.
TEST(WatchHub, ConsumersConvergeForManySeeds) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    HubOptions options;
    options.log_bytes = 4096 + random() % 30000;
    options.block_bytes = 512 + random() % 2000;
    TestHub hub(options, static_cast<std::uint32_t>(random() % 4));
    hub.publish(1);
    std::vector<Stream> streams;
    for (int i = 0; i < 6; ++i) streams.push_back(open_stream(hub, std::to_string(i)));
    for (int step = 0; step < 400; ++step) {
      switch (random() % 8) {
        case 0:
          hub.publish(random() % 6, random() % 200);
          break;
        case 1:
          hub.publish(1 + random() % 3);
          break;
        case 2:
          if (random() % 10 == 0) hub.publish_reset();
          break;
        case 3:
          hub.tick_to(hub.now.time_since_epoch() + milliseconds(random() % 3000));
          break;
        case 4:
          hub.hub.poll(hub.now);
          break;
        case 5: {  // the connection breaks; the consumer goes on from where it was
          const std::size_t i = random() % streams.size();
          streams[i].sub->close();
          const Consumer known = streams[i].consumer;
          const bool knows = known.position().value() != 0 && known.whole();
          const SeqNo after = knows ? known.position() : SeqNo(0);
          streams[i] = open_stream(hub, std::to_string(i), kEpoch, after);
          if (knows) streams[i].consumer = known;
          break;
        }
        default: {
          Stream& stream = streams[random() % streams.size()];
          for (std::size_t n = random() % 5; n > 0; --n) {
            if (stream.step(hub, 1 + random() % 900) != Outcome::Batch) break;
          }
        }
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
    hub.hub.poll(hub.now);
    for (auto& stream : streams) {
      stream.drain(hub);
      ASSERT_FALSE(stream.ended);
      ASSERT_EQ(stream.consumer.position(), hub.hub.head());
      ASSERT_EQ(stream.consumer.hash(), hash_after(hub.hub.head()));
    }
    EXPECT_LE(hub.hub.stats().log.bytes, options.log_bytes + 4096);
    EXPECT_LE(hub.hub.stats().snapshots.versions, 2u);
  }
}

TEST(WatchHub, WhatWasSentIsCountedByBridge) {
  TestHub hub;
  hub.publish(10);
  Stream fresh = open_stream(hub, "fresh");
  Stream resumed = open_stream(hub, "resumed", kEpoch, seq(4));
  fresh.drain(hub);
  resumed.drain(hub);
  hub.publish(3);
  fresh.drain(hub);
  resumed.drain(hub);
  const auto before = hub.hub.stats().traffic;
  const BridgeTraffic& sent = before[static_cast<std::size_t>(fresh.sub->bridge()) - 1];
  EXPECT_EQ(sent.events, fresh.consumer.events() + resumed.consumer.events());
  EXPECT_EQ(sent.events, 3u + 9u);
  EXPECT_EQ(sent.snapshots, 1u);
  EXPECT_GE(sent.batches, 5u);
  EXPECT_GT(sent.bytes, 0u);
  EXPECT_EQ(sent.ended[0], 0u);

  fresh.sub->close();
  fresh.drain(hub);
  fresh.drain(hub);  // asked once more, it is counted once
  hub.hub.close();
  resumed.drain(hub);
  const auto after = hub.hub.stats().traffic[static_cast<std::size_t>(fresh.sub->bridge()) - 1];
  EXPECT_EQ(after.ended[0], 1u);
  EXPECT_EQ(after.ended[static_cast<std::size_t>(ErrorCode::ShuttingDown)], 1u);
}

}  // namespace
}  // namespace rollcall::testing_hub
