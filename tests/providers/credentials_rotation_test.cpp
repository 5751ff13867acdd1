// Files that are read while somebody writes them: a new certificate beside the old key, half a
// bundle, an empty token. What worked stays in use, and what is whole again is taken up at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "providers/common/credentials.h"
#include "tests/backends/environment.h"
#include "tests/providers/test_certificates.h"
#include "tests/support/manual_clock.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CredentialsRotation : public ::testing::Test {
 protected:
  CredentialsRotation() {
    put("token", "first");
    put("ca", authority_.ca_pem());
    put("cert", old_.cert_pem);
    put("key", old_.key_pem);
  }
  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  void put(const std::string& name, const std::string& text) { write_file(path(name), text); }
  Credentials credentials() {
    return Credentials({path("token"), path("ca"), path("cert"), path("key")}, clock_);
  }
  static Secrets now(Credentials& credentials) {
    const auto secrets = credentials.get();
    EXPECT_TRUE(secrets.has_value()) << secrets.error().message;
    return secrets ? **secrets : Secrets{};
  }
  void a_minute_passes() { clock_.advance(std::chrono::minutes(1)); }

  TempDir directory_;
  ManualClock clock_;
  TestAuthority authority_;
  const Certificate old_ = authority_.issue("client");
  const Certificate new_ = authority_.issue("client");
};

TEST_F(CredentialsRotation, ANewCertificateWaitsForItsKey) {
  Credentials c = credentials();
  const Secrets before = now(c);
  put("cert", new_.cert_pem);
  a_minute_passes();
  EXPECT_EQ(now(c), before);
  put("key", new_.key_pem);
  const Secrets after = now(c);  // without another minute
  EXPECT_EQ(after.cert_pem, new_.cert_pem);
  EXPECT_EQ(after.key_pem, new_.key_pem);
  put("key", old_.key_pem);
  EXPECT_EQ(now(c), after);  // read a moment ago
}

TEST_F(CredentialsRotation, WhatIsCutOrGoneLeavesInUseWhatThereWas) {
  const std::string bundle = authority_.ca_pem() + TestAuthority().ca_pem();
  put("ca", bundle);
  Credentials c = credentials();
  const Secrets before = now(c);
  const std::pair<const char*, std::string> torn[] = {
      {"ca", bundle.substr(0, bundle.size() / 4)},
      {"ca", bundle.substr(0, bundle.size() * 3 / 4)},  // one whole certificate, and a half
      {"cert", old_.cert_pem + authority_.ca_pem().substr(0, 400)},
      {"cert", ""},
      {"key", old_.key_pem.substr(0, 100)},
      {"token", ""},
      {"token", "two\nlines"}};
  for (const auto& [name, text] : torn) {
    SCOPED_TRACE(std::string(name) + ": " + std::to_string(text.size()) + " bytes");
    put(name, text);
    a_minute_passes();
    EXPECT_EQ(now(c), before);
    put("ca", bundle);
    put("cert", old_.cert_pem);
    put("key", old_.key_pem);
    put("token", "first");
    EXPECT_EQ(now(c), before);
  }
  for (const char* name : {"ca", "cert", "key", "token"}) std::filesystem::remove(path(name));
  a_minute_passes();
  EXPECT_EQ(now(c), before);
}

TEST_F(CredentialsRotation, ATokenDoesNotWaitForACertificateNorTheOtherWayRound) {
  Credentials c = credentials();
  now(c);
  put("cert", new_.cert_pem);
  put("token", "second");
  a_minute_passes();
  EXPECT_EQ(now(c).token, "second");
  EXPECT_EQ(now(c).cert_pem, old_.cert_pem);
  put("key", new_.key_pem);
  put("token", "");
  EXPECT_EQ(now(c).token, "second");
  EXPECT_EQ(now(c).cert_pem, new_.cert_pem);
}

TEST_F(CredentialsRotation, WhatNeverWorkedIsReadAgainAfterItsFailure) {
  put("cert", new_.cert_pem);
  Credentials c = credentials();
  EXPECT_EQ(now(c).key_pem, old_.key_pem);  // there is nothing better
  put("key", new_.key_pem);
  (void)c.explained({ErrorCode::InvalidConfig, "key_file and cert_file: mismatch", {}, 0});
  EXPECT_EQ(now(c).key_pem, new_.key_pem);
}

TEST_F(CredentialsRotation, ARefusalSaysWhichFileCouldNotBeTakenUp) {
  Credentials c = credentials();
  now(c);
  put("token", "hush hush");
  a_minute_passes();
  now(c);
  const auto told = c.explained({ErrorCode::AuthFailed, "HTTP 401", {}, 0}).message;
  EXPECT_THAT(told, HasSubstr("HTTP 401"));
  EXPECT_THAT(told, HasSubstr(path("token")));
  EXPECT_THAT(told, Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace rollcall::test
