#include "provisioning/service/provider_runner.h"

#include <gtest/gtest.h>

#include <atomic>

#include "provisioning/service/real_clock.h"
#include "provisioning/service/stream_reaper.h"
#include "tests/service/scripted_provider.h"

namespace rollcall {
namespace {

using test::node;
using test::Script;
using test::ScriptedProvider;

class RunnerTest : public ::testing::Test {
 protected:
  std::shared_ptr<ProviderRunner> start(std::uint64_t generation = 1,
                                        std::shared_ptr<ProviderRunner> predecessor = nullptr) {
    ProviderRunner::Options options;
    options.id = ProviderId("p");
    options.generation = StreamGeneration(generation);
    options.provider = provider_;
    options.predecessor = std::move(predecessor);
    options.clock = &clock_;
    options.wake = [rung = rung_] { ++*rung; };  // a thread that was left behind outlives the test
    auto runner = std::make_shared<ProviderRunner>(std::move(options));
    EXPECT_TRUE(runner->start());
    return runner;
  }
  ProviderReport report_of(ProviderRunner& runner) {
    std::optional<ProviderReport> report;
    EXPECT_TRUE(script_->wait_until([&] {
      if (!report) report = runner.take_report();
      return report.has_value();
    }));
    return report.value_or(ProviderReport{});
  }

