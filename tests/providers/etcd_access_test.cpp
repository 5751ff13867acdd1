// The etcd provider and access control: users, passwords that rotate, roles that are revoked, TLS
// in both directions. No secret is in anything it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/providers/etcd_support.h"
#include "tests/providers/test_certificates.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class EtcdAccessTest : public EtcdFixture {
 protected:
  // Access control on, and a user `reader` who may read the members.
  void start_with_reader(const std::string& password) {
    EtcdServer::Options options;
    options.auth = true;
    start(options);
    ASSERT_DONE(server_->add_user("reader", password));
    ASSERT_DONE(server_->add_role("members", "/members/", EtcdServer::Access::kRead));
    ASSERT_DONE(server_->grant_role("reader", "members"));
    add("a");
  }
  std::unique_ptr<ClusterProvider> with_user(const std::string& text) {
    ProviderDescriptor d = descriptor();
    d.auth.token_file = token_file(text);
    return create(d);
  }
  std::string file(const std::string& name, const std::string& text) {
    write_file(directory_ / name, text);
    return (directory_ / name).string();
  }
  EtcdServer::Tls server_tls(bool client_certificates) {
    const Certificate certificate = authority_.issue("etcd.test");
    return {client_certificates ? file("server-ca", authority_.ca_pem()) : "",
            file("server-cert", certificate.cert_pem), file("server-key", certificate.key_pem)};
  }
  std::string connectivity(const ProviderDescriptor& d) {
    const auto checked = create(d)->check_connectivity(in(limits::kConnectivityDeadline));
    if (checked) return "fine";
    return std::string(to_string(checked.error().code)) + ": " + checked.error().message;
  }

  TestAuthority authority_;
};

TEST_F(EtcdAccessTest, AWrongPasswordIsAuthFailedAndARotatedOneIsFoundWithoutARestart) {
  start_with_reader("right-secret-1");
  auto provider = with_user("reader:wrong-secret-0");
  const auto checked = provider->check_connectivity(in(limits::kConnectivityDeadline));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::AuthFailed) << checked.error().message;
  StreamReader stream(provider->stream());
  const FailedAnswer failed = failure(stream);
  EXPECT_EQ(failed.code, ErrorCode::AuthFailed) << failed.detail;
  EXPECT_THAT(failed.detail, Not(HasSubstr("secret")));
  token_file("reader:right-secret-1");
  EXPECT_EQ(first_that_is_no_failure(stream), "snapshot[a]");

  // A new password ends the old one's tokens; the file follows later.
  ASSERT_DONE(server_->set_password("reader", "right-secret-2"));
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
  token_file("reader:right-secret-2");
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
  add("b");
  EXPECT_EQ(news(stream), "change[+b]");
}

TEST_F(EtcdAccessTest, ARevokedRoleIsPermissionDeniedAndNeverEmpty) {
  start_with_reader("pass");
  StreamReader stream(with_user("reader:pass")->stream());
  EXPECT_EQ(news(stream), "snapshot[a]");
  ASSERT_DONE(server_->revoke_role("reader", "members"));
  const FailedAnswer denied = failure(stream);
  EXPECT_EQ(denied.code, ErrorCode::PermissionDenied) << denied.detail;
  ASSERT_DONE(server_->grant_role("reader", "members"));
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
  ASSERT_DONE(server_->remove_user("reader"));
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
}

TEST_F(EtcdAccessTest, ARoleForAnotherPrefixIsPermissionDenied) {
  start_with_reader("pass");
  ASSERT_DONE(server_->add_user("other", "pass"));
  ASSERT_DONE(server_->add_role("others", "/others/", EtcdServer::Access::kReadWrite));
  ASSERT_DONE(server_->grant_role("other", "others"));
  StreamReader stream(with_user("other:pass")->stream());
  EXPECT_EQ(failure(stream).code, ErrorCode::PermissionDenied);
}

TEST_F(EtcdAccessTest, WithoutAUserWhereOneIsWantedIsAuthFailed) {
  start_with_reader("pass");
  StreamReader stream(create()->stream());
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
}

TEST_F(EtcdAccessTest, AUserWhereNoneIsWantedIsNoFailure) {
  start();
  add("a");
  StreamReader stream(with_user("reader:pass")->stream());
  EXPECT_EQ(news(stream), "snapshot[a]");
}

