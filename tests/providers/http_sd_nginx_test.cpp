// The http provider against a real nginx: lists that change, silence, refusal, restarts, garbage,
// credentials, redirects, TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/http/http_provider.h"
#include "tests/backends/assert_done.h"
#include "tests/backends/nginx_server.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/test_certificates.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kSeed = 11;

std::string group(const std::string& target, const std::string& status = "READY") {
  return R"({"targets":[")" + target + R"("],"labels":{"__meta_rollcall_status":")" + status +
         "\"}}";
}
const std::string kA = "[" + group("a:1") + "]";
const std::string kAB = "[" + group("a:1") + "," + group("b:1") + "]";

class HttpSdNginx : public ::testing::Test {
 protected:
  void start(NginxServer::Options options = {}) {
    auto server = NginxServer::start(std::move(options));
    ASSERT_TRUE(server) << server.error();
    nginx_ = std::move(*server);
    nginx_->serve(kA);
  }
  std::unique_ptr<ClusterProvider> create(std::vector<std::string> urls = {}, AuthRef auth = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("sd");
    d.kind = "http";
    d.endpoints = urls.empty() ? std::vector{nginx_->url()} : std::move(urls);
    d.auth = std::move(auth);
    d.watch_params = {{"refresh_ms", "50"}, {"timeout_ms", "1000"}};
    auto provider = make_http_factory(kSeed)->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  std::string code(const std::vector<std::string>& urls, const AuthRef& auth = {}) {
    const auto checked =
        create(urls, auth)
            ->check_connectivity(clock_.now() + Duration(limits::kConnectivityDeadline));
    return checked ? "fine" : std::string(to_string(checked.error().code));
  }
  static FailedAnswer failure(StreamReader& stream) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); });
    const auto* failed = std::get_if<FailedAnswer>(&event);
    return failed == nullptr ? FailedAnswer{ErrorCode::NotFound, to_text(event)} : *failed;
  }
  static std::string first_that_is_no_failure(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); }));
  }
  static void until_members(StreamReader& stream, const std::string& wanted) {
    stream.until([&](const ProviderEvent& e) { return to_text(e) == "snapshot[" + wanted + "]"; });
  }
  std::string secret(const std::string& name, const std::string& text) {
    write_file(directory_ / name, text);
    return (directory_ / name).string();
  }

  RealClock clock_;
  TempDir directory_;
  std::unique_ptr<NginxServer> nginx_;
};

TEST_F(HttpSdNginx, R2_1_MembersJoinDrainAndLeave) {
  start();
  StreamReader stream(create()->stream());
  until_members(stream, "a:1");
  nginx_->serve(kAB);
  until_members(stream, "a:1 b:1");
  nginx_->serve("[" + group("a:1") + "," + group("b:1", "DRAINING") + "]");
  stream.until([](const ProviderEvent& e) {
    const auto* s = std::get_if<ProviderSnapshot>(&e);
    return s != nullptr && s->members.size() == 2 && s->members[1].status == NodeStatus::Draining;
  });
  nginx_->serve(kA);
  until_members(stream, "a:1");
  nginx_->serve("[]");
  until_members(stream, "");  // R2.4: confirmed empty, and nothing else is
  nginx_->serve(kAB);
  until_members(stream, "a:1 b:1");
}

