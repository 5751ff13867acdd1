// The log by itself: bytes, boundaries, eviction, resets; and what many readers see while it grows.
#include "provisioning/hub/event_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/hub/hub_fixture.h"

namespace rollcall::testing_hub {
namespace {

using From = EventLog::From;
using Read = EventLog::Read;

struct Log {
  explicit Log(std::size_t max_bytes = 1 << 20, std::size_t block_bytes = 1 << 12)
      : log({seq(1), max_bytes, block_bytes}, encoder) {}
  void append(std::size_t count, std::size_t payload = 0) {
    for (std::size_t i = 0; i < count; ++i) log.append(plain_event(next = next.next(), payload));
    const auto evicted = log.commit();
  }
  void append_reset() {
    log.append(reset_event(next = next.next()));
    const auto evicted = log.commit();
  }
  TestEventEncoder encoder;
  SeqNo next = seq(0);
  EventLog log;
};

// Everything from `cursor` to the head; each piece must be whole frames that follow one another.
std::vector<SeqNo> read_all(const EventLog& log, EventLog::Cursor& cursor, std::size_t max_bytes) {
  std::vector<SeqNo> seen;
  for (;;) {
    const auto result = log.read(cursor, max_bytes);
    if (result.status != Read::Data) {
      EXPECT_EQ(result.status, Read::AtHead);
      return seen;
    }
    const auto items = parse(view(result.slice));
    EXPECT_TRUE(items.has_value());
    if (!items) return seen;
    EXPECT_TRUE(items->size() == 1 || result.slice.size <= max_bytes);
    for (const Item& item : *items) seen.push_back(item.seq_no);
    EXPECT_EQ(cursor.after, seen.back());
  }
}

TEST(EventLog, ConsecutiveFramesAreOneRangeOfTheLogsOwnMemory) {
  Log log;
  log.append(50);
  auto first = *log.log.cursor_after(seq(0), From::Event);
  auto second = first;
  const auto a = log.log.read(first, 1 << 20);
  const auto b = log.log.read(second, 1 << 20);
  ASSERT_EQ(a.status, Read::Data);
  EXPECT_EQ(parse(view(a.slice))->size(), 50u);
  EXPECT_EQ(a.slice.data, b.slice.data) << "two readers get the same bytes, not copies";
}

TEST(EventLog, WhatIsNotCommittedIsNotSeen) {
  Log log;
  log.append(3);
  auto cursor = *log.log.cursor_after(seq(0), From::Event);
  EXPECT_EQ(read_all(log.log, cursor, 1 << 20).size(), 3u);
  log.log.append(plain_event(seq(4)));
  EXPECT_EQ(log.log.read(cursor, 1 << 20).status, Read::AtHead);
  EXPECT_EQ(log.log.head(), seq(3));
  const auto evicted = log.log.commit();
  EXPECT_EQ(read_all(log.log, cursor, 1 << 20), std::vector<SeqNo>{seq(4)});
}

TEST(EventLog, AReaderOfAnEmptyLogSeesTheFirstEvents) {
  Log log;
  auto cursor = *log.log.cursor_after(seq(0), From::Event);
  EXPECT_EQ(log.log.read(cursor, 100).status, Read::AtHead);
  log.append(2);
  EXPECT_EQ(read_all(log.log, cursor, 1 << 20).size(), 2u);
}

TEST(EventLog, CutsBetweenFramesWhateverTheLimit) {
  Log log(1 << 20, 1 << 10);
  for (std::size_t i = 0; i < 60; ++i) log.append(1, i * 7 % 90);
  for (std::size_t max_bytes = 1; max_bytes < 1500; max_bytes += 13) {
    auto cursor = *log.log.cursor_after(seq(0), From::Event);
    EXPECT_EQ(read_all(log.log, cursor, max_bytes).size(), 60u) << max_bytes;
  }
}

TEST(EventLog, AFrameLargerThanABlockComesWhole) {
  Log log(1 << 20, 1 << 10);
  log.append(2);
  log.append(1, 5000);
  log.append(2);
  auto cursor = *log.log.cursor_after(seq(0), From::Event);
  EXPECT_EQ(read_all(log.log, cursor, 100).size(), 5u);
  EXPECT_EQ(log.log.stats().blocks, 3u);
}

TEST(EventLog, ACursorWhoseBlockIsKeptByASliceSeesThatWhatFollowsIsGone) {
  Log log(8 << 10, 1 << 10);
  log.append(5);
  auto cursor = *log.log.cursor_after(seq(0), From::Event);
  const auto kept = log.log.read(cursor, 1 << 20);  // as a slow write keeps it
  ASSERT_EQ(kept.status, Read::Data);
  log.append(1, 5000);  // event 6 alone in its block
  while (log.log.holds(seq(5))) log.append(1, 200);
  ASSERT_TRUE(log.log.holds(seq(6))) << "only the one event is missing";
  EXPECT_EQ(log.log.read(cursor, 1 << 20).status, Read::Evicted);
}

TEST(EventLog, AResetIsNotForgottenWhenOnlyItsBlockIsEvicted) {
  Log log(8 << 10, 1 << 10);
  log.append(1, 900);
  log.append_reset();
  const SeqNo reset = log.next;
  log.append(1);
  while (log.log.holds(seq(1))) log.append(1, 200);
  ASSERT_TRUE(log.log.holds(reset)) << "what follows it is all there";
  auto resumed = *log.log.cursor_after(reset, From::Event);
  EXPECT_EQ(log.log.read(resumed, 1 << 20).status, Read::Reset);
  auto with_snapshot = *log.log.cursor_after(reset, From::Snapshot);
  EXPECT_EQ(log.log.read(with_snapshot, 1 << 20).status, Read::Data);
}

TEST(EventLog, ResumesAtEveryPosition) {
  Log log(1 << 20, 1 << 9);
  log.append(100, 20);
  for (std::uint64_t n = 0; n <= 100; ++n) {
    auto cursor = log.log.cursor_after(seq(n), From::Event);
    ASSERT_TRUE(cursor.has_value()) << n;
    const auto seen = read_all(log.log, *cursor, 200);
    ASSERT_EQ(seen.size(), 100 - n);
    if (n < 100) {
      EXPECT_EQ(seen.front(), seq(n + 1));
    }
  }
  EXPECT_FALSE(log.log.cursor_after(seq(101), From::Event)) << "ahead of the log";
  EXPECT_FALSE(log.log.cursor_after(SeqNo(0), From::Event));
  EXPECT_FALSE(log.log.cursor_after(make_seq(kBoot - 1, 5), From::Event));
}

TEST(EventLog, EvictsWholeBlocksAndSaysSo) {
  Log log(16 << 10, 1 << 10);
  log.append(1);
  auto cursor = *log.log.cursor_after(seq(0), From::Event);
  log.append(2000, 20);
  EXPECT_EQ(log.log.read(cursor, 1000).status, Read::Evicted);
  EXPECT_FALSE(log.log.cursor_after(seq(1), From::Event));
  EXPECT_LE(log.log.stats().bytes, 16u << 10);
  EXPECT_GT(log.log.stats().evicted_blocks, 10u);
  auto recent = log.log.cursor_after(seq(1990), From::Event);
  ASSERT_TRUE(recent.has_value());
  EXPECT_EQ(read_all(log.log, *recent, 100).size(), 11u);
}

TEST(EventLog, ABatchInHandKeepsItsBytesAndNothingElse) {
  Log log(8 << 10, 1 << 10);
  log.append(10, 50);
  auto cursor = *log.log.cursor_after(seq(0), From::Event);
  const auto batch = log.log.read(cursor, 300);
  const std::weak_ptr<const void> block = batch.slice.owner;
  std::weak_ptr<const void> next_block;
  {
    log.append(30, 50);
    auto later = *log.log.cursor_after(seq(30), From::Event);
    next_block = log.log.read(later, 1).slice.owner;
  }
  log.append(1000, 50);
  EXPECT_TRUE(parse(view(batch.slice)).has_value()) << "evicted, but in hand";
  EXPECT_FALSE(block.expired());
  EXPECT_TRUE(next_block.expired()) << "what follows the batch is not kept alive by it";
}

TEST(EventLog, ACursorKeepsNothingAlive) {
  Log log(8 << 10, 1 << 10);
  log.append(10, 50);
  auto cursor = *log.log.cursor_after(seq(0), From::Event);
  std::weak_ptr<const void> block = log.log.read(cursor, 300).slice.owner;
  EXPECT_FALSE(block.expired());
  log.append(1000, 50);
  EXPECT_TRUE(block.expired());
  EXPECT_EQ(log.log.read(cursor, 300).status, Read::Evicted);
}

TEST(EventLog, AResetStopsWhoeverPassesIt) {
  Log log;
  log.append(5);
  log.append_reset();  // 6
  log.append(5);
  EXPECT_EQ(log.log.last_reset(), seq(6));
  auto cursor = *log.log.cursor_after(seq(2), From::Event);
  const auto data = log.log.read(cursor, 1 << 20);
  ASSERT_EQ(data.status, Read::Data);
  EXPECT_EQ(cursor.after, seq(6)) << "the reset itself is delivered";
  EXPECT_EQ(log.log.read(cursor, 1 << 20).status, Read::Reset);
  EXPECT_EQ(log.log.read(cursor, 1 << 20).status, Read::Reset);

  auto behind = *log.log.cursor_after(seq(6), From::Event);
  EXPECT_EQ(log.log.read(behind, 100).status, Read::Reset) << "its snapshot never arrived";
  auto with_snapshot = *log.log.cursor_after(seq(6), From::Snapshot);
  EXPECT_EQ(read_all(log.log, with_snapshot, 100).size(), 5u);
  auto beyond = *log.log.cursor_after(seq(7), From::Event);
  EXPECT_EQ(read_all(log.log, beyond, 100).size(), 4u);
}

TEST(EventLog, AResetIsNotForgottenWhenItsBlockIsEvicted) {
  Log log(8 << 10, 1 << 10);
  log.append(5);
  log.append_reset();
  auto cursor = *log.log.cursor_after(seq(2), From::Event);
  ASSERT_EQ(log.log.read(cursor, 1 << 20).status, Read::Data);
  log.append(1000, 50);
  EXPECT_EQ(log.log.read(cursor, 1 << 20).status, Read::Reset);
}

TEST(EventLog, TheReuseFloorIsInTheNewerHalf) {
  Log log(64 << 10, 1 << 10);
  log.append(10);
  EXPECT_EQ(log.log.reuse_floor(), seq(0)) << "all of it fits";
  for (int i = 0; i < 5000; ++i) {
    log.append(1, 40);
    const SeqNo floor = log.log.reuse_floor();
    ASSERT_LE(floor, log.log.head());
    ASSERT_TRUE(log.log.holds(floor));
  }
  const std::uint64_t behind = log.log.head().value() - log.log.reuse_floor().value();
  EXPECT_GT(behind, 300u);  // 32 KiB of 66-byte frames, less the index
  EXPECT_LT(behind, 520u);
}

TEST(EventLogDeathTest, AGapAborts) {
  Log log;
  log.append(3);
  EXPECT_DEATH(log.log.append(plain_event(seq(5))), "do not follow one another");
  EXPECT_DEATH(log.log.append(plain_event(seq(3))), "do not follow one another");
}

// Against a model: whatever is appended, in steps of whatever size, every cursor reads exactly what
// follows it, or is told that it is gone.
TEST(EventLog, AgreesWithAModelForManySeeds) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Log log(1024 + random() % 20000, 256 + random() % 2048);
    std::vector<SeqNo> resets;
    std::vector<EventLog::Cursor> cursors(5, *log.log.cursor_after(seq(0), From::Event));
    for (int step = 0; step < 200; ++step) {
      if (random() % 30 == 0) {
        log.append_reset();
        resets.push_back(log.next);
      } else {
        log.append(random() % 8, random() % 10 == 0 ? random() % 3000 : random() % 60);
      }
      EventLog::Cursor& cursor = cursors[random() % cursors.size()];
      for (int reads = 0; reads < 4; ++reads) {
        const SeqNo before = cursor.after;
        const auto result = log.log.read(cursor, 1 + random() % 2000);
        if (result.status == Read::AtHead) {
          ASSERT_EQ(before, log.log.head());
          break;
        }
        if (result.status == Read::Evicted) {
          ASSERT_FALSE(log.log.holds(before));
          cursor = *log.log.cursor_after(log.log.head(), From::Snapshot);
          break;
        }
        if (result.status == Read::Reset) {
          ASSERT_FALSE(std::find(resets.begin(), resets.end(), before) == resets.end());
          cursor = *log.log.cursor_after(log.log.head(), From::Snapshot);
          break;
        }
        const auto items = parse(view(result.slice));
        ASSERT_TRUE(items.has_value());
        SeqNo expected = before;
        for (const Item& item : *items) ASSERT_EQ(item.seq_no, expected = expected.next());
        ASSERT_EQ(cursor.after, expected);
        // A reset is the last frame of what it comes in.
        for (std::size_t i = 0; i + 1 < items->size(); ++i) ASSERT_EQ((*items)[i].kind, 'E');
      }
    }
  }
}

