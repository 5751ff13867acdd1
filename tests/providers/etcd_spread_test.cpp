// A fleet that loses its watches at one moment does not come back all at once, nor to one member.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "providers/common/jitter.h"
#include "providers/etcd/etcd_provider.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_etcd.h"

namespace rollcall::test {
namespace {

class EtcdSpread : public ::testing::Test {
 protected:
  std::unique_ptr<ClusterProvider> create(const std::vector<std::string>& endpoints,
                                          std::uint64_t seed, const std::string& attest_ms) {
    ProviderDescriptor d;
    d.id = ProviderId("e");
    d.kind = "etcd";
    d.endpoints = endpoints;
    d.watch_params = {{"prefix", "/p/"}, {"attest_ms", attest_ms}};
    auto provider = make_etcd_factory(seed)->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value());
    return provider ? std::move(*provider) : nullptr;
  }

  RealClock clock_;
};

TEST_F(EtcdSpread, EachStreamBeginsAtAnEndpointOfItsOwn) {
  ScriptedEtcd one;
  ScriptedEtcd other;
  one.put("/p/one", "10.0.0.1:7000");
  other.put("/p/other", "10.0.0.1:7000");
  const auto provider = create({one.url(), other.url()}, 1, "4000");
  std::set<std::string> first;
  for (int i = 0; i < 8; ++i) first.insert(to_text(provider->stream()->next()));
  EXPECT_EQ(first, (std::set<std::string>{"snapshot[one]", "snapshot[other]"}));
}

TEST_F(EtcdSpread, AfterALostWatchEverythingIsReadAtAMomentOfItsOwn) {
  constexpr std::uint64_t kSeed = 10;
  ScriptedEtcd etcd;
  etcd.put("/p/a", "10.0.0.1:7000");
  const auto stream = create({etcd.url()}, kSeed, "800")->stream();
  EXPECT_EQ(to_text(stream->next()), "snapshot[a]");
  etcd.put("/p/b", "10.0.0.1:7000");
  etcdserverpb::WatchResponse lost = etcd.response();
  lost.set_canceled(true);
  lost.set_cancel_reason("etcdserver: no leader");
  const MonoTime before = clock_.now();
  etcd.send(lost);
  EXPECT_EQ(to_text(stream->next()), "snapshot[a b]");
  Jitter jitter(kSeed);
  jitter.below(1);  // the endpoint
  const Duration pause = jitter.up_to(std::chrono::milliseconds(200));
  EXPECT_GT(pause, Duration(std::chrono::milliseconds(140)));  // or this would show nothing
  EXPECT_GE(clock_.now() - before, pause);
}

TEST(JitterTest, WhatIsBelowABoundIsSpreadAllOverIt) {
  std::set<std::size_t> seen;
  Jitter jitter(3);
  for (int i = 0; i < 100; ++i) {
    seen.insert(jitter.below(5));
    EXPECT_LT(jitter.up_to(std::chrono::seconds(1)), Duration(std::chrono::seconds(1)));
  }
  EXPECT_EQ(seen, (std::set<std::size_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(jitter.below(0), 0u);
  EXPECT_EQ(jitter.up_to(Duration::zero()), Duration::zero());
}

}  // namespace
}  // namespace rollcall::test
