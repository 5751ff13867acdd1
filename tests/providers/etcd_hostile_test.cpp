// The etcd provider against servers that do what a real one can't be made to do, or should not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/etcd/etcd_provider.h"
#include "providers/etcd/etcd_store.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_etcd.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

using etcdserverpb::RangeResponse;
using etcdserverpb::WatchResponse;
using ::testing::HasSubstr;

constexpr const char* kMember = "10.0.0.1:7000";

class EtcdHostileTest : public ::testing::Test {
 protected:
  void start(const std::string& version = "3.4.23") {
    etcd_ = std::make_unique<ScriptedEtcd>(version);
    etcd_->put("/p/a", kMember);
  }
  std::unique_ptr<ClusterProvider> create(const std::string& url) {
    ProviderDescriptor d;
    d.id = ProviderId("e");
    d.kind = "etcd";
    d.endpoints = {url};
    d.watch_params = {{"prefix", "/p/"}, {"attest_ms", "100"}};
    auto provider = make_etcd_factory()->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value());
    return provider ? std::move(*provider) : nullptr;
  }
  std::unique_ptr<ProviderStream> stream() { return create(etcd_->url())->stream(); }
  static std::string news(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); }));
  }
  std::string refusal() {
    const auto answer =
        create(etcd_->url())
            ->initial_snapshot(clock_.now() + Duration(limits::kConnectivityDeadline));
    if (answer) return "an answer";
    return std::string(to_string(answer.error().code)) + ": " + answer.error().message;
  }

  RealClock clock_;
  std::unique_ptr<ScriptedEtcd> etcd_;
};

TEST_F(EtcdHostileTest, AProgressNotificationThatOvertakesAChangeAttestsNothing) {
  start();
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  // The change is withheld, and the watch says that it has come that far.
  etcd_->put("/p/b", kMember);
  etcd_->send(etcd_->response());
  int attested = 0;
  const ProviderEvent event = reader.until([&](const ProviderEvent& e) {
    attested += std::holds_alternative<UnchangedAnswer>(e) ? 1 : 0;
    return !std::holds_alternative<UnchangedAnswer>(e);
  });
  EXPECT_EQ(to_text(event), "snapshot[a b]");  // everything is read anew
  EXPECT_LE(attested, 1);  // what was on its way before; the stream is one event ahead
}

TEST_F(EtcdHostileTest, AQuietWatchWhoseServerIsTrustedIsAttestedByItsProgress) {
  start("3.5.13");
  etcd_->answer_progress(true);
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  for (int i = 0; i < 5; ++i) {
    etcd_->put("/elsewhere", std::to_string(i));
    EXPECT_EQ(to_text(reader.next()), "unchanged");
  }
  EXPECT_GT(etcd_->progress_requests(), 0u);
}

TEST_F(EtcdHostileTest, WithoutAnAnswerAboutProgressThereIsStillTheProof) {
  start("3.6.0");
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  for (int i = 0; i < 3; ++i) {
    etcd_->put("/elsewhere", std::to_string(i));
    EXPECT_EQ(to_text(reader.next()), "unchanged");
  }
  EXPECT_GT(etcd_->proofs(), 0u);
}

TEST_F(EtcdHostileTest, ACompactedWatchIsReadAnewInTheSameLineage) {
  start();
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  etcd_->put("/p/b", kMember);
  WatchResponse compacted = etcd_->response();
  compacted.set_canceled(true);
  compacted.set_compact_revision(etcd_->revision());
  etcd_->send(compacted);
  const ProviderEvent event = reader.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  EXPECT_EQ(to_text(event), "snapshot[a b]");
  EXPECT_EQ(std::get<ProviderSnapshot>(event).lineage, 0u);
}

TEST_F(EtcdHostileTest, ARefusalInsideTheWatchHasItsCode) {
  start();
  const auto refused = [&](const std::string& reason) {
    WatchResponse response = etcd_->response();
    response.set_watch_id(-1);
    response.set_created(true);
    response.set_canceled(true);
    response.set_cancel_reason(reason);
    etcd_->next_watch_begins(response);
    StreamReader reader(stream());
    return news(reader);
  };
  EXPECT_THAT(refused("etcdserver: permission denied"), HasSubstr("PERMISSION_DENIED"));
  EXPECT_THAT(refused("etcdserver: invalid auth token"), HasSubstr("AUTH_FAILED"));
  EXPECT_THAT(refused("etcdserver: no leader"), HasSubstr("BACKEND_UNAVAILABLE"));
}

TEST_F(EtcdHostileTest, FragmentsAreOneChange) {
  start();
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  etcd_->put("/p/x", kMember);
  const std::int64_t revision = etcd_->revision();
  for (const char* name : {"b", "c", "d"}) {
    WatchResponse piece = etcd_->response();
    add_put(piece, std::string("/p/") + name, kMember, revision);
    piece.set_fragment(std::string(name) != "d");
    etcd_->send(piece);
  }
  EXPECT_EQ(news(reader), "change[+b +c +d]");
}

TEST_F(EtcdHostileTest, FragmentsWithoutEndAreALimit) {
  start();
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  const std::string large(8u << 20, 'x');
  for (int i = 0; i < 10; ++i) {
    WatchResponse piece = etcd_->response();
    add_put(piece, "/p/b", large, 99);
    piece.set_fragment(true);
    etcd_->send(piece);
  }
  EXPECT_THAT(news(reader), HasSubstr("LIMIT_EXCEEDED"));
}

