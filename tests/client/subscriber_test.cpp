// The Subscriber against a server that breaks, stalls and lies on purpose.
#include "bridges/client/subscriber.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/client/recording_listener.h"
#include "tests/client/scripted_log.h"
#include "tests/client/scripted_server.h"

namespace rollcall::client::testing {
namespace {

using std::chrono::milliseconds;
using Heard = RecordingListener::Heard;
using Stream = ScriptedServer::Stream;

SubscriberOptions options_for(const ScriptedServer& server) {
  SubscriberOptions options;
  options.channel.address = server.address();
  options.consumer_id = "c1";
  options.backoff = {milliseconds(1), milliseconds(5)};
  options.seed = 42;
  return options;
}

bool has_error(const Heard& heard, ErrorCode code) {
  return std::any_of(heard.connections.begin(), heard.connections.end(),
                     [&](const ConnectionChange& c) { return c.error && c.error->code == code; });
}

// A log that the scripts write: filled before the server starts, so that no lock is needed.
class SubscriberTest : public ::testing::Test {
 protected:
  void SetUp() override {
    log_.join(make_node("n1"));
    snapshot_ = log_.snapshot();
    first_ = {log_.epoch(), log_.seq_no()};
    joined_ = log_.join(make_node("n2"));
    bookmark_ = log_.bookmark();
  }
  void run(ScriptedServer::Script script,
           const std::function<void(SubscriberOptions&)>& change = nullptr) {
    server_ = std::make_unique<ScriptedServer>(std::move(script));
    SubscriberOptions options = options_for(*server_);
    if (change) change(options);
    auto started = Subscriber::start(options, listener_);
    ASSERT_TRUE(started) << started.error().message;
    subscriber_ = *std::move(started);
  }
  bool wait_synced(int count) {
    return listener_.wait([=](const Heard& heard) { return heard.synced >= count; });
  }

  ScriptedLog log_;
  std::vector<v1::ClusterEvent> snapshot_;
  Position first_;
  v1::ClusterEvent joined_;
  v1::ClusterEvent bookmark_;
  RecordingListener listener_;
  std::unique_ptr<ScriptedServer> server_;
  std::unique_ptr<Subscriber> subscriber_;
};

TEST_F(SubscriberTest, R3_1_FollowsTheLogAndAcknowledgesWhatWasApplied) {
  run(
      [this](int, const v1::WatchRequest&, Stream& stream) {
        stream.send(snapshot_);
        stream.send({joined_, bookmark_});
        return stream.hold();
      },
      [](SubscriberOptions& options) { options.acknowledge = Acknowledge::Automatic; });
  ASSERT_TRUE(wait_synced(2));
  EXPECT_EQ(subscriber_->view().members.hash(), log_.hash());
  EXPECT_EQ(subscriber_->view().position.seq_no, log_.seq_no());
  const auto requests = server_->requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].consumer_id(), "c1");
  EXPECT_TRUE(requests[0].acknowledges());
  EXPECT_EQ(requests[0].after_seq(), 0u);
  ASSERT_TRUE(server_->wait_for_acknowledgements(1));
  // Coalesced: the newest comes, those between may not.
  while (server_->acknowledgements().back().seq_no() != log_.seq_no().value()) {
    ASSERT_TRUE(server_->wait_for_acknowledgements(server_->acknowledgements().size() + 1));
  }
  EXPECT_EQ(server_->acknowledgements().back().epoch(), log_.epoch().value());
  EXPECT_LE(server_->acknowledgements().size(), 2u);
}

TEST_F(SubscriberTest, ResumesWhereItWasAndAppliesNothingTwice) {
  run([this](int number, const v1::WatchRequest&, Stream& stream) {
    if (number == 1) {
      stream.send(snapshot_);
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken");
    }
    stream.send({joined_, joined_, bookmark_});  // once more than once
    return stream.hold();
  });
  ASSERT_TRUE(wait_synced(2));
  const auto requests = server_->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].epoch(), first_.epoch.value());
  EXPECT_EQ(requests[1].after_seq(), first_.seq_no.value());
  const Heard heard = listener_.heard();
  EXPECT_EQ(heard.topologies.size(), 2u);
  EXPECT_EQ(heard.events, (std::vector<std::string>{"snapshot", "delta", "bookmark"}));
}

