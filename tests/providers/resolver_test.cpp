#include "providers/common/resolver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <thread>

#include "providers/common/unique_fd.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest() : silent_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(silent_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
        ::getsockname(silent_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      std::abort();
    }
    servers_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  MonoTime in(Duration d) const { return clock_.now() + d; }

  RealClock clock_;
  Cancel cancel_;
  Io io_{clock_, cancel_};
  UniqueFd silent_;  // a name server that never answers
  std::string servers_;
};

TEST_F(ResolverTest, LiteralsTakeNoQuestion) {
  const auto v4 = resolve("127.0.0.1", 80, in(kPatience), io_, servers_);
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(v4->front().storage.ss_family, AF_INET);
  const auto v6 = resolve("::1", 80, in(kPatience), io_, servers_);
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->front().storage.ss_family, AF_INET6);
}

TEST_F(ResolverTest, LocalhostIsKnownWithoutAServer) {
  const auto found = resolve("localhost", 80, in(kPatience), io_, servers_);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_GE(found->size(), 1u);
}

TEST_F(ResolverTest, ASilentServerIsATimeout) {
  const auto found = resolve("name.example", 80, in(std::chrono::milliseconds(50)), io_, servers_);
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::Timeout);
}

TEST_F(ResolverTest, CancelEndsTheWait) {
  std::thread other([&] {
    char question[512];
    ASSERT_GT(::recv(silent_.get(), question, sizeof question, 0), 0);  // it is waiting now
    cancel_.cancel();
  });
  const auto found = resolve("name.example", 80, in(kPatience), io_, servers_);
  other.join();
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::ShuttingDown);
}

}  // namespace
}  // namespace rollcall::test
