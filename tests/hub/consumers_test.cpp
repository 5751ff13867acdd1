// Who acknowledged what, and the barrier of GetLatestSnapshot(wait_for_placement) (SPEC 6).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/hub/hub_fixture.h"

namespace rollcall::testing_hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Stream placement(TestHub& hub, const std::string& id, SeqNo after, bool acknowledges = true) {
  Stream stream = open_stream(hub, id, kEpoch, after, Bridge::Placement, acknowledges);
  stream.drain(hub);
  return stream;
}

Stream snapshot_after_placement(TestHub& hub, Duration wait) {
  Stream stream;
  stream.sub = *hub.hub.latest_snapshot(hub.now + wait, stream.waker, hub.now);
  stream.drain(hub);
  return stream;
}

TEST(Consumers, R3_1_AnAcknowledgementOfAnotherEpochOrAheadOfTheLogIsOutOfOrder) {
  TestHub hub;
  hub.publish(5);
  EXPECT_TRUE(hub.hub.acknowledge("p", kEpoch, seq(5)));
  EXPECT_TRUE(hub.hub.acknowledge("p", kEpoch, seq(3))) << "an older one changes nothing";
  const auto ahead = hub.hub.acknowledge("p", kEpoch, seq(6));
  ASSERT_FALSE(ahead.has_value());
  EXPECT_EQ(ahead.error().code, ErrorCode::OutOfOrder);
  const auto foreign = hub.hub.acknowledge("p", make_epoch(kBoot, 1), seq(1));
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().code, ErrorCode::OutOfOrder);
  EXPECT_EQ(hub.hub.consumers().at(0).acknowledged, seq(5));
}

TEST(Consumers, R3_1_OthersCanSeeWhatWasAcknowledgedAndTheLag) {
  TestHub hub;
  hub.publish(5);
  Stream p = placement(hub, "p", seq(2));
  ASSERT_TRUE(hub.hub.acknowledge("p", kEpoch, seq(4)));
  hub.publish(3);
  Stream fresh = open_stream(hub, "f");
  const auto all = hub.hub.consumers();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].consumer_id, "p");
  EXPECT_TRUE(all[0].open);
  EXPECT_TRUE(all[0].acknowledges);
  EXPECT_EQ(all[0].acknowledged, seq(4));
  EXPECT_EQ(all[0].position, seq(5));
  EXPECT_EQ(all[0].lag, 3u);
  EXPECT_EQ(all[1].lag, 8u) << "nothing delivered yet";
  p.sub->close();
  const auto later = hub.hub.consumers();
  EXPECT_EQ(later[0].consumer_id, "f") << "open ones first";
  EXPECT_FALSE(later[1].open);
  EXPECT_EQ(later[1].acknowledged, seq(4));
}

TEST(Consumers, R3_1_TheBarrierOpensWhenAllAcknowledgingPlacementStreamsHave) {
  TestHub hub;
  hub.publish(5);
  Stream p1 = placement(hub, "p1", seq(5));
  Stream p2 = placement(hub, "p2", seq(5));
  Stream watcher = placement(hub, "watcher", seq(5), false);
  Stream once = snapshot_after_placement(hub, seconds(60));
  EXPECT_FALSE(once.ended);
  ASSERT_TRUE(hub.hub.acknowledge("p1", kEpoch, seq(5)));
  hub.hub.poll(hub.now);
  once.drain(hub);
  EXPECT_EQ(once.consumer.snapshots(), 0u) << "p2 has not";
  ASSERT_TRUE(hub.hub.acknowledge("p2", kEpoch, seq(4)));
  hub.hub.poll(hub.now);
  once.drain(hub);
  EXPECT_EQ(once.consumer.snapshots(), 0u);
  hub.publish(2);  // newer events don't move the goal away
  ASSERT_TRUE(hub.hub.acknowledge("p2", kEpoch, seq(5)));
  hub.hub.poll(hub.now);
  once.drain(hub);
  EXPECT_TRUE(once.ended);
  EXPECT_FALSE(once.end.has_value());
  EXPECT_EQ(once.consumer.position(), seq(5)) << "nothing that is not acknowledged";
}