TEST_F(SubscriberTest, AsksForASnapshotWhenTheHashIsWrong) {
  auto wrong = joined_;
  wrong.set_snapshot_hash(1);
  run([this, wrong](int number, const v1::WatchRequest&, Stream& stream) {
    if (number == 1) {
      stream.send(snapshot_);
      stream.send(wrong);
      return stream.hold();
    }
    stream.send(log_.snapshot());
    return stream.hold();
  });
  ASSERT_TRUE(wait_synced(2));
  const auto requests = server_->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].epoch(), 0u);
  EXPECT_EQ(requests[1].after_seq(), 0u);
  const Heard heard = listener_.heard();
  ASSERT_EQ(heard.troubles.size(), 1u);
  EXPECT_EQ(heard.troubles[0].kind, TroubleKind::HashMismatch);
  EXPECT_EQ(subscriber_->view().members.hash(), log_.hash());
  EXPECT_EQ(subscriber_->view().verification, Verification::On);
}

TEST_F(SubscriberTest, StopsVerifyingAfterTwoMismatchesAndGoesOn) {
  auto wrong = log_.snapshot();
  wrong[0].set_snapshot_hash(1);
  run([wrong](int, const v1::WatchRequest&, Stream& stream) {
    stream.send(wrong);
    return stream.hold();
  });
  ASSERT_TRUE(wait_synced(1));
  EXPECT_EQ(server_->requests().size(), 2u);
  EXPECT_EQ(subscriber_->view().verification, Verification::Stopped);
  EXPECT_EQ(listener_.heard().troubles.back().kind, TroubleKind::VerificationStopped);
  EXPECT_EQ(subscriber_->view().members.size(), 2u);
}

TEST_F(SubscriberTest, AGapAsksForASnapshot) {
  const auto later = log_.join(make_node("n3"));  // joined_ is left out
  run([this, later](int number, const v1::WatchRequest&, Stream& stream) {
    stream.send(number == 1 ? snapshot_ : log_.snapshot());
    if (number == 1) stream.send(later);
    return stream.hold();
  });
  ASSERT_TRUE(wait_synced(2));
  EXPECT_EQ(server_->requests()[1].after_seq(), 0u);
  EXPECT_EQ(listener_.heard().troubles[0].kind, TroubleKind::Gap);
  EXPECT_EQ(subscriber_->view().members.size(), 3u);
}

TEST_F(SubscriberTest, AStreamThatSaysNothingIsReplaced) {
  run(
      [this](int, const v1::WatchRequest& request, Stream& stream) {
        if (request.after_seq() == 0) {
          stream.send(snapshot_);
        } else {
          stream.send({joined_, bookmark_});
        }
        return stream.hold();
      },
      [](SubscriberOptions& options) { options.silence = milliseconds(200); });
  ASSERT_TRUE(listener_.wait([](const Heard& heard) { return heard.topologies.size() == 2; }));
  EXPECT_TRUE(has_error(listener_.heard(), ErrorCode::Timeout));
  EXPECT_EQ(subscriber_->view().members.hash(), log_.hash());
}

