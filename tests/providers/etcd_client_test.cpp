// The client layer against a real etcd: conditional writes, leases, compacted watches, pages that
// are too large, and cancellation of whatever waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "providers/etcd/etcd_client.h"
#include "providers/etcd/etcd_reader.h"
#include "providers/etcd/etcd_settings.h"
#include "providers/etcd/etcd_watch.h"
#include "providers/etcd/limits.h"
#include "tests/providers/etcd_support.h"

namespace rollcall::test {
namespace {

using namespace std::chrono_literals;

class EtcdClientTest : public EtcdFixture {
 protected:
  void SetUp() override {
    start();
    ASSERT_TRUE(server_);
    EtcdTarget target;
    target.endpoints = etcd_settings(descriptor()).endpoints;
    client_.emplace(target, clock_, calls_);
  }
  MonoTime soon() const { return in(10s); }
  // Writes `value` if the key's revision is `revision` (0: if there is no such key).
  bool swap(const std::string& name, std::int64_t revision, const std::string& value) {
    etcdserverpb::TxnRequest request;
    etcdserverpb::Compare& compare = *request.add_compare();
    compare.set_key(name);
    compare.set_target(revision == 0 ? etcdserverpb::Compare::CREATE : etcdserverpb::Compare::MOD);
    if (revision == 0) {
      compare.set_create_revision(0);
    } else {
      compare.set_mod_revision(revision);
    }
    etcdserverpb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(name);
    put.set_value(value);
    const auto answer = client_->transact(request, soon());
    EXPECT_TRUE(answer.has_value()) << answer.error().message;
    return answer && answer->succeeded();
  }

  EtcdCalls calls_;
  std::optional<EtcdClient> client_;
};

TEST_F(EtcdClientTest, ConditionalWritesComparesRevisions) {
  EXPECT_TRUE(swap("/k", 0, "first"));
  EXPECT_FALSE(swap("/k", 0, "again"));
  etcdserverpb::RangeRequest question;
  question.set_key("/k");
  const auto read = client_->range(question, soon());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->kvs_size(), 1);
  EXPECT_EQ(read->kvs(0).value(), "first");
  EXPECT_EQ(read->kvs(0).version(), 1);
  EXPECT_NE(read->header().cluster_id(), 0u);
  EXPECT_NE(read->header().member_id(), 0u);
  EXPECT_NE(read->header().raft_term(), 0u);
  const std::int64_t revision = read->kvs(0).mod_revision();
  EXPECT_TRUE(swap("/k", revision, "second"));
  EXPECT_FALSE(swap("/k", revision, "too late"));
  etcdserverpb::DeleteRangeRequest removal;
  removal.set_key("/k");
  const auto removed = client_->remove(removal, soon());
  ASSERT_TRUE(removed.has_value()) << removed.error().message;
  EXPECT_EQ(removed->deleted(), 1);
}

TEST_F(EtcdClientTest, AKeyLivesAsLongAsItsLeaseIsKept) {
  etcdserverpb::LeaseGrantRequest grant;
  grant.set_ttl(600);
  const auto lease = client_->grant(grant, soon());
  ASSERT_TRUE(lease.has_value()) << lease.error().message;
  etcdserverpb::PutRequest put;
  put.set_key("/k");
  put.set_value("v");
  put.set_lease(lease->id());
  ASSERT_TRUE(client_->put(put, soon()).has_value());
  for (int i = 0; i < 3; ++i) {
    const auto kept = client_->keep_alive(lease->id(), soon());
    ASSERT_TRUE(kept.has_value()) << kept.error().message;
    EXPECT_EQ(kept->ttl(), 600);
  }
  etcdserverpb::LeaseRevokeRequest revoke;
  revoke.set_id(lease->id());
  ASSERT_TRUE(client_->revoke(revoke, soon()).has_value());
  EXPECT_EQ(*server_->get("/k"), std::nullopt);
  const auto gone = client_->keep_alive(lease->id(), soon());
  ASSERT_TRUE(gone.has_value()) << gone.error().message;
  EXPECT_LE(gone->ttl(), 0);  // the lease is gone
}

TEST_F(EtcdClientTest, AWatchOfACompactedRevisionSaysSo) {
  for (int i = 0; i < 5; ++i) add("a", R"(,"weight":)" + std::to_string(i + 1));
  ASSERT_DONE(server_->compact(*server_->revision()));
  auto watch = EtcdWatch::open(*client_, "/members/", "/members0", 2, soon());
  ASSERT_TRUE(watch.has_value()) << watch.error().message;
  std::int64_t compacted = 0;
  while (compacted == 0) {
    const auto answer = (*watch)->next(soon());
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    ASSERT_TRUE(answer->has_value());
    compacted = (*answer)->compact_revision();
    EXPECT_EQ((*answer)->canceled(), compacted != 0);
  }
  EXPECT_EQ(compacted, *server_->revision());
}

TEST_F(EtcdClientTest, AWatchTellsOfProgressWhenItIsAsked) {
  auto watch = EtcdWatch::open(*client_, "/members/", "/members0", 0, soon());
  ASSERT_TRUE(watch.has_value()) << watch.error().message;
  auto created = (*watch)->next(soon());
  ASSERT_TRUE(created.has_value() && created->has_value());
  EXPECT_TRUE((*created)->created());
  const auto nothing = (*watch)->next(in(10ms));
  ASSERT_TRUE(nothing.has_value());
  EXPECT_FALSE(nothing->has_value());
  ASSERT_DONE(server_->put("/elsewhere", "x"));
  EXPECT_TRUE((*watch)->request_progress());
  const auto progress = (*watch)->next(soon());
  ASSERT_TRUE(progress.has_value() && progress->has_value());
  EXPECT_EQ((*progress)->events_size(), 0);
  EXPECT_EQ((*progress)->header().revision(), *server_->revision());
}

TEST_F(EtcdClientTest, APageAboveTheLimitOfAMessageIsAskedForInParts) {
  // 14 values of 1.4 MB: each is a message of its own size, all together are above 16 MiB.
  for (int i = 0; i < 14; ++i) {
    ASSERT_DONE(server_->put(key("n" + std::to_string(i)), std::string(1'400'000, 'x')));
  }
  EtcdReader reader(*client_, "/members/", EtcdIdFrom::Value);
  const auto read = reader.read(in(60s));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->view.keys(), 14u);  // all of them, and none is a member
  ASSERT_TRUE(read->view.fault().has_value());
  EXPECT_EQ(read->view.fault()->code, ErrorCode::MalformedResponse);
}

