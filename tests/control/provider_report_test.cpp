#include "provisioning/control/provider_report.h"

#include <gtest/gtest.h>

#include "core/codec/canonical.h"

namespace rollcall {
namespace {

MemberMap one(const std::string& id, const std::string& incarnation = "") {
  ClusterNode node;
  node.id = NodeId(id);
  node.host = "10.0.0.1";
  node.incarnation = incarnation;
  return MemberMap::from({make_member(node)});
}

ProviderReport report(std::uint64_t generation) {
  ProviderReport r;
  r.provider = ProviderId("p");
  r.generation = StreamGeneration(generation);
  return r;
}

ProviderReport::Answer answer(MemberMap view, std::uint64_t lineage = 0) {
  return {std::move(view), "7", lineage, {}};
}

TEST(ProviderReport, TheLaterViewReplacesTheWaitingOneWithItsIncarnation) {
  ProviderReport waiting = report(1);
  waiting.add(answer(one("a", "1")));
  ProviderReport later = report(1);
  later.add(answer(one("a", "2"), 5));
  waiting.merge(later);
  EXPECT_EQ(waiting.answer->view.find(NodeId("a"))->node->incarnation, "2");
  EXPECT_EQ(waiting.answer->lineage, 5u);
}

TEST(ProviderReport, AnAnswerClearsTheErrorsBeforeItButTheyAreCounted) {
  ProviderReport waiting = report(1);
  waiting.add(FailedAnswer{ErrorCode::MalformedResponse, "x"});
  waiting.add(FailedAnswer{ErrorCode::Timeout, "y"});
  EXPECT_EQ(waiting.errors_after, 2u);
  EXPECT_EQ(waiting.invalid_after, 1u);
  ProviderReport later = report(1);
  later.add(answer(one("a")));
  later.add(FailedAnswer{ErrorCode::AuthFailed, "z"});
  waiting.merge(later);
  EXPECT_EQ(waiting.errors_before, 2u);
  EXPECT_EQ(waiting.errors_after, 1u);
  EXPECT_EQ(waiting.invalid_after, 0u);
  EXPECT_EQ(waiting.last_error, ErrorCode::AuthFailed);
}

TEST(ProviderReport, ErrorsAfterAnAnswerAddUp) {
  ProviderReport waiting = report(1);
  waiting.add(answer(one("a")));
  waiting.add(FailedAnswer{ErrorCode::Timeout, ""});
  ProviderReport later = report(1);
  later.add(FailedAnswer{ErrorCode::CapabilityMissing, ""});
  later.add(Terminated{true, {}, "over"});
  waiting.merge(later);
  EXPECT_TRUE(waiting.answer);
  EXPECT_EQ(waiting.errors_after, 2u);
  EXPECT_EQ(waiting.invalid_after, 1u);
  ASSERT_TRUE(waiting.terminated);
  EXPECT_TRUE(waiting.terminated->ended);
}

TEST(ProviderReport, OfTwoGenerationsTheLaterCounts) {
  ProviderReport waiting = report(2);
  waiting.add(FailedAnswer{ErrorCode::Timeout, ""});
  ProviderReport old = report(1);
  old.add(answer(one("old")));
  waiting.merge(old);
  EXPECT_FALSE(waiting.answer);
  ProviderReport next = report(3);
  next.add(answer(one("new")));
  waiting.merge(next);
  EXPECT_EQ(waiting.generation, StreamGeneration(3));
  EXPECT_EQ(waiting.errors_after, 0u);
  EXPECT_NE(waiting.answer->view.find(NodeId("new")), nullptr);
}

}  // namespace
}  // namespace rollcall
