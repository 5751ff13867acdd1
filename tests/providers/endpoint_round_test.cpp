// One endpoint that refuses is no reason not to ask the others: a URL that is gone, a certificate
// that has expired, a proxy that wants another token. Every kind, its stream, the check before it
// is accepted (R1.4) and, where there is one, its announcer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/consul/consul_provider.h"
#include "providers/etcd/etcd_provider.h"
#include "providers/etcd/etcd_store.h"
#include "providers/http/http_provider.h"
#include "tests/providers/announce_support.h"
#include "tests/providers/consul_text.h"
#include "tests/providers/kubernetes_hostile_fixture.h"
#include "tests/providers/scripted_etcd.h"
#include "tests/providers/untrusted_server.h"

namespace rollcall::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Connection = ScriptedServer::Connection;
using Params = std::map<std::string, std::string>;

const std::string kConsulList = "[" + consul_entry("n", "a") + "]";

class EndpointRound : public ::testing::Test {
 protected:
  std::unique_ptr<ClusterProvider> create(const ProviderFactory& factory,
                                          std::vector<std::string> endpoints, Params params,
                                          AuthRef auth = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("p");
    d.kind = factory.info().kind;
    d.endpoints = std::move(endpoints);
    d.auth = std::move(auth);
    d.watch_params = std::move(params);
    auto provider = factory.create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  MonoTime soon() const { return clock_.now() + Duration(limits::kConnectivityDeadline); }
  // Whether it is accepted (R1.4), and what a stream of it says first.
  void expect_first(ClusterProvider& provider, const std::string& text) {
    const auto checked = provider.check_connectivity(soon());
    EXPECT_TRUE(checked.has_value()) << checked.error().message;
    StreamReader stream(provider.stream());
    EXPECT_EQ(to_text(stream.next()), text);
  }
  static AuthRef trusting(const UntrustedServer& untrusted) {
    AuthRef auth;
    auth.ca_file = untrusted.ca_file();
    return auth;
  }

  RealClock clock_;
};

TEST_F(EndpointRound, R1_4_AUrlThatIsGoneIsPassedOver) {
  for (const char* refusal : {"404 Not Found", "401 Unauthorized", "403 Forbidden"}) {
    SCOPED_TRACE(refusal);
    ScriptedServer gone(
        [&](Connection& c, const std::string&) { return c.send(http_status(refusal)); });
    ScriptedServer good([](Connection& c, const std::string&) {
      return c.send(http_ok(R"([{"targets":["a:1"]}])"));
    });
    const auto provider =
        create(*make_http_factory(7), {gone.url(), good.url()}, {{"refresh_ms", "50"}});
    expect_first(*provider, "snapshot[a:1]");
  }
}

TEST_F(EndpointRound, R1_4_AConsulAgentThatIsNotTrustedIsPassedOver) {
  UntrustedServer untrusted;
  ScriptedServer good(
      [](Connection& c, const std::string&) { return c.send(consul_ok(kConsulList, 5)); });
  const auto provider = create(*make_consul_factory(), {untrusted.url(), good.url()},
                               {{"service", "web"}, {"id", "service"}}, trusting(untrusted));
  expect_first(*provider, "snapshot[a]");
}

TEST_F(EndpointRound, R1_4_AnEtcdThatIsNotTrustedIsPassedOver) {
  UntrustedServer untrusted;
  ScriptedEtcd good;
  good.put("/p/a", "10.0.0.1:7000");
  constexpr std::uint64_t kFirstEndpointFirst = 10;
  const auto provider =
      create(*make_etcd_factory(kFirstEndpointFirst), {untrusted.url(), good.url()},
             {{"prefix", "/p/"}}, trusting(untrusted));
  expect_first(*provider, "snapshot[a]");
}

TEST_F(EndpointRound, AStoreOfAFleetPassesOverWhatIsNotTrusted) {
  UntrustedServer untrusted;
  ScriptedEtcd good;
  good.put("/set", "text");
  good.alter_range([](etcdserverpb::RangeResponse& r) { r.mutable_kvs(0)->set_version(1); });
  EtcdStore store({{untrusted.url(), good.url()}, trusting(untrusted), "", "/set"}, clock_);
  const auto state = store.look({}, soon());
  ASSERT_TRUE(state.has_value()) << state.error().message;
  EXPECT_EQ(state->text, "text");
}

TEST_F(EndpointRound, R1_4_AnApiServerThatRefusesIsPassedOver) {
  ScriptedServer refusing([](Connection& c, const std::string&) {
    return c.send(http_status("401 Unauthorized", "{}"));
  });
  FakeApi good;
  good.state("10", {slice_of("9", {"a"})});
  good.watch_says("");
  const auto provider = create(*make_kubernetes_factory(), {refusing.url(), good.url()},
                               {{"service", "web"}, {"namespace", "default"}});
  expect_first(*provider, "snapshot[a]");
}

// A Consul agent that takes what is registered, and has nothing before.
bool take_registration(Connection& c, const std::string& head) {
  if (head.find("GET /v1/agent/service/") == 0) return c.send(http_status("404 Not Found"));
  if (head.find("GET /v1/health/") == 0) return c.send(consul_ok("[]", 5));
  return c.send(http_ok(""));
}

TEST_F(EndpointRound, ANodeIsAnnouncedAtAnAgentThatDoesNotRefuse) {
  ScriptedServer refusing([](Connection& c, const std::string&) {
    return c.send(http_status("400 Bad Request", "Client sent an HTTP request to an HTTPS server"));
  });
  ScriptedServer good(take_registration);
  const auto provider = create(*make_consul_factory(), {refusing.url(), good.url()},
                               {{"service", "web"}, {"id", "service"}});
  const auto announced = provider->announcer(announcement())->register_node(soon());
  EXPECT_EQ(code_of(announced), "OK") << message_of(announced);
}

TEST_F(EndpointRound, WhereAllRefuseTheMostSpecificReasonIsToldWithTheOthers) {
  ScriptedServer gone(
      [](Connection& c, const std::string&) { return c.send(http_status("404 Not Found")); });
  ScriptedServer refusing(
      [](Connection& c, const std::string&) { return c.send(http_status("401 Unauthorized")); });
  const auto provider =
      create(*make_http_factory(7), {gone.url(), refusing.url()}, {{"refresh_ms", "50"}});
  StreamReader stream(provider->stream());
  const std::string failed = to_text(stream.next());
  EXPECT_THAT(failed,
              AllOf(HasSubstr("AUTH_FAILED"), HasSubstr(gone.url()), HasSubstr(refusing.url())));
}

}  // namespace
}  // namespace rollcall::test
