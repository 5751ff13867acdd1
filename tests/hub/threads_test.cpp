// The hub with its real threads, a writer and many consumers at once. ThreadSanitizer runs this.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "provisioning/hub/hub_threads.h"
#include "tests/hub/hub_fixture.h"
#include "tests/support/manual_clock.h"

namespace rollcall::testing_hub {
namespace {

using Outcome = Subscription::Outcome;

class SteadyClock final : public Clock {
 public:
  MonoTime now() const override {
    return MonoTime(std::chrono::steady_clock::now().time_since_epoch());
  }
  WallTime wall_now() const override { return {}; }
};

// Lets a thread sleep until the hub has something for it.
class BlockingWaker final : public Waker {
 public:
  void wake() override {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }
  void abandon(const ProvisioningError&) override { wake(); }
  void forget() {
    const std::lock_guard lock(mutex_);
    woken_ = false;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return woken_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
};

struct ThreadedHub {
  explicit ThreadedHub(HubOptions options = {}, std::uint32_t chunks = 3)
      : hub(std::move(options), chunks), threads(hub.hub, clock) {}
  SteadyClock clock;
  TestHub hub;
  HubThreads threads;
};

// Follows the log until it is closed, breaking off and resuming now and then, and acknowledging.
void follow(ThreadedHub& h, std::string id, std::uint64_t seed, SeqNo* end) {
  std::mt19937_64 random(seed);
  Consumer consumer;
  for (;;) {
    const auto waker = std::make_shared<BlockingWaker>();
    const SeqNo after = consumer.whole() ? consumer.position() : SeqNo(0);
    auto sub =
        h.hub.hub.subscribe({Bridge::Placement, id, kEpoch, after, true}, waker, h.clock.now());
    if (!sub) {
      ASSERT_EQ(sub.error().code, ErrorCode::ShuttingDown);
      break;
    }
    Consumer resumed = consumer.whole() ? consumer : Consumer{};
    const std::uint64_t batches = random() % 400;
    bool ended = false;
    for (std::uint64_t i = 0; i < batches || seed % 3 == 0; ++i) {
      waker->forget();
      const auto next = (*sub)->next(1 + random() % 20'000, h.clock.now());
      if (next.outcome == Outcome::Idle) {
        waker->wait();
        continue;
      }
      if (next.outcome == Outcome::Ended) {
        ended = true;
        ASSERT_TRUE(next.error.has_value());
        ASSERT_EQ(next.error->code, ErrorCode::ShuttingDown);
        break;
      }
      resumed.apply(bytes_of(next));
      (*sub)->written();
      if (resumed.whole()) {
        ASSERT_TRUE(h.hub.hub.acknowledge(id, kEpoch, resumed.position()));
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
    (*sub)->close();
    consumer = resumed;
    if (ended) break;
  }
  *end = consumer.position();
}

TEST(HubThreads, EveryConsumerSeesEverythingInOrderUntilTheEnd) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    HubOptions options;
    options.log_bytes = 128 << 10;
    options.block_bytes = 8 << 10;
    ThreadedHub h(options);
    h.hub.publish(1);
    std::vector<SeqNo> ends(10);
    std::vector<std::thread> readers;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      readers.emplace_back(follow, std::ref(h), "c" + std::to_string(i), seed * 100 + i, &ends[i]);
    }
    std::mt19937_64 random(seed);
    for (int step = 0; step < 4000; ++step) {
      if (random() % 500 == 0) {
        h.hub.publish_reset();
      } else {
        h.hub.publish(random() % 12, random() % 100);
      }
      if (random() % 8 == 0) std::this_thread::yield();
    }
    h.hub.hub.close();
    for (auto& reader : readers) reader.join();
    // One that had closed its stream just when the hub was closed stays where it was.
    std::size_t complete = 0;
    for (const SeqNo end : ends) complete += end == h.hub.hub.head() ? 1 : 0;
    EXPECT_GE(complete, 3u) << "those that never break off (every third) see the end";
    EXPECT_EQ(h.hub.hub.stats().subscribers, 0u);
    EXPECT_LE(h.hub.hub.stats().log.bytes, options.log_bytes);
  }
}

TEST(HubThreads, ManyThatArriveTogetherShareOneSnapshot) {
  ThreadedHub h;
  h.hub.publish(5);
  std::vector<std::thread> readers;
  std::atomic<int> complete{0};
  for (int i = 0; i < 64; ++i) {
    readers.emplace_back([&h, &complete, i] {
      const auto waker = std::make_shared<BlockingWaker>();
      auto sub = *h.hub.hub.subscribe({Bridge::Remoting, std::to_string(i), {}, {}, false}, waker,
                                      h.clock.now());
      Consumer consumer;
      while (consumer.bookmarks() == 0) {
        waker->forget();
        const auto next = sub->next(1 << 16, h.clock.now());
        if (next.outcome == Outcome::Idle) {
          waker->wait();
          continue;
        }
        ASSERT_EQ(next.outcome, Outcome::Batch);
        consumer.apply(bytes_of(next));
        sub->written();
      }
      EXPECT_EQ(consumer.position(), seq(5));
      sub->close();
      ++complete;
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(complete, 64);
  EXPECT_EQ(h.hub.hub.stats().snapshots.encoded, 1u);
}

// The writer publishes the moment everyone has the event before, which is when they look for the
// last time and fall asleep. The clock stands still: no bookmark comes to wake whom a publication
// did not.
TEST(HubThreads, NoWakeUpIsLost) {
  constexpr std::uint64_t kEvents = 5000;
  constexpr std::uint64_t kReaders = 2;
  TestHub hub;
  const test::ManualClock clock;
  HubThreads threads(hub.hub, clock);
  hub.publish(1);
  std::atomic<std::uint64_t> delivered{0};
  std::vector<std::thread> readers;
  for (std::uint64_t i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i] {
      const auto waker = std::make_shared<BlockingWaker>();
      auto sub = *hub.hub.subscribe({Bridge::Remoting, std::to_string(i), kEpoch, seq(1), false},
                                    waker, clock.now());
      for (;;) {
        waker->forget();
        const auto next = sub->next(1 << 16, clock.now());
        if (next.outcome == Outcome::Ended) break;
        if (next.outcome == Outcome::Idle) {
          waker->wait();
          continue;
        }
        const auto items = *parse(bytes_of(next));
        sub->written();
        for (const Item& item : items) delivered += item.kind == 'E' ? 1 : 0;
      }
      sub->close();
    });
  }
  for (std::uint64_t n = 1; n <= kEvents; ++n) {
    hub.publish(1);
    while (delivered.load() < n * kReaders) std::this_thread::yield();
  }
  hub.hub.close();
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(delivered, kEvents * kReaders);
}

// Snapshots after placement, while placement acknowledges and the log moves: each is one that was
// acknowledged when it was sent.
TEST(HubThreads, R3_1_TheBarrierHoldsWhileEverythingMoves) {
  ThreadedHub h;
  h.hub.publish(1);
  std::atomic<std::uint64_t> acknowledged{0};
  std::thread placement([&] {
    const auto waker = std::make_shared<BlockingWaker>();
    auto sub =
        *h.hub.hub.subscribe({Bridge::Placement, "p", kEpoch, seq(1), true}, waker, h.clock.now());
    Consumer consumer;
    consumer.start_at(seq(1));
    for (;;) {
      waker->forget();
      const auto next = sub->next(1 << 14, h.clock.now());
      if (next.outcome == Outcome::Ended) break;
      if (next.outcome == Outcome::Idle) {
        waker->wait();
        continue;
      }
      consumer.apply(bytes_of(next));
      sub->written();
      acknowledged.store(consumer.position().value());
      ASSERT_TRUE(h.hub.hub.acknowledge("p", kEpoch, consumer.position()));
    }
    sub->close();
  });
  std::atomic<bool> done{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < 50; ++call) {
        const auto waker = std::make_shared<BlockingWaker>();
        const auto now = h.clock.now();
        auto sub = *h.hub.hub.latest_snapshot(now + std::chrono::seconds(60), waker, now);
        Consumer consumer;
        for (;;) {
          waker->forget();
          const auto next = sub->next(1 << 14, h.clock.now());
          if (next.outcome == Outcome::Ended) {
            ASSERT_FALSE(next.error.has_value());
            break;
          }
          if (next.outcome == Outcome::Idle) {
            waker->wait();
            continue;
          }
          consumer.apply(bytes_of(next));
          sub->written();
        }
        ASSERT_EQ(consumer.snapshots(), 1u);
        ASSERT_LE(consumer.position().value(), acknowledged.load());
        sub->close();
      }
    });
  }
  std::thread writer([&] {
    while (!done.load()) {
      h.hub.publish(3, 20);
      std::this_thread::yield();
    }
  });
  for (auto& caller : callers) caller.join();
  done = true;
  writer.join();
  h.hub.hub.close();
  placement.join();
}

}  // namespace
}  // namespace rollcall::testing_hub
