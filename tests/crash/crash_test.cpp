// kill -9 in the middle of everything (SPEC R1.5, 5, 7).

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <vector>

#include "tests/crash/churn.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using client::Bridge;

constexpr int kRounds = 50;

std::uint64_t seed() {
  const char* given = std::getenv("ROLLCALL_CRASH_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 20'261'120;
}

class Crash : public ::testing::Test {
 protected:
  void subscribe() {
    const client::BackoffPolicy soon{std::chrono::milliseconds(10), std::chrono::milliseconds(50)};
    for (const Bridge bridge : {Bridge::Placement, Bridge::Partition, Bridge::Remoting}) {
      RecordingConsumer::Options options;
      options.bridge = bridge;
      options.consumer_id = std::string(client::to_string(bridge)) + "-1";
      options.backoff = soon;
      consumers_.push_back(std::make_unique<RecordingConsumer>(daemon_, options));
    }
  }

  // What was acknowledged is there, nothing else is.
  void expect_nothing_lost() {
    const auto list = daemon_.admin().list_providers();
    ASSERT_TRUE(list) << list.error().message;
    std::set<std::string> ids;
    for (const auto& p : list->providers()) ids.insert(p.provider().id());
    ASSERT_EQ(ids.erase("default"), 1u);
    EXPECT_EQ(churn_.providers().settle(ids), "");
    const std::set<std::string> members = members_of_the_provider();
    EXPECT_EQ(churn_.members().settle(members), "");
  }

  // The confirmed topology, not the cached one that is served until then.
  std::set<std::string> members_of_the_provider() {
    EXPECT_TRUE(eventually(kHungProgram, [&] {
      const auto status = daemon_.admin().get_status();
      return status && status->has_topology() && !status->stale();
    })) << daemon_.output();
    std::set<std::string> ids;
    const auto topology = daemon_.admin().get_topology();
    EXPECT_TRUE(topology) << topology.error().message;
    if (topology)
      topology->view().members.for_each([&](const Member& m) { ids.insert(m.id().str()); });
    return ids;
  }

  void expect_converged() {
    const auto topology = daemon_.admin().get_topology();
    ASSERT_TRUE(topology) << topology.error().message;
    const std::uint64_t hash = topology->view().members.hash();
    const Epoch epoch = topology->view().position.epoch;
    for (const auto& consumer : consumers_) {
      EXPECT_TRUE(consumer->wait_for([&] {
        const auto view = consumer->view();
        return view.position.epoch == epoch && view.members.hash() == hash && !view.stale;
      })) << consumer->describe().substr(0, 4000);
      EXPECT_TRUE(consumer->repeated().empty()) << consumer->repeated().front();
      EXPECT_TRUE(consumer->troubles().empty()) << consumer->troubles().front();
    }
  }

  DaemonProcess daemon_;
  Churn churn_{seed()};
  std::vector<std::unique_ptr<RecordingConsumer>> consumers_;
};

TEST_F(Crash, R1_5_NothingAcknowledgedIsLostAndSequenceNumbersGoOn) {
  std::cout << "seed " << seed() << " (ROLLCALL_CRASH_SEED replays another)\n";
  std::mt19937_64 random(seed());
  std::uint64_t newest = 0;
  std::uint64_t boot = 0;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
    if (consumers_.empty()) subscribe();
    const auto status = daemon_.admin().get_status();
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_GT(status->seq_no(), newest);
    EXPECT_GT(status->epoch() >> kEpochBootShift, boot);
    boot = status->epoch() >> kEpochBootShift;
    expect_nothing_lost();
    expect_converged();
    if (HasFatalFailure()) return;

    churn_.start(daemon_);
    const int acts = 1 + static_cast<int>(random() % 40);
    ASSERT_TRUE(eventually(kHungProgram, [&] { return churn_.acknowledged() >= acts; }));
    daemon_.kill();
    churn_.stop();
    for (const auto& consumer : consumers_)
      newest = std::max(newest, consumer->view().position.seq_no.value());
  }
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  expect_nothing_lost();
  expect_converged();
  const auto ended = daemon_.stop();
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->ok());
}

}  // namespace
}  // namespace rollcall::test
