#include "provisioning/service/state_writer.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "core/codec/canonical.h"
#include "core/limits.h"
#include "provisioning/service/real_clock.h"
#include "tests/service/scripted_provider.h"
#include "tests/support/mem_file_system.h"

namespace rollcall {
namespace {

using test::FileCall;
using test::MemFileSystem;

constexpr auto kHungProgram = std::chrono::seconds(60);

class StateWriterTest : public ::testing::Test {
 protected:
  StateWriterTest() { (void)files_.make_directory("/state"); }

  static BlockTable table(const std::string& id) {
    BlockTable t;
    Block b;
    b.node = NodeId(id);
    b.expires_at = from_unix_ms(1'900'000'000'000);
    t.emplace(b.node, b);
    return t;
  }
  static SavedTopology topology(const std::string& id) {
    return {MemberMap::from({make_member(test::node(id))}), from_unix_ms(1), ProviderId("p")};
  }
  std::optional<ProvisioningError> answer_for(std::uint64_t version) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(there_.wait_for(lock, kHungProgram, [&] { return saved_.contains(version); }));
    return saved_[version];
  }

  MemFileSystem files_{11};
  RealClock clock_;
  StateFiles state_{files_, "/state"};
  std::mutex mutex_;  // guards what follows
  std::condition_variable there_;
  std::map<std::uint64_t, std::optional<ProvisioningError>> saved_;
  int failures_ = 0;
  int unknown_ = 0;
  StateWriter writer_{state_,
                      clock_,
                      {[this](std::uint64_t version, std::optional<ProvisioningError> error) {
                         std::lock_guard lock(mutex_);
                         saved_[version] = std::move(error);
                         there_.notify_all();
                       },
                       [this](std::string_view, const ProvisioningError&) {
                         std::lock_guard lock(mutex_);
                         ++failures_;
                         there_.notify_all();
                       },
                       [this](std::string_view, const SaveError* failure, Duration) {
                         std::lock_guard lock(mutex_);
                         if (failure != nullptr && failure->unknown) ++unknown_;
                       }}};
};

TEST_F(StateWriterTest, BlocksAreDurableBeforeTheyAreAnswered) {
  writer_.save_blocks(1, table("a"));
  EXPECT_FALSE(answer_for(1));
  files_.power_cut();
  StateFiles after(files_, "/state");
  const auto loaded = after.load_blocks();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(loaded->contains(NodeId("a")));
}

TEST_F(StateWriterTest, AFailedWriteOfBlocksIsAnswered) {
  files_.fail_with_probability(FileCall::WriteSynced, 1.0);
  writer_.save_blocks(1, table("a"));
  const auto error = answer_for(1);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::StoreIo);
}

TEST_F(StateWriterTest, AnUnknownOutcomeIsToldAsSuch) {
  files_.fail_nth(FileCall::SyncDirectory, 1);
  writer_.save_blocks(1, table("a"));
  EXPECT_TRUE(answer_for(1));
  {
    std::lock_guard lock(mutex_);
    EXPECT_EQ(unknown_, 1);
  }
  files_.fail_nth(FileCall::WriteSynced, 1);
  writer_.save_blocks(2, table("a"));
  EXPECT_TRUE(answer_for(2));
  std::lock_guard lock(mutex_);
  EXPECT_EQ(unknown_, 1) << "a write that failed before the rename is no unknown one";
}

TEST_F(StateWriterTest, TheTopologyIsWrittenByAFlush) {
  writer_.save_topology(topology("first"));
  ASSERT_TRUE(writer_.flush(kHungProgram));
  // The next one would have to rest; a flush (draining) does not wait for that.
  writer_.save_topology(topology("second"));
  ASSERT_TRUE(writer_.flush(kHungProgram));
  const auto loaded = state_.load_topology();
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_NE((*loaded)->members.find(NodeId("second")), nullptr);
}

TEST_F(StateWriterTest, AFailedWriteOfTheTopologyIsToldAndNotRepeatedByAFlush) {
  files_.fail_with_probability(FileCall::WriteSynced, 1.0);
  writer_.save_topology(topology("first"));
  writer_.save_holds({ProviderId("p")});
  EXPECT_TRUE(writer_.flush(kHungProgram));
  std::lock_guard lock(mutex_);
  EXPECT_GE(failures_, 2);
}

// A disk that does not answer until it is told to.
class StalledFileSystem : public MemFileSystem {
 public:
  Result<void> write_synced(const std::string& path, std::string_view data) override {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return answers_; });
    }
    return MemFileSystem::write_synced(path, data);
  }
  void answer() {
    std::lock_guard lock(mutex_);
    answers_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;  // guards answers_
  std::condition_variable changed_;
  bool answers_ = false;
};

TEST(StateWriterOnAStalledDisk, IsNotIdleUntilItIsDone) {
  StalledFileSystem files;
  ASSERT_TRUE(files.make_directory("/state"));
  StateFiles state(files, "/state");
  const RealClock clock;
  StateWriter writer(state, clock,
                     {[](std::uint64_t, std::optional<ProvisioningError>) {},
                      [](std::string_view, const ProvisioningError&) {},
                      [](std::string_view, const SaveError*, Duration) {}});
  EXPECT_TRUE(writer.idle());
  writer.save_holds({ProviderId("p")});
  EXPECT_FALSE(writer.idle()) << "waiting, or being written";
  EXPECT_FALSE(writer.flush(Duration::zero()));
  EXPECT_FALSE(writer.idle());
  files.answer();
  EXPECT_TRUE(writer.flush(kHungProgram));
  EXPECT_TRUE(writer.idle());
}

TEST_F(StateWriterTest, HoldsAreWrittenAtOnce) {
  writer_.save_holds({ProviderId("p"), ProviderId("q")});
  ASSERT_TRUE(writer_.flush(kHungProgram));
  const auto loaded = state_.load_holds();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->size(), 2u);
}

}  // namespace
}  // namespace rollcall
