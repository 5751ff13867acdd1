#include "providers/common/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/limits.h"
#include "tests/backends/environment.h"
#include "tests/support/manual_clock.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CredentialsTest : public ::testing::Test {
 protected:
  AuthRef token_file() {
    AuthRef auth;
    auth.token_file = (directory_ / "token").string();
    return auth;
  }
  void write(std::string_view text) { write_file(directory_ / "token", text); }

  TempDir directory_;
  ManualClock clock_;
};

TEST_F(CredentialsTest, TheTokenIsTrimmedAndReadAgainAfterAMinute) {
  write("first\r\n");
  Credentials credentials(token_file(), clock_);
  EXPECT_EQ((*credentials.get())->token, "first");
  write("second\n");
  clock_.advance(std::chrono::seconds(59));
  EXPECT_EQ((*credentials.get())->token, "first");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ((*credentials.get())->token, "second");
}

TEST_F(CredentialsTest, ARefusedTokenIsReadAgainAtOnce) {
  for (const ErrorCode code :
       {ErrorCode::AuthFailed, ErrorCode::PermissionDenied, ErrorCode::InvalidConfig}) {
    write("first");
    Credentials credentials(token_file(), clock_);
    EXPECT_EQ((*credentials.get())->token, "first");
    write("second");
    EXPECT_EQ(credentials.explained({ErrorCode::Timeout, "no answer", {}, 0}).message, "no answer");
    EXPECT_EQ((*credentials.get())->token, "first");
    EXPECT_EQ(credentials.explained({code, "no", {}, 0}).message, "no");
    EXPECT_EQ((*credentials.get())->token, "second");
  }
}

TEST_F(CredentialsTest, UnusableFilesHaveCodesAndNeverShowTheirContent) {
  Credentials absent(token_file(), clock_);
  ASSERT_FALSE(absent.get().has_value());
  EXPECT_EQ(absent.get().error().code, ErrorCode::InvalidConfig);
  const struct {
    const char* name;
    std::string text;
    ErrorCode code;
  } cases[] = {
      {"empty", "", ErrorCode::AuthFailed},
      {"only a line end", "\n", ErrorCode::AuthFailed},
      {"two lines", "hush-hush\nX-Injected: 1", ErrorCode::InvalidConfig},
      {"binary", "hush-hush\xff", ErrorCode::InvalidConfig},
      {"too large", std::string(limits::kMaxTokenFileBytes + 1, 'h'), ErrorCode::InvalidConfig},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    write(c.text);
    Credentials credentials(token_file(), clock_);
    const auto secrets = credentials.get();
    ASSERT_FALSE(secrets.has_value());
    EXPECT_EQ(secrets.error().code, c.code);
    EXPECT_THAT(secrets.error().message, HasSubstr("token_file"));
    EXPECT_THAT(secrets.error().message, Not(HasSubstr("hush")));
  }
}

TEST_F(CredentialsTest, ADirectoryOrAPipeIsNoSecret) {
  AuthRef auth;
  auth.ca_file = directory_.path().string();
  EXPECT_EQ(Credentials(auth, clock_).get().error().code, ErrorCode::InvalidConfig);
  auth.ca_file = (directory_ / "pipe").string();
  ASSERT_EQ(0, ::mkfifo(auth.ca_file.c_str(), 0600));
  EXPECT_EQ(Credentials(auth, clock_).get().error().code, ErrorCode::InvalidConfig);
}

}  // namespace
}  // namespace rollcall::test