  RealClock clock_;
  std::shared_ptr<Script> script_ = std::make_shared<Script>(clock_);
  std::shared_ptr<ClusterProvider> provider_ =
      std::make_shared<ScriptedProvider>(test::scripted("p"), script_);
  const std::shared_ptr<std::atomic<int>> rung_ = std::make_shared<std::atomic<int>>(0);
  std::atomic<int> abandoned_{0};
  StreamReaper reaper_{clock_, [this](const std::shared_ptr<ProviderRunner>&) { ++abandoned_; }};
};

TEST_F(RunnerTest, ReportsTheWholeView) {
  script_->members({node("a"), node("b")});
  auto runner = start();
  const ProviderReport report = report_of(*runner);
  ASSERT_TRUE(report.answer);
  EXPECT_EQ(report.answer->view.size(), 2u);
  EXPECT_EQ(report.generation, StreamGeneration(1));
  EXPECT_GE(*rung_, 1);
  reaper_.retire(runner);
}

TEST_F(RunnerTest, AWaitingReportAbsorbsLaterOnes) {
  auto runner = start();
  script_->members({node("a")});
  script_->members({node("a"), node("b")});
  script_->members({node("b")});
  ASSERT_TRUE(script_->wait_until([&] { return script_->asked() == 4; }));
  const ProviderReport report = report_of(*runner);
  ASSERT_TRUE(report.answer);
  EXPECT_EQ(report.answer->view.size(), 1u);
  EXPECT_EQ(*rung_, 1);
  EXPECT_FALSE(runner->take_report());
  reaper_.retire(runner);
}

TEST_F(RunnerTest, AfterAFailureItWaitsForTheCore) {
  script_->members({node("a")});
  script_->fail(ErrorCode::BackendUnavailable);
  auto runner = start();
  ASSERT_TRUE(script_->wait_until([&] { return script_->asked() == 2; }));
  std::optional<ProviderReport> failed;
  ASSERT_TRUE(script_->wait_until([&] {
    if (auto r = runner->take_report(); r && r->errors_after > 0) failed = r;
    return failed.has_value();
  }));
  EXPECT_EQ(failed->last_error, ErrorCode::BackendUnavailable);
  EXPECT_EQ(script_->asked(), 2);  // nobody has let it go on
  runner->resume(clock_.now());
  EXPECT_TRUE(script_->wait_until([&] { return script_->asked() == 3; }));
  reaper_.retire(runner);
}

TEST_F(RunnerTest, AMemberTwiceIsAFailedAnswer) {
  script_->members({node("a"), node("a")});
  auto runner = start();
  const ProviderReport report = report_of(*runner);
  EXPECT_FALSE(report.answer);
  EXPECT_EQ(report.last_error, ErrorCode::MalformedResponse);
  EXPECT_EQ(report.errors_after, 1u);
  reaper_.retire(runner);
}

TEST_F(RunnerTest, AnAttestationBeforeAnyAnswerIsAFailedAnswer) {
  script_->unchanged();
  auto runner = start();
  EXPECT_EQ(report_of(*runner).last_error, ErrorCode::MalformedResponse);
  reaper_.retire(runner);
}

// SPEC 3: only a confirmed answer is a sign of life. The stream does not know that its answer was
// refused, and attests it.
TEST_F(RunnerTest, AnAttestationOfARefusedAnswerIsAFailedAnswer) {
  script_->members({node("a")});
  auto runner = start();
  ASSERT_TRUE(report_of(*runner).answer);
  script_->members({node("b"), node("b")});
  EXPECT_FALSE(report_of(*runner).answer);
  script_->unchanged();
  runner->resume(clock_.now());
  const ProviderReport attested = report_of(*runner);
  EXPECT_FALSE(attested.answer);
  EXPECT_EQ(attested.last_error, ErrorCode::MalformedResponse);
  script_->members({node("c")});
  runner->resume(clock_.now());
  const ProviderReport good = report_of(*runner);
  ASSERT_TRUE(good.answer);
  EXPECT_NE(good.answer->view.find(NodeId("c")), nullptr);
  reaper_.retire(runner);
}

TEST_F(RunnerTest, AnAttestationIsAnAnswerWithTheSameView) {
  script_->members({node("a")});
  auto runner = start();
  const ProviderReport first = report_of(*runner);
  script_->unchanged();
  const ProviderReport second = report_of(*runner);
  ASSERT_TRUE(first.answer && second.answer);
  EXPECT_TRUE(first.answer->view.same_version(second.answer->view));
  reaper_.retire(runner);
}

TEST_F(RunnerTest, AnExceptionTerminatesTheStreamAndNothingElse) {
  script_->throw_something();
  auto runner = start();
  const ProviderReport report = report_of(*runner);
  ASSERT_TRUE(report.terminated);
  EXPECT_FALSE(report.terminated->ended);
  EXPECT_NE(report.terminated->reason.find("the provider threw this"), std::string::npos);
  EXPECT_TRUE(runner->wait_done(std::chrono::seconds(60)));
  reaper_.retire(runner);
}

TEST_F(RunnerTest, TerminationIsTheLastReport) {
  script_->members({node("a")});
  script_->terminate(true);
  auto runner = start();
  EXPECT_TRUE(runner->wait_done(std::chrono::seconds(60)));
  const ProviderReport report = report_of(*runner);
  EXPECT_TRUE(report.answer);
  ASSERT_TRUE(report.terminated);
  EXPECT_TRUE(report.terminated->ended);
  reaper_.retire(runner);
}

TEST_F(RunnerTest, AStoppedStreamSaysNothingMore) {
  auto runner = start();
  ASSERT_TRUE(script_->wait_until([&] { return script_->asked() == 1; }));
  runner->request_stop();
  reaper_.retire(runner);
  EXPECT_TRUE(runner->wait_done(std::chrono::seconds(60)));
  EXPECT_FALSE(runner->take_report());
  EXPECT_EQ(script_->cancelled(), 1);
  EXPECT_EQ(abandoned_, 0);
}

TEST_F(RunnerTest, TwoStreamsOfOneProviderAreNeverOpenAtOnce) {
  auto first = start(1);
  ASSERT_TRUE(script_->wait_until([&] { return script_->streams() == 1; }));
  auto second = start(2, first);
  EXPECT_EQ(script_->streams(), 1);
  first->request_stop();
  reaper_.retire(first);
  EXPECT_TRUE(script_->wait_until([&] { return script_->streams() == 2; }));
  EXPECT_TRUE(first->done());
  reaper_.retire(second);
}

TEST_F(RunnerTest, AHungStreamIsLeftBehindAndCounted) {
  script_->hang();
  auto runner = start();
  ASSERT_TRUE(script_->wait_until([&] { return script_->asked() == 1; }));
  runner->request_stop();
  reaper_.retire(runner);
  EXPECT_TRUE(script_->wait_until([&] { return abandoned_ == 1; }));
  EXPECT_EQ(reaper_.abandoned(), 1u);
  script_->release();  // its thread ends by itself, long after everybody forgot it
  EXPECT_TRUE(runner->wait_done(std::chrono::seconds(60)));
}

}  // namespace
}  // namespace rollcall
