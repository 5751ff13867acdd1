#include "bridges/stream/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace rollcall {
namespace {

TEST(WorkerPool, RefusesWhatDoesNotFitAndRunsWhatItAccepted) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::promise<void> started;
  std::atomic<int> ran{0};
  WorkerPool pool(1, 2);
  ASSERT_TRUE(pool.submit([&] {
    started.set_value();
    open.wait();
    ++ran;
  }));
  started.get_future().wait();  // the one thread is busy now
  EXPECT_TRUE(pool.submit([&] { ++ran; }));
  EXPECT_TRUE(pool.submit([&] { ++ran; }));
  EXPECT_FALSE(pool.submit([&] { ++ran; })) << "two may wait";
  gate.set_value();
  pool.stop();
  EXPECT_EQ(ran, 3);
  EXPECT_FALSE(pool.submit([] {}));
}

TEST(WorkerPool, RunsAsManyAtOnceAsItHasThreads) {
  WorkerPool pool(3, 10);
  std::atomic<int> together{0};
  std::promise<void> all;
  const std::shared_future<void> arrived = all.get_future().share();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pool.submit([&] {
      if (++together == 3) all.set_value();
      arrived.wait();
    }));
  }
  arrived.wait();
  pool.stop();
  EXPECT_EQ(together, 3);
}

}  // namespace
}  // namespace rollcall