TEST_F(HttpSdNginx, AQuietListIsAttestedByItsETag) {
  start();
  StreamReader stream(create()->stream());
  const ProviderEvent first = stream.next();
  ASSERT_EQ(to_text(first), "snapshot[a:1]");
  EXPECT_THAT(std::get<ProviderSnapshot>(first).backend_index, HasSubstr("\""));  // nginx's ETag
  for (int i = 0; i < 20; ++i) EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(HttpSdNginx, SilenceIsATimeoutAndPasses) {
  start();
  StreamReader stream(create()->stream());
  until_members(stream, "a:1");
  ASSERT_TRUE(nginx_->pause());
  EXPECT_EQ(failure(stream).code, ErrorCode::Timeout);
  ASSERT_TRUE(nginx_->resume());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");  // the same members, none told anew
}

TEST_F(HttpSdNginx, RefusalIsAnOutageAndARestartPasses) {
  start();
  StreamReader stream(create()->stream());
  until_members(stream, "a:1");
  nginx_->kill();
  EXPECT_EQ(failure(stream).code, ErrorCode::BackendUnavailable);
  ASSERT_DONE(nginx_->restart());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
  nginx_->serve(kAB);
  until_members(stream, "a:1 b:1");
  ASSERT_DONE(nginx_->restart());  // between two questions: nobody need notice
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(HttpSdNginx, GarbageAndAListThatIsGoneChangeNothing) {
  start();
  StreamReader stream(create()->stream());
  until_members(stream, "a:1");
  nginx_->serve(kAB.substr(0, kAB.size() / 2));
  EXPECT_EQ(failure(stream).code, ErrorCode::MalformedResponse);
  nginx_->serve(kA);
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
  nginx_->remove();
  const FailedAnswer gone = failure(stream);
  EXPECT_EQ(gone.code, ErrorCode::InvalidConfig);
  EXPECT_THAT(gone.detail, HasSubstr("404"));
  nginx_->serve(kA);
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(HttpSdNginx, R1_4_WhatCannotWorkIsRefusedAtRegistration) {
  start();
  nginx_->serve(kA, "list.txt");
  EXPECT_EQ(code({nginx_->url()}), "fine");
  EXPECT_EQ(code({nginx_->url("/nothing.json")}), "INVALID_CONFIG");
  EXPECT_EQ(code({nginx_->url("/list.txt")}), "MALFORMED_RESPONSE");  // text/plain
  EXPECT_EQ(code({nginx_->url("/moved")}), "MALFORMED_RESPONSE");     // not followed
  EXPECT_EQ(code({nginx_->url("/busy")}), "BACKEND_UNAVAILABLE");
  // The next URL takes over where it may do better.
  EXPECT_EQ(code({nginx_->url("/busy"), nginx_->url()}), "fine");
}

TEST_F(HttpSdNginx, TokensThatAreAbsentWrongRevokedAndRotated) {
  start({.token = "first-token-0001", .cert_pem = {}, .key_pem = {}, .client_ca_pem = {}});
  EXPECT_EQ(code({}), "AUTH_FAILED");
  AuthRef auth;
  auth.token_file = secret("token", "wrong-token-9999");
  StreamReader stream(create({}, auth)->stream());
  const FailedAnswer wrong = failure(stream);
  EXPECT_EQ(wrong.code, ErrorCode::AuthFailed);
  EXPECT_THAT(wrong.detail, Not(HasSubstr("wrong-token")));
  secret("token", "first-token-0001\n");  // read again after the refusal, without a restart
  EXPECT_EQ(first_that_is_no_failure(stream), "snapshot[a:1]");
  // Rotated at the server: refused until the file follows.
  ASSERT_DONE(nginx_->reconfigure(
      {.token = "second-token-0002", .cert_pem = {}, .key_pem = {}, .client_ca_pem = {}}));
  stream.until([](const ProviderEvent& e) {
    const auto* failed = std::get_if<FailedAnswer>(&e);
    return failed != nullptr && failed->code == ErrorCode::AuthFailed;
  });
  secret("token", "second-token-0002\n");
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(HttpSdNginx, TlsWantsATrustedServerAndAClientThatIsTrustedAndTheCaRotates) {
  const TestAuthority authority;
  const TestAuthority stranger;
  const Certificate server = authority.issue("sd.test");
  const Certificate client = authority.issue("sidecar.test");
  start({.token = {},
         .cert_pem = server.cert_pem,
         .key_pem = server.key_pem,
         .client_ca_pem = authority.ca_pem()});
  AuthRef auth;
  auth.ca_file = secret("ca.pem", stranger.ca_pem());
  EXPECT_EQ(code({}, auth), "AUTH_FAILED");  // the server is not who we trust
  auth.ca_file = secret("ca.pem", authority.ca_pem());
  EXPECT_EQ(code({}, auth), "INVALID_CONFIG");  // nginx: 400, no certificate was sent
  auth.cert_file = secret("cert.pem", client.cert_pem);
  auth.key_file = secret("key.pem", client.key_pem);
  EXPECT_EQ(code({}, auth), "fine");
  StreamReader stream(create({}, auth)->stream());
  until_members(stream, "a:1");
  // The server's authority is replaced while the stream runs: nobody leaves, and the file that
  // follows is taken up without a restart.
  const TestAuthority next;
  const Certificate renewed = next.issue("sd.test");
  ASSERT_DONE(nginx_->reconfigure({.token = {},
                                   .cert_pem = renewed.cert_pem,
                                   .key_pem = renewed.key_pem,
                                   .client_ca_pem = authority.ca_pem()}));
  const ProviderEvent refused = stream.until([](const ProviderEvent& e) {
    const auto* failed = std::get_if<FailedAnswer>(&e);
    return std::holds_alternative<ProviderSnapshot>(e) ||
           (failed != nullptr && failed->code == ErrorCode::AuthFailed);
  });
  EXPECT_THAT(to_text(refused), HasSubstr("AUTH_FAILED"));
  secret("ca.pem", next.ca_pem());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
  nginx_->serve(kAB);
  until_members(stream, "a:1 b:1");
}

}  // namespace
}  // namespace rollcall::test