TEST_F(EtcdHostileTest, AnotherClusterInTheWatchIsARollback) {
  start();
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  etcd_->set_cluster(8);
  etcd_->send(etcd_->response());
  EXPECT_THAT(news(reader), HasSubstr("INDEX_ROLLBACK"));
  const ProviderEvent event =
      reader.until([](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); });
  ASSERT_TRUE(std::holds_alternative<ProviderSnapshot>(event)) << to_text(event);
  EXPECT_EQ(std::get<ProviderSnapshot>(event).lineage, 1u);
}

TEST_F(EtcdHostileTest, AKeyThatIsNotWatchedIsMalformed) {
  start();
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  WatchResponse response = etcd_->response();
  add_put(response, "/q/b", kMember, 50);
  etcd_->send(response);
  EXPECT_THAT(news(reader), HasSubstr("MALFORMED_RESPONSE"));
}

TEST_F(EtcdHostileTest, AnswersThatContradictThemselvesAreMalformed) {
  start();
  etcd_->alter_range([](RangeResponse& r) { r.set_count(r.count() + 1); });
  EXPECT_THAT(refusal(), HasSubstr("MALFORMED_RESPONSE"));
  etcd_->alter_range([](RangeResponse& r) { r.mutable_kvs(0)->set_key("/other/a"); });
  EXPECT_THAT(refusal(), HasSubstr("MALFORMED_RESPONSE"));
  etcd_->alter_range([](RangeResponse& r) { *r.add_kvs() = r.kvs(0); });
  EXPECT_THAT(refusal(), HasSubstr("MALFORMED_RESPONSE"));
  etcd_->alter_range([](RangeResponse& r) { r.mutable_kvs(0)->set_mod_revision(999); });
  EXPECT_THAT(refusal(), HasSubstr("MALFORMED_RESPONSE"));
  etcd_->alter_range([](RangeResponse& r) { r.clear_header(); });
  EXPECT_THAT(refusal(), HasSubstr("MALFORMED_RESPONSE"));
  etcd_->alter_range([](RangeResponse& r) {
    r.clear_kvs();
    r.set_more(true);
  });
  EXPECT_THAT(refusal(), HasSubstr("MALFORMED_RESPONSE"));
  etcd_->alter_range(nullptr);
  EXPECT_EQ(refusal(), "an answer");
}

TEST_F(EtcdHostileTest, ARevisionThatFallsUnderARunningWatchIsARollback) {
  start();
  StreamReader reader(stream());
  EXPECT_EQ(news(reader), "snapshot[a]");
  etcd_->alter_range([](RangeResponse& r) { r.mutable_header()->set_revision(1); });
  EXPECT_THAT(news(reader), HasSubstr("INDEX_ROLLBACK"));
}

TEST_F(EtcdHostileTest, AWriteThatOthersRefusedIsUnknownAndWhatEtcdRefusedIsNot) {
  start();
  using Kind = SwapFailure::Kind;
  using Code = grpc::StatusCode;
  const struct {
    Code status;
    const char* message;
    Kind kind;
    ErrorCode code;
  } cases[] = {
      // A proxy on the way: whether etcd was asked before, nobody knows.
      {Code::PERMISSION_DENIED, "RBAC: access denied", Kind::Unknown, ErrorCode::PermissionDenied},
      {Code::UNAUTHENTICATED, "Jwt is expired", Kind::Unknown, ErrorCode::AuthFailed},
      {Code::UNIMPLEMENTED, "no such route", Kind::Unknown, ErrorCode::CapabilityMissing},
      {Code::INVALID_ARGUMENT, "bad upstream", Kind::Unknown, ErrorCode::MalformedResponse},
      {Code::UNKNOWN, "Received http2 header with status: 403", Kind::Unknown,
       ErrorCode::MalformedResponse},
      {Code::UNAVAILABLE, "upstream reset", Kind::Unknown, ErrorCode::BackendUnavailable},
      // etcd's own words, after which nothing was written.
      {Code::PERMISSION_DENIED, "etcdserver: permission denied", Kind::Refused,
       ErrorCode::PermissionDenied},
      {Code::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", Kind::Refused,
       ErrorCode::BackendUnavailable},
      {Code::INVALID_ARGUMENT, "etcdserver: request is too large", Kind::Refused,
       ErrorCode::LimitExceeded},
      {Code::UNAVAILABLE, "etcdserver: request timed out", Kind::Unknown,
       ErrorCode::BackendUnavailable},
  };
  EtcdStoreTarget target;
  target.endpoints = {etcd_->url()};
  target.key = "/p/a";
  EtcdStore store(target, clock_);
  for (const auto& c : cases) {
    SCOPED_TRACE(c.message);
    etcd_->answer_transactions(grpc::Status(c.status, c.message));
    const auto swapped =
        store.swap({7, 2, 1, 0}, "text", clock_.now() + Duration(std::chrono::seconds(60)));
    ASSERT_FALSE(swapped.has_value());
    EXPECT_EQ(swapped.error().kind, c.kind);
    EXPECT_EQ(swapped.error().error.code, c.code) << swapped.error().error.message;
  }
}

TEST_F(EtcdHostileTest, WhatIsNotEtcdIsNoBackend) {
  ScriptedServer http([](ScriptedServer::Connection& connection, const std::string&) {
    connection.send(http_ok("hello"));
    return false;
  });
  auto provider = create(http.url());
  const auto checked =
      provider->check_connectivity(clock_.now() + Duration(limits::kConnectivityDeadline));
  ASSERT_FALSE(checked.has_value());
  const ErrorCode code = checked.error().code;
  EXPECT_TRUE(code == ErrorCode::MalformedResponse || code == ErrorCode::BackendUnavailable)
      << checked.error().message;
}

}  // namespace
}  // namespace rollcall::test
