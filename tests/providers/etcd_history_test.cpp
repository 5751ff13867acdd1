// The etcd provider and the history of its backend: restored, replaced, without a leader, and
// several endpoints of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/providers/etcd_support.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class EtcdHistoryTest : public EtcdFixture {
 protected:
  // Takes failures until it is INDEX_ROLLBACK, which must come before any answer.
  static std::string rollback(StreamReader& stream) {
    const ProviderEvent event = stream.until([](const ProviderEvent& e) {
      const auto* failed = std::get_if<FailedAnswer>(&e);
      const bool rolled = failed != nullptr && failed->code == ErrorCode::IndexRollback;
      return rolled || std::holds_alternative<ProviderSnapshot>(e);
    });
    return to_text(event);
  }
  // Three members of one cluster; server_ is the leader, so that the others may fail without an
  // election, during which etcd answers nobody.
  void start_three() {
    auto servers = EtcdServer::start_cluster(3, {});
    ASSERT_TRUE(servers) << servers.error();
    for (auto& server : *servers) {
      const auto leads = server->is_leader();
      ASSERT_TRUE(leads) << leads.error();
      if (*leads) {
        server_ = std::move(server);
      } else {
        followers_.push_back(std::move(server));
      }
    }
    ASSERT_TRUE(server_);
    ASSERT_EQ(followers_.size(), 2u);
    add("a");
  }
  std::vector<std::unique_ptr<EtcdServer>> followers_;

  static std::uint64_t lineage_of_next(StreamReader& stream, const std::string& snapshot) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<ProviderSnapshot>(e); });
    EXPECT_EQ(to_text(event), snapshot);
    const auto* answer = std::get_if<ProviderSnapshot>(&event);
    return answer == nullptr ? 0 : answer->lineage;
  }
};

TEST_F(EtcdHistoryTest, ARestoredBackupIsARollbackAndANewLineage) {
  start();
  add("a");
  ASSERT_DONE(server_->save_state());
  add("b");
  StreamReader stream(create()->stream());
  EXPECT_EQ(news(stream), "snapshot[a b]");
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kSavedState));
  EXPECT_THAT(rollback(stream), HasSubstr("the revision fell"));
  EXPECT_EQ(lineage_of_next(stream, "snapshot[a]"), 1u);
  add("c");
  EXPECT_EQ(news(stream), "change[+c]");
}

TEST_F(EtcdHistoryTest, ABackupThatHasOvertakenUsIsRecognisedByItsKeys) {
  start();
  add("a");
  ASSERT_DONE(server_->save_state());
  add("b");
  StreamReader stream(create()->stream());
  EXPECT_EQ(news(stream), "snapshot[a b]");
  // The reader takes one event at a time: until the next is wanted, the stream does no more.
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kSavedState));
  add("x");
  for (int i = 0; i < 20; ++i) ASSERT_DONE(server_->put("/elsewhere", std::to_string(i)));
  EXPECT_THAT(rollback(stream), HasSubstr("INDEX_ROLLBACK"));
  EXPECT_EQ(lineage_of_next(stream, "snapshot[a x]"), 1u);
}

TEST_F(EtcdHistoryTest, LostStateIsARollback) {
  start();
  add("a");
  add("b");
  StreamReader stream(create()->stream());
  EXPECT_EQ(news(stream), "snapshot[a b]");
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kEmptyState));
  EXPECT_THAT(rollback(stream), HasSubstr("INDEX_ROLLBACK"));
  EXPECT_EQ(lineage_of_next(stream, "snapshot[]"), 1u);
}

TEST_F(EtcdHistoryTest, AnotherClusterIsARollbackAlsoForTheNextStream) {
  start();
  add("a");
  const auto provider = create();
  {
    StreamReader stream(provider->stream());
    EXPECT_EQ(news(stream), "snapshot[a]");
  }
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kEmptyState, "another-cluster"));
  for (const char* id : {"x", "y", "z"}) add(id);
  StreamReader stream(provider->stream());
  EXPECT_THAT(rollback(stream), HasSubstr("another cluster answers"));
  EXPECT_EQ(lineage_of_next(stream, "snapshot[x y z]"), 1u);
}

