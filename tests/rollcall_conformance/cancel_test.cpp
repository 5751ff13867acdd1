// What watch.cancel judges, on streams that do what no stream should: a real plug-in cannot bring
// one of Rollcall's there.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "deploy/rollcall-conformance/check_support.h"
#include "tests/support/manual_clock.h"

namespace rollcall::conformance {
namespace {

using std::chrono::milliseconds;

// Says nothing until it is cancelled. Then each next() takes `needs`, and the `last`th ends it.
class SlowToEnd final : public ProviderStream {
 public:
  SlowToEnd(test::ManualClock& clock, Duration needs, int last)
      : clock_(clock), needs_(needs), last_(last) {}

  ProviderEvent next() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_; });
    clock_.advance(needs_);
    if (++calls_ == last_) return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
    return UnchangedAnswer{};
  }
  void cancel() noexcept override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

 private:
  test::ManualClock& clock_;
  const Duration needs_;
  const int last_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool cancelled_ = false;
  int calls_ = 0;
};

Verdict judged(Duration needs, int last) {
  test::ManualClock clock;
  SlowToEnd stream(clock, needs, last);
  return ends_when_cancelled(stream, clock);
}

TEST(CancelCheck, AStreamThatEndsWithinASecondPasses) {
  EXPECT_EQ(judged(milliseconds(1000), 1).outcome, Outcome::Pass);
  EXPECT_EQ(judged(milliseconds(300), 3).outcome, Outcome::Pass);
  EXPECT_EQ(judged(milliseconds(300), 3).detail, "900 ms");
}

TEST(CancelCheck, AStreamThatEndsLaterFails) {
  const Verdict verdict = judged(milliseconds(1001), 1);
  EXPECT_EQ(verdict.outcome, Outcome::Fail);
  EXPECT_EQ(verdict.detail, "it took 1001 ms");
}

TEST(CancelCheck, AStreamThatTalksOnFailsAndIsNotListenedToForEver) {
  const Verdict verdict = judged(milliseconds(300), -1);
  EXPECT_EQ(verdict.outcome, Outcome::Fail);
  EXPECT_EQ(verdict.detail, "it goes on after 1200 ms");
}

}  // namespace
}  // namespace rollcall::conformance
