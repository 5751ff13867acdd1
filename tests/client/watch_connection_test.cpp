// The stream and its queue, without a server.
#include "bridges/client/watch_connection.h"

#include <gtest/gtest.h>

namespace rollcall::client::testing {
namespace {

using std::chrono::milliseconds;
using What = WatchConnection::What;

TEST(WatchConnectionTest, AWakeIsHeardOnceHoweverOftenItWasAskedFor) {
  const auto channel = Channel::open({"unix:/nobody/listens/here", {}});
  ASSERT_TRUE(channel) << channel.error().message;
  WatchConnection connection(*channel, Bridge::Partition);
  for (int i = 0; i < 3; ++i) connection.wake();
  EXPECT_EQ(connection.next(milliseconds(60'000)), What::Woken);
  EXPECT_EQ(connection.next(milliseconds(0)), What::TimedOut);
  connection.wake();
  EXPECT_EQ(connection.next(milliseconds(60'000)), What::Woken);
}

}  // namespace
}  // namespace rollcall::client::testing
