// What the service does when there is too much, too late, or the end.

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "core/limits.h"
#include "tests/service/service_fixture.h"

namespace rollcall::test {
namespace {

class Gate {
 public:
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;  // guards open_
  std::condition_variable changed_;
  bool open_ = false;
};

using Limits = ServiceFixture;

TEST_F(Limits, WaitingRequestsAreBounded) {
  start({scripted("p")});
  Gate gate;
  std::atomic<bool> stuck{false};
  // A reply that blocks stands for a writer that is busy.
  service_->submit(input::ClearSwitch{}, [&](Result<effect::ReplyOk>) {
    stuck = true;
    gate.pass();
  });
  wait_for("the writer is busy", [&] { return stuck.load(); });
  std::atomic<std::size_t> answered{0};
  std::atomic<std::size_t> refused{0};
  const std::size_t total = limits::kMaxPendingCommands + 10;
  for (std::size_t i = 0; i < total; ++i) {
    service_->submit(input::ClearSwitch{}, [&](Result<effect::ReplyOk> r) {
      if (!r && r.error().code == ErrorCode::LimitExceeded) ++refused;
      ++answered;
    });
  }
  EXPECT_EQ(refused, 10u);
  EXPECT_EQ(service_->commands_waiting(), limits::kMaxPendingCommands);
  gate.open();
  wait_for("all are answered", [&] { return answered == total; });
  EXPECT_EQ(refused, 10u);
}

TEST_F(Limits, AStreamThatHasNotComeBackYetHasNotEnded) {
  script("p").hang();
  start({scripted("p")});
  wait_for("it hangs", [&] { return script("p").asked() > 0; });
  service_->stop();
  // On a machine that was busy for that long it is abandoned already; but never neither.
  EXPECT_TRUE(!service_->streams_ended(Duration::zero()) || service_->abandoned_streams() == 1);
  script("p").release();
  EXPECT_TRUE(service_->streams_ended(std::chrono::minutes(1)));
}

TEST_F(Limits, StatusTimesOutInsteadOfWaitingForEver) {
  start({scripted("p")});
  Gate gate;
  service_->submit(input::ClearSwitch{}, [&](Result<effect::ReplyOk>) { gate.pass(); });
  const auto late = service_->status(std::chrono::milliseconds(5));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::Timeout);
  gate.open();
  EXPECT_TRUE(service_->status(std::chrono::seconds(60)));
}

TEST_F(Limits, TheEndAnswersEveryWaitingRequest) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  Gate gate;
  std::atomic<int> answered{0};
  service_->submit(input::ClearSwitch{}, [&](Result<effect::ReplyOk>) {
    ++answered;
    gate.pass();
  });
  for (int i = 0; i < 20; ++i)
    service_->submit(input::ClearSwitch{}, [&](Result<effect::ReplyOk>) { ++answered; });
  gate.open();
  stop();
  EXPECT_EQ(answered, 21);
  std::optional<ErrorCode> code;
  service_->submit(input::ClearSwitch{}, [&](Result<effect::ReplyOk> r) {
    code = r ? std::nullopt : std::optional(r.error().code);
  });
  EXPECT_EQ(code, ErrorCode::ShuttingDown);
}

TEST_F(Limits, StoppingCancelsEveryStream) {
  start({scripted("a"), scripted("b")});
  script("a").members({node("x")});
  script("b").members({node("x")});
  // Both wait for what comes next; only a cancellation ends that.
  for (const char* id : {"a", "b"})
    ASSERT_TRUE(script(id).wait_until([&] { return script(id).asked() == 2; }));
  service_.reset();
  EXPECT_EQ(script("a").cancelled() + script("b").cancelled(), 2);
}

TEST_F(Limits, NothingIsKeptOfAProviderThatEndedAndWasRemoved) {
  options_.policy.backoff_initial = std::chrono::minutes(10);  // no new stream while this looks
  options_.policy.backoff_max = std::chrono::minutes(10);
  start({scripted("p"), scripted("q", 1)});
  script("q").members({node("x")});
  wait_for_members(1);
  const std::weak_ptr<ClusterProvider> kept = pool_.find(ProviderId("p"));
  script("p").terminate(true);
  wait_for("it was heard of", [&] { return provider("p").health == HealthState::Unreachable; });
  set_providers({scripted("q", 1)});
  wait_for("the object is gone", [&] { return kept.expired(); });
}

TEST_F(Limits, AHungProviderDoesNotKeepTheProcess) {
  start({scripted("stuck")});
  script("stuck").members({node("x")});
  wait_for_members(1);
  script("stuck").hang();
  const auto begin = clock_.now();
  service_.reset();
  EXPECT_LT(clock_.now() - begin, std::chrono::seconds(30));
  script("stuck").release();
}

TEST_F(Limits, OperatorsSeeWhatHappened) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  script("p").terminate(false, ErrorCode::AuthFailed);
  wait_for("a line about the stream", [&] {
    for (const OperatorNotice& n : operators_.read(0, 1000))
      if (n.event == "stream_terminated" && n.code == ErrorCode::AuthFailed) return true;
    return false;
  });
}

}  // namespace
}  // namespace rollcall::test
