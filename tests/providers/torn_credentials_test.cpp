// A certificate and a key that don't belong together, read while somebody rotated them, are no
// outage of a minute: every kind reads the files again with its next attempt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "providers/consul/consul_provider.h"
#include "providers/etcd/etcd_provider.h"
#include "providers/http/http_provider.h"
#include "providers/kubernetes/kubernetes_provider.h"
#include "tests/backends/environment.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/test_certificates.h"
#include "tests/providers/untrusted_server.h"

namespace rollcall::test {
namespace {

struct Kind {
  std::unique_ptr<ProviderFactory> factory;
  std::map<std::string, std::string> params;
};

class TornCredentials : public ::testing::Test {
 protected:
  ProviderDescriptor descriptor(const Kind& kind) const {
    ProviderDescriptor d;
    d.id = ProviderId("p");
    d.kind = kind.factory->info().kind;
    d.endpoints = {server_.url()};
    d.auth.ca_file = server_.ca_file();
    d.auth.cert_file = (directory_ / "cert").string();
    d.auth.key_file = (directory_ / "key").string();
    d.watch_params = kind.params;
    return d;
  }
  static std::string code_of(const ProviderEvent& event) {
    const auto* failed = std::get_if<FailedAnswer>(&event);
    return failed ? std::string(to_string(failed->code)) : to_text(event);
  }

  RealClock clock_;
  TempDir directory_;
  UntrustedServer server_;
};

TEST_F(TornCredentials, ArePassingAndNotKeptForAMinute) {
  std::vector<Kind> kinds;
  kinds.push_back({make_consul_factory(), {{"service", "web"}, {"wait_ms", "20"}}});
  kinds.push_back({make_etcd_factory(), {{"prefix", "/p/"}, {"attest_ms", "50"}}});
  kinds.push_back({make_http_factory(7), {{"refresh_ms", "50"}}});
  kinds.push_back({make_kubernetes_factory(), {{"service", "web"}, {"namespace", "default"}}});
  const TestAuthority authority;
  const Certificate old = authority.issue("client");
  const Certificate fresh = authority.issue("client");
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.factory->info().kind);
    write_file(directory_ / "cert", fresh.cert_pem);
    write_file(directory_ / "key", old.key_pem);
    auto provider = kind.factory->create(descriptor(kind), {&clock_, nullptr, ""});
    ASSERT_TRUE(provider.has_value());
    const auto stream = (*provider)->stream();
    EXPECT_EQ(code_of(stream->next()), "INVALID_CONFIG");
    write_file(directory_ / "key", fresh.key_pem);
    // They load now: what is still wrong is the server's own certificate.
    EXPECT_EQ(code_of(stream->next()), "AUTH_FAILED");
  }
}

}  // namespace
}  // namespace rollcall::test