// Readers of different speeds while one writer appends and evicts: no torn frame, no gap.
TEST(EventLog, ManyReadersSeeWholeFramesInOrderWhileItGrowsAndEvicts) {
  constexpr std::uint64_t kEvents = 60'000;
  Log log(64 << 10, 4 << 10);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> evictions{0};
  const auto reader = [&](unsigned seed) {
    std::mt19937_64 random(seed);
    EventLog::Cursor cursor{seq(0), false, {}, 0};
    for (;;) {
      const bool last_round = done.load();
      const SeqNo before = cursor.after;
      const auto result = log.log.read(cursor, 1 + random() % (seed * 700));
      if (result.status == Read::AtHead) {
        if (last_round) return;
        std::this_thread::yield();
        continue;
      }
      if (result.status == Read::Evicted) {
        ++evictions;
        for (;;) {  // as a snapshot would place it
          auto placed = log.log.cursor_after(log.log.head(), From::Snapshot);
          if (!placed) continue;
          cursor = *placed;
          break;
        }
        continue;
      }
      ASSERT_EQ(result.status, Read::Data);
      if (random() % 50 == 0) std::this_thread::yield();
      const auto items = parse(view(result.slice));
      ASSERT_TRUE(items.has_value());
      SeqNo expected = before;
      for (const Item& item : *items) ASSERT_EQ(item.seq_no, expected = expected.next());
      ASSERT_EQ(cursor.after, expected);
    }
  };
  std::vector<std::thread> readers;
  for (unsigned i = 1; i <= 4; ++i) readers.emplace_back(reader, i);
  std::mt19937_64 random(7);
  while (log.next.value() < seq(kEvents).value()) log.append(1 + random() % 9, random() % 120);
  done = true;
  for (auto& thread : readers) thread.join();
  EXPECT_LE(log.log.stats().bytes, 64u << 10);
  EXPECT_EQ(log.log.head(), log.next);
}

}  // namespace
}  // namespace rollcall::testing_hub