TEST_F(EtcdHistoryTest, R2_5_ADeadEndpointIsNoFailureWhileAnotherAnswers) {
  start_three();
  ProviderDescriptor d = descriptor();
  d.endpoints = {"127.0.0.1:1", followers_[0]->url(), followers_[1]->url()};
  StreamReader stream(create(d)->stream());
  EXPECT_EQ(news(stream), "snapshot[a]");
  followers_[0]->kill();  // the one that it uses
  add("b");
  // Told as a change by the watch, if that was quicker, or by the other one.
  const ProviderEvent event = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  EXPECT_TRUE(to_text(event) == "snapshot[a b]" || to_text(event) == "change[+b]")
      << to_text(event);
  const auto* snapshot = std::get_if<ProviderSnapshot>(&event);
  EXPECT_TRUE(snapshot == nullptr || snapshot->lineage == 0);  // the same cluster: no break
}

TEST_F(EtcdHistoryTest, ASilentEndpointIsNoFailureWhileAnotherAnswers) {
  start_three();
  ProviderDescriptor d = descriptor();
  d.endpoints = {followers_[0]->url(), followers_[1]->url()};
  StreamReader stream(create(d)->stream());
  EXPECT_EQ(news(stream), "snapshot[a]");
  ASSERT_TRUE(followers_[0]->pause());
  add("b");
  const ProviderEvent event = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  EXPECT_TRUE(to_text(event) == "snapshot[a b]" || to_text(event) == "change[+b]")
      << to_text(event);
  ASSERT_TRUE(followers_[0]->resume());
}

TEST_F(EtcdHistoryTest, WithoutALeaderItIsUnavailableNotEmpty) {
  auto servers = EtcdServer::start_cluster(2, {});
  ASSERT_TRUE(servers) << servers.error();
  server_ = std::move((*servers)[0]);
  add("a");
  StreamReader stream(create()->stream());
  EXPECT_EQ(news(stream), "snapshot[a]");
  (*servers)[1]->kill();  // no quorum is left
  const FailedAnswer failed = failure(stream);
  EXPECT_TRUE(failed.code == ErrorCode::BackendUnavailable || failed.code == ErrorCode::Timeout)
      << failed.detail;
  stream.until([](const ProviderEvent& e) {
    const auto* failure = std::get_if<FailedAnswer>(&e);
    return failure != nullptr && failure->detail.find("no leader") != std::string::npos;
  });
  ASSERT_DONE((*servers)[1]->restart(EtcdServer::Restart::kKeepState));
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(EtcdHistoryTest, R1_4_WhatCannotWorkIsRefusedAtRegistration) {
  start();
  const auto code = [&](std::vector<std::string> endpoints, Duration patience) {
    ProviderDescriptor d = descriptor();
    d.endpoints = std::move(endpoints);
    const auto checked = create(d)->check_connectivity(in(patience));
    return checked ? std::string("fine") : std::string(to_string(checked.error().code));
  };
  const Duration patience = limits::kConnectivityDeadline;
  EXPECT_EQ(code({server_->url()}, patience), "fine");
  EXPECT_EQ(code({"127.0.0.1:1"}, patience), "BACKEND_UNAVAILABLE");
  EXPECT_EQ(code({"127.0.0.1:1", server_->url()}, patience), "fine");
  EXPECT_EQ(code({"no-such-host.invalid:2379"}, patience), "BACKEND_UNAVAILABLE");
  ASSERT_TRUE(server_->pause());
  EXPECT_EQ(code({server_->url()}, 300ms), "TIMEOUT");
  ASSERT_TRUE(server_->resume());
}

}  // namespace
}  // namespace rollcall::test