TEST_F(EtcdClientTest, AProofHoldsForWhatIsThereAndNothingElse) {
  add("a");
  add("b");
  EtcdReader reader(*client_, "/members/", EtcdIdFrom::Value);
  const auto read = reader.read(soon());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  const auto proven = [&] {
    const auto proof = reader.prove(read->view.keys(), read->at.revision, soon());
    EXPECT_TRUE(proof.has_value());
    return proof && proof->complete;
  };
  EXPECT_TRUE(proven());
  ASSERT_DONE(server_->put("/elsewhere", "x"));
  EXPECT_TRUE(proven());
  add("c");
  EXPECT_FALSE(proven());  // one more
  drop("c");
  EXPECT_TRUE(proven());  // what came and went since is neither here nor there
  add("a");
  EXPECT_FALSE(proven());  // written again
  drop("a");
  EXPECT_FALSE(proven());  // one less
  add("c");
  EXPECT_FALSE(proven());  // as many, but others
}

TEST_F(EtcdClientTest, CancelEndsACallThatWaitsAndThoseThatCome) {
  ASSERT_TRUE(server_->pause());
  etcdserverpb::RangeRequest question;
  question.set_key("/k");
  std::thread canceller([&] { calls_.cancel(); });
  const auto began = clock_.now();
  const auto first = client_->range(question, in(60s));
  const auto second = client_->range(question, in(60s));
  canceller.join();
  ASSERT_FALSE(first.has_value());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(first.error().code, ErrorCode::ShuttingDown);
  EXPECT_EQ(second.error().code, ErrorCode::ShuttingDown);
  EXPECT_LT(clock_.now() - began, Duration(30s));  // not their deadlines
  ASSERT_TRUE(server_->resume());
}

}  // namespace
}  // namespace rollcall::test
