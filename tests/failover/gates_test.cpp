#include <gtest/gtest.h>

#include "core/codec/canonical.h"
#include "provisioning/failover/failover_controller.h"

namespace rollcall {
namespace {

using std::chrono::seconds;
using Verdict = RollbackGate::Verdict;

MonoTime at(Duration d) { return MonoTime(seconds(1000)) + d; }

MemberMap members(const std::string& names) {
  std::vector<Member> out;
  for (const char c : names) {
    ClusterNode node;
    node.id = NodeId(std::string(1, c));
    node.host = "10.0.0.1";
    out.push_back(make_member(node));
  }
  return MemberMap::from(std::move(out));
}

TEST(RollbackGate, WithoutABreakEverythingIsConfirmed) {
  RollbackGate gate;
  EXPECT_EQ(gate.judge(std::nullopt, members("ab"), 3, at({}), seconds(60)), Verdict::Confirmed);
  EXPECT_EQ(gate.judge(members("ab"), members(""), 3, at({}), seconds(60)), Verdict::Confirmed);
}

TEST(RollbackGate, TheSameAnswerHasToStand) {
  RollbackGate gate;
  gate.judge(std::nullopt, members("abc"), 0, at({}), seconds(60));
  EXPECT_EQ(gate.judge(members("abc"), members("ab"), 1, at(seconds(1)), seconds(60)),
            Verdict::Partial);
  EXPECT_TRUE(gate.suspicious());
  EXPECT_EQ(gate.judge(members("abc"), members("ab"), 1, at(seconds(60)), seconds(60)),
            Verdict::Partial);
  EXPECT_EQ(gate.judge(members("abc"), members("ab"), 1, at(seconds(61)), seconds(60)),
            Verdict::Confirmed);
  EXPECT_FALSE(gate.suspicious());
}

TEST(RollbackGate, ASecondBreakStartsAgain) {
  RollbackGate gate;
  gate.judge(std::nullopt, members("abc"), 0, at({}), seconds(60));
  gate.judge(members("abc"), members("ab"), 1, at(seconds(1)), seconds(60));
  gate.judge(members("abc"), members("ab"), 2, at(seconds(50)), seconds(60));
  EXPECT_EQ(gate.judge(members("abc"), members("ab"), 2, at(seconds(70)), seconds(60)),
            Verdict::Partial);
  EXPECT_EQ(gate.judge(members("abc"), members("ab"), 2, at(seconds(110)), seconds(60)),
            Verdict::Confirmed);
}

TEST(RollbackGate, AStreamThatCountsAfreshIsNoBreak) {
  RollbackGate gate;
  gate.judge(std::nullopt, members("abc"), 4, at({}), seconds(60));
  EXPECT_EQ(gate.judge(members("abc"), members("a"), 0, at(seconds(1)), seconds(60)),
            Verdict::Confirmed);
}

TEST(ValidationHold, R5_2_FiveWithinTheWindow) {
  ValidationHold hold;
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(hold.failed(1, 5, seconds(60), at(seconds(i * 15))));
  EXPECT_TRUE(hold.failed(1, 5, seconds(60), at(seconds(60))));
  EXPECT_TRUE(hold.held());
  EXPECT_FALSE(hold.reason().empty());
  EXPECT_FALSE(hold.failed(1, 5, seconds(60), at(seconds(61)))) << "held once, not twice";
  hold.release();
  EXPECT_FALSE(hold.held());
}

TEST(ValidationHold, R5_2_SeveralInOneReport) {
  ValidationHold hold;
  EXPECT_TRUE(hold.failed(7, 5, seconds(60), at({})));
}

ProviderSpec spec(const std::string& id, int priority) {
  ProviderSpec out;
  out.descriptor.id = ProviderId(id);
  out.descriptor.kind = "custom";
  out.descriptor.priority = priority;
  out.attest_interval = seconds(10);
  return out;
}

TEST(FailoverController, GenerationsAreNeverUsedAgain) {
  FailoverController control(FailoverPolicy{}, 1);
  std::uint64_t last = 0;
  for (int round = 0; round < 5; ++round) {
    control.set_providers({spec("a", 1), spec("b", 2)});
    control.drive_streams(at(seconds(round)));
    for (const StreamCommand& command : control.take_commands()) {
      if (command.kind != StreamCommand::Kind::Start) continue;
      EXPECT_GT(command.generation.value(), last);
      last = command.generation.value();
    }
    control.set_providers({});
    control.drive_streams(at(seconds(round)));
  }
  EXPECT_EQ(last, 10u);
}

TEST(FailoverController, WhatIsKnownOfAProviderSurvivesAChangeOfTheOthers) {
  FailoverController control(FailoverPolicy{}, 1);
  control.set_providers({spec("a", 1), spec("b", 2)});
  control.drive_streams(at({}));
  ProviderRecord* a = control.find(ProviderId("a"));
  const StreamGeneration generation = a->generation;
  control.confirmed(*a, at(seconds(1)), at(seconds(1)));
  control.set_providers({spec("c", 3), spec("a", 9)});
  control.drive_streams(at(seconds(2)));
  a = control.find(ProviderId("a"));
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->generation, generation);
  EXPECT_EQ(a->health.state(), HealthState::Healthy);
  EXPECT_EQ(control.find(ProviderId("b")), nullptr);
  EXPECT_EQ(control.fence(ProviderId("a"), StreamGeneration(99)), nullptr);
}

TEST(FailoverController, TheNextDeadlineIsAlwaysLater) {
  FailoverController control(FailoverPolicy{}, 1);
  control.set_providers({spec("a", 1)});
  MonoTime now = at({});
  for (int i = 0; i < 100; ++i) {
    control.advance(now);
    control.elect(false, false, now);
    control.drive_streams(now);
    const auto next = control.deadline(now);
    ASSERT_TRUE(next);
    ASSERT_GT(*next, now);
    now = *next;
  }
  EXPECT_GT(now, at(seconds(600))) << "a silent provider costs one step every few seconds";
}

}  // namespace
}  // namespace rollcall
