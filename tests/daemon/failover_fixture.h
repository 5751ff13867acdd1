// A rollcalld that follows a provider with a file of the same members behind it: one test takes
// that provider through several faults, and back from each.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {

// Seconds in place of SPEC 3's longer waits; the limits of silence stay as they are, because the
// providers' own deadlines set them.
inline constexpr char kFastFailover[] =
    "backoff: 50ms, backoff_max: 200ms, cooldown: 500ms, rollback_stand: 1s";

class FailoverFixture : public ::testing::Test {
 protected:
  // `policy`: lines of the section `failover`.
  void start_daemon(const std::string& policy = kFastFailover) {
    daemon_.set_config("failover: {" + policy + "}\nadmission: {allow_unreachable: true}\n");
    ASSERT_DONE(daemon_.start());
  }
  void accept(const ProviderDescriptor& d) { ASSERT_DONE(daemon_.admin().register_provider(d)); }
  // What `consumer` holds now, as a file of lower priority.
  void stand_by_with(const RecordingConsumer& consumer) {
    std::vector<ClusterNode> nodes;
    consumer.view().members.for_each([&](const Member& m) { nodes.push_back(*m.node); });
    const std::string path = (daemon_.directory() / "standby.json").string();
    replace_file(path, member_file(nodes));
    accept(file_provider("standby", 1, path));
    ASSERT_TRUE(state_becomes("standby", [&](const auto& state) {
      return state.health() == v1::HEALTH_HEALTHY && state.members() == nodes.size();
    }));
  }
  // The active provider has these members; from here on `standby` has them behind it, and what
  // consumer_ is told is compared with nothing but its own subscription. The backend has had them
  // before the provider was accepted: an older snapshot of fewer may be handed out for a while.
  void serve(const std::vector<std::string>& members) {
    follow("first", members);
    stand_by_with(*consumer_);
    follow("second", members);
  }
  void follow(const std::string& consumer_id, const std::vector<std::string>& members) {
    consumer_ = std::make_unique<RecordingConsumer>(
        daemon_, RecordingConsumer::Options{
                     client::Bridge::Remoting, consumer_id, client::Acknowledge::Never, {}});
    ASSERT_TRUE(consumer_->wait_for_members(members)) << consumer_->describe();
    seen_ = 0;
  }
  // Since the last call of these two.
  void expect_failover(const std::string& id, v1::FailoverReason reason, const std::string& code) {
    SCOPED_TRACE(code);
    ASSERT_TRUE(is_told(change_to("standby", reason))) << consumer_->describe() << daemon_.output();
    EXPECT_TRUE(state_becomes(id, [&](const auto& state) {
      return state.health() == v1::HEALTH_UNREACHABLE && !state.active() &&
             state.last_error_code() == code;
    })) << daemon_.admin().get_provider(ProviderId(id))->ShortDebugString();
    expect_no_change(*consumer_);
  }
  void expect_way_back(const std::string& id) {
    ASSERT_TRUE(is_told(change_to(id, v1::FAILOVER_REASON_RECOVERED)))
        << consumer_->describe() << daemon_.output();
    expect_no_change(*consumer_);
  }
  // One node changed, and that is all that consumers were told of.
  void expect_one_change(const std::string& node) {
    ASSERT_TRUE(is_told([&](const v1::ClusterEvent& e) {
      return e.has_delta() && e.delta().joined().empty() && e.delta().left().empty() &&
             e.delta().changed_size() == 1 && e.delta().changed(0).id() == node;
    })) << consumer_->describe();
    EXPECT_EQ(consumer_->events(v1::ClusterEvent::kDelta).size(), ++changes_)
        << consumer_->describe();
    EXPECT_TRUE(consumer_->events(v1::ClusterEvent::kRemoteTopology).empty())
        << consumer_->describe();
    EXPECT_TRUE(consumer_->troubles().empty()) << consumer_->describe();
  }
  bool is_told(const std::function<bool(const v1::ClusterEvent&)>& matches) {
    return consumer_->wait_for([&] {
      const auto events = consumer_->events();
      const auto from = events.begin() + static_cast<std::ptrdiff_t>(seen_);
      const auto found = std::find_if(from, events.end(), matches);
      if (found == events.end()) return false;
      seen_ = static_cast<std::size_t>(found - events.begin()) + 1;
      return true;
    });
  }
  bool state_becomes(const std::string& id,
                     const std::function<bool(const v1::ProviderState&)>& matches) {
    return eventually(kHungProgram, [&] {
      const auto state = daemon_.admin().get_provider(ProviderId(id));
      return state && matches(*state);
    });
  }
  static std::function<bool(const v1::ClusterEvent&)> change_to(const std::string& id,
                                                                v1::FailoverReason reason) {
    return [=](const v1::ClusterEvent& e) {
      return e.has_provider_changed() && e.provider_changed().to_provider_id() == id &&
             e.provider_changed().reason() == reason;
    };
  }
  // Nothing joined, nothing left, nothing changed for any consumer since it subscribed.
  static void expect_no_change(const RecordingConsumer& consumer) {
    EXPECT_TRUE(consumer.events(v1::ClusterEvent::kDelta).empty()) << consumer.describe();
    EXPECT_TRUE(consumer.events(v1::ClusterEvent::kRemoteTopology).empty()) << consumer.describe();
    EXPECT_TRUE(consumer.troubles().empty()) << consumer.describe();
  }
  std::string metric(const std::string& name) {
    const std::string page = daemon_.get("/metrics").body;
    const std::size_t at = page.find("\n" + name + " ");
    if (at == std::string::npos) return "";
    const std::size_t value = at + name.size() + 2;
    return page.substr(value, page.find('\n', value) - value);
  }
  bool measured(const std::string& name) {
    return eventually(kHungProgram, [&] {
      const std::string value = metric(name);
      return !value.empty() && value != "0";
    });
  }

  DaemonProcess daemon_;
  std::unique_ptr<RecordingConsumer> consumer_;  // before daemon_: it ends first
  std::size_t seen_ = 0;                         // of its events
  std::size_t changes_ = 0;                      // deltas that were expected
};

}  // namespace rollcall::test