TEST_F(EtcdAccessTest, ATokenFileWithoutAUserIsAConfigurationError) {
  start();
  StreamReader stream(with_user("only-a-secret")->stream());
  const FailedAnswer failed = failure(stream);
  EXPECT_EQ(failed.code, ErrorCode::InvalidConfig);
  EXPECT_THAT(failed.detail, Not(HasSubstr("only-a-secret")));
}

TEST_F(EtcdAccessTest, TlsIsVerifiedInBothDirections) {
  EtcdServer::Options options;
  options.tls = server_tls(/*client_certificates=*/true);
  start(options);
  add("a");
  const Certificate mine = authority_.issue("rollcall.test");
  ProviderDescriptor d = descriptor();
  d.auth.ca_file = file("ca", authority_.ca_pem());
  d.auth.cert_file = file("cert", mine.cert_pem);
  d.auth.key_file = file("key", mine.key_pem);
  EXPECT_EQ(connectivity(d), "fine");
  StreamReader stream(create(d)->stream());
  EXPECT_EQ(news(stream), "snapshot[a]");
  add("b");
  EXPECT_EQ(news(stream), "change[+b]");

  ProviderDescriptor nameless = d;
  nameless.auth.cert_file.clear();
  nameless.auth.key_file.clear();
  EXPECT_THAT(connectivity(nameless), HasSubstr("AUTH_FAILED"));

  const TestAuthority stranger;
  const Certificate theirs = stranger.issue("rollcall.test");
  ProviderDescriptor wrong = d;
  wrong.auth.cert_file = file("their-cert", theirs.cert_pem);
  wrong.auth.key_file = file("their-key", theirs.key_pem);
  EXPECT_THAT(connectivity(wrong), HasSubstr("AUTH_FAILED"));
}

TEST_F(EtcdAccessTest, AServerThatIsNotTrustedIsAuthFailed) {
  EtcdServer::Options options;
  options.tls = server_tls(/*client_certificates=*/false);
  start(options);
  ProviderDescriptor d = descriptor();
  d.auth.ca_file = file("ca", authority_.ca_pem());
  EXPECT_EQ(connectivity(d), "fine");
  d.watch_params["tls_server_name"] = "etcd.test";
  EXPECT_EQ(connectivity(d), "fine");
  d.watch_params["tls_server_name"] = "elsewhere.test";
  EXPECT_THAT(connectivity(d), HasSubstr("AUTH_FAILED"));
  d.watch_params.erase("tls_server_name");
  const TestAuthority stranger;
  d.auth.ca_file = file("other-ca", stranger.ca_pem());
  EXPECT_THAT(connectivity(d), HasSubstr("AUTH_FAILED"));
  d.auth.ca_file = file("no-ca", "no PEM at all");
  EXPECT_THAT(connectivity(d), HasSubstr("INVALID_CONFIG"));
  d.auth.ca_file = (directory_ / "absent").string();
  EXPECT_THAT(connectivity(d), HasSubstr("INVALID_CONFIG"));
  // Plain text to a TLS port, and the other way round.
  d.auth.ca_file.clear();
  d.endpoints = {"http://" + server_->address()};
  EXPECT_THAT(connectivity(d), HasSubstr("BACKEND_UNAVAILABLE"));
  d.endpoints = {"https://" + server_->plain_url().substr(7)};
  EXPECT_THAT(connectivity(d), HasSubstr("BACKEND_UNAVAILABLE"));
}

TEST_F(EtcdAccessTest, RotatedCertificatesAreTakenUp) {
  EtcdServer::Options options;
  options.tls = server_tls(/*client_certificates=*/true);
  start(options);
  add("a");
  const TestAuthority stranger;
  const Certificate theirs = stranger.issue("rollcall.test");
  ProviderDescriptor d = descriptor();
  d.auth.ca_file = file("ca", authority_.ca_pem());
  d.auth.cert_file = file("cert", theirs.cert_pem);
  d.auth.key_file = file("key", theirs.key_pem);
  StreamReader stream(create(d)->stream());
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
  const Certificate mine = authority_.issue("rollcall.test");
  file("cert", mine.cert_pem);
  file("key", mine.key_pem);
  EXPECT_EQ(first_that_is_no_failure(stream), "snapshot[a]");
}

}  // namespace
}  // namespace rollcall::test
