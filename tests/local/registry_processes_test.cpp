// The registry between real processes: many that register at once, one that hangs with the lock,
// and writers that are killed at any moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <set>

#include "providers/local/registry/process_identity.h"
#include "tests/local/local_support.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 1,600 registrations of two fsyncs each, on a machine that may be busy with other tests.
constexpr std::chrono::minutes kManyRegistrations{10};

class RegistryProcesses : public RegistryTest {
 protected:
  // The program beside this test (registrar.cpp says what it does).
  Process node(const std::string& mode, const std::string& prefix, int count) {
    const fs::path program = fs::read_symlink("/proc/self/exe").parent_path() / "local_registrar";
    auto process = Process::start({.argv = {program.string(), directory_, mode, prefix,
                                            std::to_string(count), marker(prefix)},
                                   .environment = {},
                                   .output = parent_ / (prefix + ".out"),
                                   .input = {},
                                   .directory = {}});
    EXPECT_TRUE(process) << process.error();
    return std::move(*process);
  }
  std::string marker(const std::string& prefix) const {
    return (parent_ / (prefix + ".done")).string();
  }
  // Waits for the marker; a process that ended instead says why.
  void expect_mark(Process& process, const std::string& prefix,
                   std::chrono::milliseconds limit = kPatience) {
    EXPECT_TRUE(
        eventually(limit, [&] { return fs::exists(marker(prefix)) || !process.running(); }));
    EXPECT_TRUE(fs::exists(marker(prefix))) << process.output_tail();
  }
};

TEST_F(RegistryProcesses, EightProcessesThatRegisterAtOnceLoseNone) {
  constexpr int kProcesses = 8;
#if defined(ROLLCALL_SANITIZED)
  constexpr int kEach = 50;  // each reads and writes all that there are: a sixteenth of the work
#else
  constexpr int kEach = 200;
#endif
  std::vector<Process> nodes;
  for (int i = 0; i < kProcesses; ++i) {
    nodes.push_back(node("register", "p" + std::to_string(i), kEach));
  }
  for (int i = 0; i < kProcesses; ++i) {
    expect_mark(nodes[static_cast<std::size_t>(i)], "p" + std::to_string(i), kManyRegistrations);
  }
  const Listing all = listing();
  EXPECT_EQ(all.revision, static_cast<std::uint64_t>(kProcesses * kEach));
  std::set<std::string> unique;
  for (const ListedEntry& listed : all.entries) {
    EXPECT_EQ(listed.life, Life::Alive) << listed.entry.node.id.str();
    unique.insert(listed.entry.node.id.str());
  }
  EXPECT_EQ(unique.size(), static_cast<std::size_t>(kProcesses * kEach));
  nodes[3].kill();
  const auto collected = registry().collect({}, [](const ProcessIdentity&) { return false; });
  ASSERT_TRUE(collected) << collected.error().message;
  EXPECT_EQ(collected->live.size(), static_cast<std::size_t>((kProcesses - 1) * kEach));
}

TEST_F(RegistryProcesses, AHungHolderOfTheLockIsNamedAndWaitedForNoLongerThanSaid) {
  enrol("n1", ::getpid());
  Process hung = node("hold", "h", 0);
  ASSERT_TRUE(eventually(kPatience, [&] {
    const auto stat = read_process_stat(hung.pid());
    return stat && stat->stopped();
  })) << hung.output_tail();
  const auto late = registry().list({std::chrono::milliseconds(30), {}});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::Timeout);
  EXPECT_THAT(late.error().message,
              AllOf(HasSubstr("held by process " + std::to_string(hung.pid())),
                    HasSubstr("local_registrar"), HasSubstr("stopped")));
  ASSERT_TRUE(hung.signal(SIGCONT));
  const auto back = registry().list({kPatience, {}});
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_THAT(ids(*back), ElementsAre("n1"));
}

TEST_F(RegistryProcesses, AKilledHolderOfTheLockLetsGo) {
  enrol("n1", ::getpid());
  Process hung = node("hold", "h", 0);
  ASSERT_TRUE(eventually(kPatience, [&] {
    const auto stat = read_process_stat(hung.pid());
    return stat && stat->stopped();
  }));
  hung.kill();
  EXPECT_TRUE(registry().list({kPatience, {}}));
}

// Killed at any moment, often in the middle of a write: the file is sound, what was registered
// before is there, and the revision has not gone back.
TEST_F(RegistryProcesses, AWriterKilledAtAnyMomentLeavesTheOldFileOrTheNewOne) {
  constexpr int kKills = 60;
  const std::uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  enrol("n1", ::getpid());
  std::uint64_t revision = listing().revision;
  int in_the_middle = 0;
  for (int i = 0; i < kKills; ++i) {
    const std::string prefix = "k" + std::to_string(i);
    Process writer = node("churn", prefix, 3);
    expect_mark(writer, prefix);
    // Not before the n-th sight of a temporary file, so that the kill hits a write now and then.
    int sights = static_cast<int>(random() % 6);
    EXPECT_TRUE(eventually(kPatience, [&] { return !fs::exists(file_ + ".tmp") || --sights < 0; }));
    ASSERT_TRUE(writer.signal(SIGKILL));
    writer.kill();
    in_the_middle += fs::exists(file_ + ".tmp");
    const auto after = registry().list({kPatience, {}});
    ASSERT_TRUE(after) << "after kill " << i << ": " << after.error().message;
    EXPECT_GE(after->revision, revision);
    revision = after->revision;
    std::size_t alive = 0;
    for (const ListedEntry& listed : after->entries) alive += listed.life == Life::Alive;
    EXPECT_EQ(alive, 1u) << i;
    EXPECT_LE(after->entries.size(), 4u);  // the dead of this writer, no earlier ones
  }
  RecordProperty("killed_in_the_middle_of_a_write", in_the_middle);
}

TEST_F(RegistryProcesses, AProcessWhoseFirstThreadEndedLives) {
  Process process = node("headless", "t", 1);
  expect_mark(process, "t");
  ASSERT_TRUE(eventually(kPatience, [&] {
    const auto stat = read_process_stat(process.pid());
    return stat && stat->state == 'Z';  // as the kernel shows a first thread that ended
  }));
  ASSERT_EQ(listing().entries.size(), 1u);
  EXPECT_EQ(listing().entries[0].life, Life::Alive);
  process.kill();
  EXPECT_EQ(listing().entries[0].life, Life::Dead);
}

}  // namespace
}  // namespace rollcall::test
