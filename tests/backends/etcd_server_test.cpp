// The fixture against the real etcd: what the provider's tests rely on is shown here first.
#include "tests/backends/etcd_server.h"

#include <gtest/gtest.h>

#include "tests/backends/assert_done.h"

namespace rollcall::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kLeaseLimit = 30s;  // a lease of 2 s ends by itself well within

std::unique_ptr<EtcdServer> start(EtcdServer::Options options = {}) {
  auto server = EtcdServer::start(std::move(options));
  if (server) return std::move(*server);
  ADD_FAILURE() << server.error();
  return nullptr;
}

std::optional<std::string> value(EtcdServer& server, std::string_view key) {
  auto got = server.get(key);
  if (got) return *got;
  ADD_FAILURE() << got.error();
  return std::nullopt;
}

TEST(EtcdServer, KeysComeChangeAndGo) {
  const auto server = start();
  ASSERT_TRUE(server);
  const auto first = server->put("/a/1", "one");
  ASSERT_TRUE(first) << first.error();
  ASSERT_DONE(server->put_many({{"/a/2", "two"}, {"/a/3", "three \n\"quoted\" \xc3\xa9"}}));
  EXPECT_EQ(value(*server, "/a/3"), "three \n\"quoted\" \xc3\xa9");
  EXPECT_EQ(*server->revision(), *first + 1);
  ASSERT_DONE(server->remove("/a/1"));
  EXPECT_EQ(value(*server, "/a/1"), std::nullopt);
  ASSERT_DONE(server->remove_prefix("/a/"));
  EXPECT_EQ(value(*server, "/a/2"), std::nullopt);
  ASSERT_DONE(server->compact(*server->revision()));
  EXPECT_FALSE(server->compact(*first));  // gone already
}

TEST(EtcdServer, ManyKeysAreWrittenInSeveralTransactions) {
  const auto server = start();
  ASSERT_TRUE(server);
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < 250; ++i) entries.emplace_back("/n/" + std::to_string(i), "v");
  const auto before = server->revision();
  ASSERT_TRUE(before) << before.error();
  const auto after = server->put_many(entries);
  ASSERT_TRUE(after) << after.error();
  EXPECT_EQ(*after, *before + 3);
  EXPECT_EQ(value(*server, "/n/249"), "v");
}

TEST(EtcdServer, AKeyGoesWithItsLease) {
  const auto server = start();
  ASSERT_TRUE(server);
  const auto expiring = server->grant_lease(2s);
  const auto revoked = server->grant_lease(600s);
  ASSERT_TRUE(expiring) << expiring.error();
  ASSERT_TRUE(revoked) << revoked.error();
  ASSERT_DONE(server->put("/a/1", "one", *expiring));
  ASSERT_DONE(server->put("/a/2", "two", *revoked));
  ASSERT_DONE(server->keep_alive(*expiring));
  ASSERT_DONE(server->revoke_lease(*revoked));
  EXPECT_EQ(value(*server, "/a/2"), std::nullopt);
  EXPECT_TRUE(eventually(kLeaseLimit, [&] { return !value(*server, "/a/1"); }));
}

TEST(EtcdServer, ComesBackWithKeptSavedAndEmptyState) {
  const auto server = start();
  ASSERT_TRUE(server);
  const std::string address = server->address();
  ASSERT_DONE(server->put("/a/1", "one"));
  ASSERT_DONE(server->save_state());
  ASSERT_DONE(server->put("/a/2", "two"));
  const auto newest = server->revision();
  ASSERT_DONE(server->restart(EtcdServer::Restart::kKeepState));
  EXPECT_EQ(*server->revision(), *newest);
  EXPECT_EQ(value(*server, "/a/2"), "two");
  ASSERT_DONE(server->restart(EtcdServer::Restart::kSavedState));
  EXPECT_LT(*server->revision(), *newest);
  EXPECT_EQ(value(*server, "/a/1"), "one");
  EXPECT_EQ(value(*server, "/a/2"), std::nullopt);
  ASSERT_DONE(server->restart(EtcdServer::Restart::kEmptyState, "another-cluster"));
  EXPECT_EQ(value(*server, "/a/1"), std::nullopt);
  EXPECT_EQ(server->address(), address);
}

TEST(EtcdServer, AccessControlKnowsUsersAndRoles) {
  EtcdServer::Options options;
  options.auth = true;
  const auto server = start(options);
  ASSERT_TRUE(server);
  ASSERT_DONE(server->put("/a/1", "one"));
  ASSERT_DONE(server->add_user("reader", "first"));
  ASSERT_DONE(server->add_role("read-a", "/a/", EtcdServer::Access::kRead));
  ASSERT_DONE(server->grant_role("reader", "read-a"));
  ASSERT_DONE(server->set_password("reader", "second"));
  ASSERT_DONE(server->revoke_role("reader", "read-a"));
  ASSERT_DONE(server->remove_role("read-a"));
  ASSERT_DONE(server->remove_user("reader"));
  EXPECT_FALSE(server->set_password("reader", "third"));
  ASSERT_DONE(server->restart(EtcdServer::Restart::kEmptyState));
  EXPECT_EQ(value(*server, "/a/1"), std::nullopt);
}

TEST(EtcdServer, SeveralAreOneCluster) {
  const auto servers = EtcdServer::start_cluster(3, {});
  ASSERT_TRUE(servers) << servers.error();
  ASSERT_DONE((*servers)[0]->put("/a/1", "one"));
  EXPECT_EQ(value(*(*servers)[2], "/a/1"), "one");
  (*servers)[0]->kill();
  ASSERT_DONE((*servers)[1]->await_ready());
  EXPECT_EQ(value(*(*servers)[1], "/a/1"), "one");
}

TEST(EtcdServer, StoppedItIsSilentAndGoesOnAfterwards) {
  const auto server = start();
  ASSERT_TRUE(server);
  ASSERT_TRUE(server->pause());
  ASSERT_TRUE(server->resume());
  ASSERT_DONE(server->put("/a/1", "one"));
  server->kill();
  EXPECT_FALSE(server->put("/a/1", "two"));
}

}  // namespace
}  // namespace rollcall::test
