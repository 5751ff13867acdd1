// What consumers are told when something goes wrong (R2.2, R4.3, R4.4, R5.2, SPEC 3): a stream that
// ends, answers that fail, a provider that is held back, removals that are. The provider is a file
// that the test breaks and mends, so that the test decides when an answer is confirmed.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using client::Bridge;
using Event = v1::ClusterEvent;
using Matches = std::function<bool(const Event&)>;

class Trouble : public ::testing::Test {
 protected:
  // What each test changes of: retries and ways back at once, time decides nothing.
  struct Policy {
    std::string backoff = "10ms";
    std::string backoff_max = "20ms";
    std::string cooldown = "0s";
    std::string max_errors = "1000";
    std::string hold_failures = "1000";
  };
  void start(const Policy& policy) {
    daemon_.add_environment("ROLLCALL_FAILOVER_DEGRADED_AFTER", "1h");
    daemon_.add_environment("ROLLCALL_FAILOVER_TIMEOUT", "1h");
    daemon_.add_environment("ROLLCALL_FAILOVER_BACKOFF", policy.backoff);
    daemon_.add_environment("ROLLCALL_FAILOVER_BACKOFF_MAX", policy.backoff_max);
    daemon_.add_environment("ROLLCALL_FAILOVER_COOLDOWN", policy.cooldown);
    daemon_.add_environment("ROLLCALL_FAILOVER_MAX_ERRORS", policy.max_errors);
    daemon_.add_environment("ROLLCALL_FAILOVER_HOLD_FAILURES", policy.hold_failures);
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  // `file` above `default`, both with n1; a consumer that knows it.
  void serve_file() {
    ASSERT_DONE(daemon_.admin().join_member(member("n1")));
    mend_file();
    ProviderDescriptor file = file_provider("file", 10, path());
    file.watch_params["attest_ms"] = "50";
    ASSERT_DONE(daemon_.admin().register_provider(file));
    ASSERT_TRUE(becomes("file", [](const auto& p) { return p.active(); }));
    ASSERT_TRUE(becomes("default", [](const auto& p) { return p.members() == 1; }));
    consume({Bridge::Remoting, "remoting-1"});
    ASSERT_TRUE(consumer_->wait_for_members({"n1"})) << consumer_->describe();
  }
  void consume(RecordingConsumer::Options options) {
    consumer_ = std::make_unique<RecordingConsumer>(daemon_, std::move(options));
  }
  std::string path() { return (daemon_.directory() / "members.json").string(); }
  void break_file() { replace_file(path(), "half a fi"); }
  void mend_file() { replace_file(path(), member_file({member("n1")})); }

  v1::ProviderState state(const std::string& id) {
    const auto state = daemon_.admin().get_provider(ProviderId(id));
    EXPECT_TRUE(state) << state.error().message;
    return state ? *state : v1::ProviderState();
  }
  bool becomes(const std::string& id, const std::function<bool(const v1::ProviderState&)>& so) {
    return eventually(kHungProgram, [&] { return so(state(id)); });
  }
  std::string active() {
    const auto status = daemon_.admin().get_status();
    return status ? status->active_provider() : "error: " + status.error().message;
  }

  static Matches warning(const std::string& id, v1::Health health, v1::Advice advice) {
    return [=](const Event& e) {
      return e.has_health_warning() && e.health_warning().provider_id() == id &&
             e.health_warning().health() == health && e.health_warning().advice() == advice;
    };
  }
  static Matches change(const std::string& to, v1::FailoverReason reason) {
    return [=](const Event& e) {
      return e.has_provider_changed() && e.provider_changed().to_provider_id() == to &&
             e.provider_changed().reason() == reason;
    };
  }
  // Until the log holds these events in this order; others may be between them.
  static void expect_in_order(const RecordingConsumer& consumer,
                              const std::vector<Matches>& wanted) {
    EXPECT_TRUE(consumer.wait_for([&] {
      const auto events = consumer.events();
      auto next = wanted.begin();
      for (const Event& e : events) {
        if (next != wanted.end() && (*next)(e)) ++next;
      }
      return next == wanted.end();
    })) << consumer.describe();
  }

  DaemonProcess daemon_;
  std::unique_ptr<RecordingConsumer> consumer_;  // after the daemon that it follows
};

TEST_F(Trouble, R4_3_R5_2_WarningsAndAHoldReachRemotingAndEnableEndsTheHold) {
  Policy policy;
  policy.hold_failures = "5";  // and never Unreachable: only the hold takes the role away
  start(policy);
  serve_file();
  break_file();
  expect_in_order(*consumer_, {warning("file", v1::HEALTH_DEGRADED, v1::ADVICE_AVOID_NEW_CHANNELS),
                               warning("file", v1::HEALTH_DEGRADED, v1::ADVICE_PROVIDER_HELD),
                               change("default", v1::FAILOVER_REASON_HEALTH_DEGRADED),
                               warning("default", v1::HEALTH_HEALTHY, v1::ADVICE_NONE)});
  EXPECT_TRUE(state("file").held());
  // Good answers alone do not bring it back.
  mend_file();
  ASSERT_TRUE(becomes("file", [](const auto& p) { return p.health() == v1::HEALTH_HEALTHY; }));
  EXPECT_TRUE(state("file").held());
  EXPECT_EQ(active(), "default");
  ASSERT_DONE(daemon_.admin().enable_provider(ProviderId("file")));
  expect_in_order(*consumer_, {change("default", v1::FAILOVER_REASON_HEALTH_DEGRADED),
                               warning("file", v1::HEALTH_HEALTHY, v1::ADVICE_NONE),
                               change("file", v1::FAILOVER_REASON_MANUAL_OVERRIDE)});
  EXPECT_FALSE(state("file").held());
  // All the while the members were the same ones.
  EXPECT_TRUE(consumer_->events(Event::kDelta).empty()) << consumer_->describe();
  EXPECT_TRUE(consumer_->events(Event::kRemoteTopology).empty()) << consumer_->describe();
}

TEST_F(Trouble, R4_4_ARecoveredNodeStaysBlockedUntilTheNextConfirmedAnswer) {
  start({});
  serve_file();
  const client::RemotingClient remoting(daemon_.channel(), "remoting-1");
  ASSERT_TRUE(remoting.report_quarantined(NodeId("n1")));
  break_file();
  const auto degraded = warning("file", v1::HEALTH_DEGRADED, v1::ADVICE_AVOID_NEW_CHANNELS);
  ASSERT_TRUE(consumer_->wait_for_event(degraded)) << consumer_->describe();
  // From here on no answer is confirmed.
  ASSERT_TRUE(remoting.report_recovered(NodeId("n1")));
  // Blocks are written one after the other: what that report led to came before this answer.
  ASSERT_TRUE(remoting.report_quarantined(NodeId("stranger")));
  const auto snapshot = client::PartitionClient(daemon_.channel()).latest_snapshot();
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  const Member* n1 = snapshot->view().members.find(NodeId("n1"));
  ASSERT_NE(n1, nullptr);
  EXPECT_TRUE(n1->blocked);
  mend_file();
  expect_in_order(*consumer_, {degraded, warning("file", v1::HEALTH_HEALTHY, v1::ADVICE_NONE),
                               [](const Event& e) {
                                 return e.has_remote_topology() &&
                                        e.remote_topology().kind() == v1::REMOTE_KIND_UNBLOCKED &&
                                        e.remote_topology().node().id() == "n1";
                               }});
}

TEST_F(Trouble, R2_5_TheCooldownKeepsTheRoleAwayAndASwitchOverridesIt) {
  Policy policy;
  policy.max_errors = "3";
  policy.cooldown = "24h";
  start(policy);
  serve_file();
  // One that never had the role, and so may take it.
  ASSERT_DONE(daemon_.admin().register_provider(in_memory_provider("spare", 5)));
  ASSERT_DONE(daemon_.admin().join_member(member("n1"), ProviderId("spare")));
  ASSERT_TRUE(becomes("spare", [](const auto& p) { return p.members() == 1; }));
  break_file();
  expect_in_order(*consumer_, {change("spare", v1::FAILOVER_REASON_HEALTH_DEGRADED)});
  mend_file();
  ASSERT_TRUE(becomes("file", [](const auto& p) { return p.health() == v1::HEALTH_HEALTHY; }));
  std::int64_t confirmed = 0;
  for (int i = 0; i < 4; ++i) {  // healthy for some answers, and none of them gives the role back
    ASSERT_TRUE(
        becomes("file", [&](const auto& p) { return p.last_confirmed_unix_ms() != confirmed; }));
    confirmed = state("file").last_confirmed_unix_ms();
    EXPECT_EQ(active(), "spare");
  }
  ASSERT_DONE(daemon_.admin().switch_provider(ProviderId("file")));
  expect_in_order(*consumer_, {change("spare", v1::FAILOVER_REASON_HEALTH_DEGRADED),
                               change("file", v1::FAILOVER_REASON_MANUAL_OVERRIDE)});
}

TEST_F(Trouble, R2_2_AnEndedStreamIsToldWithTheLastHashAndItsTopologyStaysStale) {
  Policy policy;
  policy.backoff = policy.backoff_max = "1h";  // no new stream comes by itself
  start(policy);
  consume({Bridge::Placement, "placement-1"});
  RecordingConsumer partition(daemon_, {Bridge::Partition, "partition-1"});
  ProviderDescriptor plugin;  // tells one member, "a", and ends its watch in order
  plugin.id = ProviderId("ending");
  plugin.kind = "custom";
  plugin.priority = 10;
  plugin.watch_params = {{"command", (bin_dir() / "tests" / "misbehaving_plugin").string()},
                         {"args", R"(["end-in-order"])"},
                         {"start_ms", "60000"}};
  client::WriteOptions unread;
  unread.allow_unreachable = true;
  ASSERT_DONE(daemon_.admin().register_provider(plugin, unread));
  std::uint64_t hash = 0;
  for (const RecordingConsumer* consumer : {consumer_.get(), &partition}) {
    const auto ended = [](const Event& e) {
      return e.has_stream_terminated() && e.stream_terminated().provider_id() == "ending" &&
             e.stream_terminated().ended();
    };
    expect_in_order(*consumer, {[](const Event& e) { return e.has_delta(); }, ended,
                                [](const Event& e) {
                                  return e.has_availability_changed() &&
                                         e.availability_changed().stale() &&
                                         e.availability_changed().placement_paused();
                                }});
    hash = consumer->events(Event::kDelta).at(0).snapshot_hash();
    EXPECT_NE(hash, 0u);
    for (const Event& e : consumer->events()) {
      if (ended(e)) {
        EXPECT_EQ(e.snapshot_hash(), hash);
      }
    }
  }
  const auto kept = client::PartitionClient(daemon_.channel()).latest_snapshot();
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_TRUE(kept->view().stale);
  EXPECT_EQ(kept->view().members.hash(), hash);
  // A new stream, which the operator asks for, brings it back.
  ASSERT_DONE(daemon_.admin().disable_provider(ProviderId("ending"), "to begin anew"));
  ASSERT_DONE(daemon_.admin().enable_provider(ProviderId("ending")));
  expect_in_order(*consumer_, {[](const Event& e) { return e.has_stream_terminated(); },
                               change("ending", v1::FAILOVER_REASON_RECOVERED),
                               [](const Event& e) {
                                 return e.has_availability_changed() &&
                                        e.availability_changed().availability() ==
                                            v1::AVAILABILITY_AVAILABLE;
                               }});
}

TEST_F(Trouble, S3_HeldRemovalsAreToldAndLeaveWhenAnOperatorReleasesThem) {
  daemon_.add_environment("ROLLCALL_LEAVE_GUARD_ENABLED", "true");
  daemon_.add_environment("ROLLCALL_LEAVE_GUARD_HOLD", "24h");
  start({});
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  ASSERT_DONE(daemon_.admin().join_member(member("n2")));
  consume({Bridge::Placement, "placement-1"});
  ASSERT_TRUE(consumer_->wait_for_members({"n1", "n2"}));
  ASSERT_DONE(daemon_.admin().leave_member(NodeId("n2")));  // one of two: above the quarter
  const auto held = warning("default", v1::HEALTH_HEALTHY, v1::ADVICE_REMOVALS_HELD);
  ASSERT_TRUE(consumer_->wait_for_event(held)) << consumer_->describe();
  // A delta of the same answer would have come before the warning.
  EXPECT_TRUE(consumer_->events(Event::kDelta).empty()) << consumer_->describe();
  EXPECT_EQ(daemon_.admin().get_status()->removals_held(), 1u);
  EXPECT_NE(daemon_.get("/metrics").body.find("\nrollcall_removals_held 1\n"), std::string::npos);

  const auto released = daemon_.admin().release_removals();
  ASSERT_TRUE(released) << released.error().message;
  EXPECT_EQ(released->released(), 1u);
  const auto left = [](const Event& e) {
    return e.has_delta() && e.delta().left_size() == 1 && e.delta().left(0).id() == "n2";
  };
  const auto leave = [](const Event& e) {
    return e.has_remote_topology() && e.remote_topology().kind() == v1::REMOTE_KIND_LEAVE;
  };
  expect_in_order(*consumer_,
                  {held, left, leave, warning("default", v1::HEALTH_HEALTHY, v1::ADVICE_NONE)});
  EXPECT_TRUE(consumer_->wait_for_members({"n1"})) << consumer_->describe();
  EXPECT_EQ(daemon_.admin().get_status()->removals_held(), 0u);
  EXPECT_EQ(daemon_.admin().release_removals()->released(), 0u);
}

}  // namespace
}  // namespace rollcall::test