TEST(Consumers, R3_1_TheBarrierNeedsAtLeastOneAcknowledgingStreamAndTimesOut) {
  TestHub hub;
  hub.publish(5);
  Stream watcher = placement(hub, "watcher", seq(5), false);
  Stream once = snapshot_after_placement(hub, seconds(60));
  hub.tick_to(milliseconds(59'900));
  once.drain(hub);
  EXPECT_FALSE(once.ended);
  hub.tick_to(seconds(60));
  once.drain(hub);
  ASSERT_TRUE(once.ended);
  ASSERT_TRUE(once.end.has_value());
  EXPECT_EQ(once.end->code, ErrorCode::Timeout);
  EXPECT_NE(once.end->message.find("no open placement stream"), std::string::npos);
}

TEST(Consumers, R3_1_ATimeoutNamesWhoIsMissing) {
  TestHub hub;
  hub.publish(5);
  std::vector<Stream> streams;
  for (int i = 0; i < 12; ++i) {
    streams.push_back(placement(hub, "p" + std::to_string(100 + i), seq(5)));
  }
  ASSERT_TRUE(hub.hub.acknowledge("p101", kEpoch, seq(5)));
  Stream once = snapshot_after_placement(hub, seconds(1));
  hub.tick_to(seconds(1));
  once.drain(hub);
  ASSERT_TRUE(once.end.has_value());
  EXPECT_EQ(once.end->code, ErrorCode::Timeout);
  EXPECT_NE(once.end->message.find("p100, p102, "), std::string::npos) << once.end->message;
  EXPECT_NE(once.end->message.find("and 3 more"), std::string::npos) << once.end->message;
  EXPECT_EQ(once.end->message.find("p101"), std::string::npos) << once.end->message;
}

TEST(Consumers, R3_1_AClosedStreamStopsCounting) {
  TestHub hub;
  hub.publish(5);
  Stream p1 = placement(hub, "p1", seq(5));
  Stream p2 = placement(hub, "p2", seq(5));
  ASSERT_TRUE(hub.hub.acknowledge("p1", kEpoch, seq(5)));
  Stream once = snapshot_after_placement(hub, seconds(60));
  EXPECT_FALSE(once.ended);
  p2.sub->close();
  hub.hub.poll(hub.now);
  once.drain(hub);
  EXPECT_EQ(once.consumer.snapshots(), 1u);
}

TEST(Consumers, R3_1_AStalledStreamStopsCounting) {
  TestHub hub;
  hub.publish(5);
  Stream p1 = placement(hub, "p1", seq(5));
  Stream p2 = placement(hub, "p2", seq(4));
  hub.publish(1);
  ASSERT_EQ(p2.sub->next(100, hub.now).outcome, Subscription::Outcome::Batch);  // never written
  p1.drain(hub);
  ASSERT_TRUE(hub.hub.acknowledge("p1", kEpoch, seq(6)));
  Stream once = snapshot_after_placement(hub, seconds(60));
  hub.tick_to(seconds(29));
  p1.drain(hub);
  once.drain(hub);
  EXPECT_FALSE(once.ended);
  hub.tick_to(seconds(31));
  once.drain(hub);
  EXPECT_EQ(once.consumer.snapshots(), 1u);
}

TEST(Consumers, R3_1_AConsumerThatStartsAnewHasToAcknowledgeAgain) {
  TestHub hub;
  hub.publish(5);
  Stream p = placement(hub, "p", seq(5));
  ASSERT_TRUE(hub.hub.acknowledge("p", kEpoch, seq(5)));
  {
    Stream again = placement(hub, "p", seq(5));  // the connection broke: the same life
    Stream once = snapshot_after_placement(hub, seconds(60));
    EXPECT_EQ(once.consumer.snapshots(), 1u);
    again.sub->close();
  }
  Stream reborn = open_stream(hub, "p", {}, {}, Bridge::Placement, true);
  reborn.drain(hub);
  Stream once = snapshot_after_placement(hub, seconds(60));
  EXPECT_EQ(once.consumer.snapshots(), 0u) << "it holds nothing yet";
  ASSERT_TRUE(hub.hub.acknowledge("p", kEpoch, seq(5)));
  hub.hub.poll(hub.now);
  once.drain(hub);
  EXPECT_EQ(once.consumer.snapshots(), 1u);
}

TEST(Consumers, R3_1_SnapshotsForOthersDoNotTakeAwayTheOneThatIsWaitedFor) {
  TestHub hub;
  hub.publish(5);
  Stream p = placement(hub, "p", seq(5));
  Stream once = snapshot_after_placement(hub, seconds(60));
  for (int i = 0; i < 5; ++i) {  // each is encoded anew, and two versions are kept
    hub.publish(1);
    Stream other;
    other.sub = *hub.hub.latest_snapshot(std::nullopt, other.waker, hub.now);
    other.drain(hub);
    ASSERT_EQ(other.consumer.snapshots(), 1u);
    hub.hub.poll(hub.now);
  }
  ASSERT_TRUE(hub.hub.acknowledge("p", kEpoch, seq(6)));
  hub.hub.poll(hub.now);
  once.drain(hub);
  EXPECT_EQ(once.consumer.snapshots(), 1u);
}

TEST(SnapshotStore, OneVersionAtATimeIsKeptForAllWhoWaitForPlacement) {
  const TestSnapshotEncoder encoder(2);
  SnapshotStore store(encoder);
  const auto encode = [&](std::uint64_t n) {
    auto state = std::make_shared<TopologySnapshot>();
    state->seq_no = seq(n);
    store.want(seq(n));
    store.encode_pending(state);
  };
  encode(5);
  auto first = store.keep(seq(5));
  ASSERT_NE(first, nullptr);
  for (std::uint64_t n = 6; n < 10; ++n) encode(n);
  EXPECT_EQ(store.keep(seq(5)), first);
  EXPECT_EQ(store.keep(seq(9)), nullptr) << "another one only once nobody keeps this one";
  first.reset();
  const auto next = store.keep(seq(9));
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->state->seq_no, seq(9));
}

TEST(Consumers, WaitingCallsAreBounded) {
  HubOptions options;
  options.max_placement_waits = 2;
  TestHub hub(options);
  hub.publish(1);
  Stream a = snapshot_after_placement(hub, seconds(60));
  Stream b = snapshot_after_placement(hub, seconds(60));
  const auto waker = std::make_shared<CountingWaker>();
  const auto third = hub.hub.latest_snapshot(hub.now + seconds(60), waker, hub.now);
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, ErrorCode::LimitExceeded);
  EXPECT_TRUE(hub.hub.latest_snapshot(std::nullopt, waker, hub.now)) << "one that needn't wait";
  a.sub->close();
  EXPECT_TRUE(hub.hub.latest_snapshot(hub.now + seconds(60), waker, hub.now));
}

TEST(Consumers, R5_1_MetricNamesAreBounded) {
  TestHub hub;
  hub.publish(1);
  std::vector<Stream> streams;
  for (int i = 0; i < 70; ++i) {
    streams.push_back(open_stream(hub, "c" + std::to_string(i), kEpoch, seq(1)));
  }
  hub.publish(4);
  const auto lags = hub.hub.lags();
  ASSERT_EQ(lags.size(), 65u);
  EXPECT_EQ(lags.back().consumer, "other");
  EXPECT_EQ(lags.back().events, 5u) << "no stream has asked yet";
}

TEST(Consumers, ClosedConsumersAreForgottenOldestFirst) {
  HubOptions options;
  options.max_subscribers = 4;
  TestHub hub(options);
  hub.publish(1);
  for (int i = 0; i < 20; ++i) {
    Stream stream = open_stream(hub, std::to_string(100 + i), kEpoch, seq(1));
    stream.sub->close();
  }
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(hub.hub.acknowledge("never-opened-" + std::to_string(i), kEpoch, seq(1)));
  }
  EXPECT_LE(hub.hub.consumers().size(), 4u);
}

}  // namespace
}  // namespace rollcall::testing_hub