TEST_F(SubscriberTest, R5_5_AFailedStreamTellsTheSidecarsOwnCodeAndKeepsWhatIsHeld) {
  run([this](int number, const v1::WatchRequest&, Stream& stream) {
    if (number == 2) {
      return failed(grpc::StatusCode::UNAVAILABLE,
                    {ErrorCode::NoSnapshot, "no topology was ever confirmed", {}, 0});
    }
    stream.send(snapshot_);
    if (number == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken");
    return stream.hold();
  });
  ASSERT_TRUE(
      listener_.wait([](const Heard& heard) { return has_error(heard, ErrorCode::NoSnapshot); }));
  EXPECT_EQ(subscriber_->view().members.size(), 1u);
  ASSERT_TRUE(wait_synced(2));
}

TEST_F(SubscriberTest, AConsumerWhoseNameIsTakenWaitsTheLongest) {
  run(
      [this](int number, const v1::WatchRequest&, Stream& stream) {
        stream.send(snapshot_);
        if (number == 1) return grpc::Status(grpc::StatusCode::ABORTED, "replaced");
        return stream.hold();
      },
      [](SubscriberOptions& options) { options.backoff.max = milliseconds(100); });
  ASSERT_TRUE(listener_.wait([](const Heard& heard) { return heard.connections.size() >= 3; }));
  const auto connections = listener_.heard().connections;
  EXPECT_EQ(connections[1].state, ConnectionState::Waiting);
  EXPECT_GE(connections[1].retry_in, milliseconds(80));
}

TEST_F(SubscriberTest, NobodyThereIsToldAndTriedAgain) {
  std::string address;
  { address = ScriptedServer(nullptr).address(); }  // a port where nobody listens any more
  SubscriberOptions options;
  options.channel.address = address;
  options.consumer_id = "c1";
  options.backoff = {milliseconds(1), milliseconds(5)};
  auto started = Subscriber::start(options, listener_);
  ASSERT_TRUE(started);
  EXPECT_TRUE(listener_.wait([](const Heard& heard) { return heard.connections.size() >= 2; }));
  EXPECT_TRUE(has_error(listener_.heard(), ErrorCode::ProvisioningUnavailable));
  (*started)->stop();
}

TEST_F(SubscriberTest, AnotherStreamIsAcknowledgedAfresh) {
  run(
      [this](int number, const v1::WatchRequest&, Stream& stream) {
        if (number == 1) {
          stream.send(snapshot_);
          server_->wait_for_acknowledgements(1);
          return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken");
        }
        auto bookmark = snapshot_[0];  // nothing new since
        bookmark.mutable_bookmark();
        stream.send(bookmark);
        return stream.hold();
      },
      [](SubscriberOptions& options) { options.acknowledge = Acknowledge::Automatic; });
  ASSERT_TRUE(server_->wait_for_acknowledgements(2));
  const auto acknowledgements = server_->acknowledgements();
  EXPECT_EQ(acknowledgements[0].seq_no(), first_.seq_no.value());
  EXPECT_EQ(acknowledgements[1].seq_no(), first_.seq_no.value());
}

// The reply to the first stream's acknowledgement comes when the second one is open.
TEST_F(SubscriberTest, R3_1_AReplyToAnEarlierStreamIsNotCountedForThisOne) {
  server_ =
      std::make_unique<ScriptedServer>([this](int number, const v1::WatchRequest&, Stream& stream) {
        if (number == 1) {
          stream.send(snapshot_);
          server_->wait_for_acknowledgements(1);
          return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken");
        }
        auto bookmark = snapshot_[0];  // nothing new since
        bookmark.mutable_bookmark();
        stream.send(bookmark);
        return stream.hold();
      });
  server_->on_acknowledge([this](std::size_t number) {
    if (number == 1) server_->wait_for_requests(2);
  });
  SubscriberOptions options = options_for(*server_);
  options.acknowledge = Acknowledge::Automatic;
  options.silence = std::chrono::minutes(2);  // no third stream that is acknowledged afresh
  auto started = Subscriber::start(options, listener_);
  ASSERT_TRUE(started) << started.error().message;
  subscriber_ = *std::move(started);
  ASSERT_TRUE(server_->wait_for_acknowledgements(2));
  EXPECT_EQ(server_->acknowledgements()[1].seq_no(), first_.seq_no.value());
}

TEST_F(SubscriberTest, R3_1_ManualAcknowledgementsAreSentWhenTheyAreGiven) {
  run(
      [this](int, const v1::WatchRequest&, Stream& stream) {
        stream.send(snapshot_);
        return stream.hold();
      },
      [](SubscriberOptions& options) { options.acknowledge = Acknowledge::Manual; });
  ASSERT_TRUE(wait_synced(1));
  EXPECT_TRUE(server_->acknowledgements().empty());
  subscriber_->acknowledge({Epoch(1), first_.seq_no});  // of another epoch: dropped
  subscriber_->acknowledge(first_);
  ASSERT_TRUE(server_->wait_for_acknowledgements(1));
  EXPECT_EQ(server_->acknowledgements()[0].epoch(), first_.epoch.value());
}

TEST_F(SubscriberTest, AnExportedStateIsResumedByAnotherSubscriber) {
  run([this](int number, const v1::WatchRequest&, Stream& stream) {
    if (number == 1) {
      stream.send(snapshot_);
    } else {
      stream.send({joined_, bookmark_});
    }
    return stream.hold();
  });
  ASSERT_TRUE(wait_synced(1));
  subscriber_->stop();
  SubscriberOptions options = options_for(*server_);
  options.resume_state = subscriber_->export_state();
  RecordingListener second_listener;
  auto second = Subscriber::start(options, second_listener);
  ASSERT_TRUE(second) << second.error().message;
  ASSERT_TRUE(second_listener.wait([](const Heard& heard) { return heard.synced >= 1; }));
  EXPECT_EQ(server_->requests()[1].after_seq(), first_.seq_no.value());
  const Heard heard = second_listener.heard();
  ASSERT_EQ(heard.topologies.size(), 1u);
  EXPECT_FALSE(heard.topologies[0].first);
  EXPECT_EQ(heard.topologies[0].members.size(), 2u);
}

TEST_F(SubscriberTest, APositionIsEnoughForAConsumerWithACopyOfItsOwn) {
  run(
      [this](int, const v1::WatchRequest&, Stream& stream) {
        stream.send({joined_, bookmark_});
        return stream.hold();
      },
      [this](SubscriberOptions& options) {
        options.keep = TopologyReplica::Keep::Position;
        options.resume_at = first_;
        options.bridge = Bridge::Remoting;
      });
  ASSERT_TRUE(wait_synced(1));
  EXPECT_EQ(server_->requests()[0].after_seq(), first_.seq_no.value());
  EXPECT_EQ(listener_.heard().events, (std::vector<std::string>{"delta", "bookmark"}));
}

class StopsAtFirst : public RecordingListener {
 public:
  std::function<void()> stop;
  void on_event(const v1::ClusterEvent& event) override {
    RecordingListener::on_event(event);
    stop();
  }
};

TEST_F(SubscriberTest, RequestStopInACallbackEndsAfterThatEvent) {
  server_ = std::make_unique<ScriptedServer>([this](int, const v1::WatchRequest&, Stream& stream) {
    std::vector<v1::ClusterEvent> all = snapshot_;
    all.push_back(joined_);
    all.push_back(bookmark_);
    stream.send(all);
    return stream.hold();
  });
  StopsAtFirst listener;
  std::mutex mutex;
  Subscriber* running = nullptr;
  std::unique_lock lock(mutex);
  listener.stop = [&] {
    const std::lock_guard inner(mutex);
    running->request_stop();
  };
  auto started = Subscriber::start(options_for(*server_), listener);
  ASSERT_TRUE(started);
  running = started->get();
  lock.unlock();
  ASSERT_TRUE(listener.wait([](const Heard& heard) { return !heard.events.empty(); }));
  (*started)->stop();
  EXPECT_EQ(listener.heard().events, std::vector<std::string>{"snapshot"});
  EXPECT_EQ((*started)->view().members.size(), 1u);
}

TEST_F(SubscriberTest, StopsWhileItWaitsAndWhileItReads) {
  run([this](int, const v1::WatchRequest&, Stream& stream) {
    stream.send(snapshot_);
    return stream.hold();
  });
  ASSERT_TRUE(wait_synced(1));
  subscriber_->stop();
  subscriber_->stop();  // again is fine
  subscriber_.reset();
  SubscriberOptions options = options_for(*server_);
  options.channel.address = "unix:/nonexistent/rollcall.sock";
  options.backoff = {milliseconds(60'000), milliseconds(60'000)};
  RecordingListener other;
  auto started = Subscriber::start(options, other);
  ASSERT_TRUE(started);
  ASSERT_TRUE(other.wait([](const Heard& heard) { return !heard.connections.empty(); }));
  (*started)->stop();
}

TEST_F(SubscriberTest, OptionsThatMakeNoSenseAreRefusedAllAtOnce) {
  SubscriberOptions options;
  options.channel.address = "127.0.0.1:1";
  options.acknowledge = Acknowledge::Automatic;
  options.bridge = Bridge::Remoting;
  options.resume_at = {Epoch(1), SeqNo(1)};
  const auto started = Subscriber::start(options, listener_);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::InvalidConfig);
  EXPECT_EQ(started.error().problems.size(), 3u);
  options = {};
  options.consumer_id = "c";
  options.channel.address = "somewhere";
  EXPECT_EQ(Subscriber::start(options, listener_).error().code, ErrorCode::InvalidConfig);
  options.channel.address = "127.0.0.1:1";
  options.resume_state = "nonsense";
  EXPECT_EQ(Subscriber::start(options, listener_).error().code, ErrorCode::StoreCorrupted);
}

}  // namespace
}  // namespace rollcall::client::testing
