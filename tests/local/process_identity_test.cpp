// Which process is meant, and whether it lives: real processes, and ids that none can have.
#include "providers/local/registry/process_identity.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "providers/local/registry/limits.h"
#include "tests/local/local_support.h"

namespace rollcall::test {
namespace {

ProcessIdentity identity_of(std::int64_t pid) {
  const auto process = identify_process(pid);
  EXPECT_TRUE(process) << process.error().message;
  return process.value_or(ProcessIdentity{});
}

Life judged(const ProcessIdentity& process) { return judge(process, HostIdentity::read()); }

TEST(ProcessIdentity, ThisProcessIsAliveAndKnownByMoreThanItsId) {
  const ProcessIdentity self = identity_of(::getpid());
  EXPECT_EQ(self.pid, ::getpid());
  EXPECT_GT(self.start_ticks, 0u);
  EXPECT_EQ(self.boot_id.size(), 36u);
  EXPECT_EQ(self.namespaces.substr(0, 5), "pid:[");
  EXPECT_EQ(judged(self), Life::Alive);
}

TEST(ProcessIdentity, AKilledProcessIsDeadBeforeAndAfterItsParentHasNoticed) {
  Process process = idle_process();
  const ProcessIdentity identity = identity_of(process.pid());
  EXPECT_EQ(judged(identity), Life::Alive);
  kill_and_leave_unreaped(process);
  EXPECT_EQ(judged(identity), Life::Dead);  // a zombie can still be "signalled"
  EXPECT_EQ(identify_process(process.pid()).error().code, ErrorCode::NotFound);
  process.kill();
  EXPECT_EQ(judged(identity), Life::Dead);
  EXPECT_EQ(identify_process(process.pid()).error().code, ErrorCode::NotFound);
}

TEST(ProcessIdentity, AStoppedProcessIsAlive) {
  Process process = idle_process();
  const ProcessIdentity identity = identity_of(process.pid());
  ASSERT_TRUE(process.pause());
  EXPECT_EQ(judged(identity), Life::Alive);
}

TEST(ProcessIdentity, AReusedIdIsRecognisedByTheStartTime) {
  ProcessIdentity earlier = identity_of(::getpid());
  --earlier.start_ticks;
  EXPECT_EQ(judged(earlier), Life::Dead);
}

TEST(ProcessIdentity, AnIdThatNoProcessCanHaveIsDeadAndNothingIsSignalled) {
  ProcessIdentity process = identity_of(::getpid());
  for (const std::int64_t pid :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{-::getpid()}, limits::kMaxPid + 1,
        (std::int64_t{1} << 32) + ::getpid(), std::int64_t{1} << 62, -(std::int64_t{1} << 62)}) {
    process.pid = pid;
    EXPECT_EQ(judged(process), Life::Dead) << pid;
    EXPECT_EQ(identify_process(pid).error().code, ErrorCode::InvalidConfig) << pid;
  }
}

TEST(ProcessIdentity, AnotherBootIsDeadAndAnotherNamespaceUnknown) {
  const ProcessIdentity self = identity_of(::getpid());
  ProcessIdentity before = self;
  before.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_EQ(judged(before), Life::Dead);
  ProcessIdentity elsewhere = self;
  elsewhere.namespaces = "pid:[1] time:[2]";
  EXPECT_EQ(judged(elsewhere), Life::Unknown);
  before.namespaces = elsewhere.namespaces;
  EXPECT_EQ(judged(before), Life::Dead);  // whatever namespaces there were
  ProcessIdentity unsaid = self;
  unsaid.boot_id.clear();
  unsaid.namespaces.clear();
  EXPECT_EQ(judged(unsaid), Life::Alive);
}

// As a user who may not signal process 1.
int judge_without_permission(const ProcessIdentity& first) {
  if (::geteuid() == 0 &&
      (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0)) {
    return 10;
  }
  if (::kill(1, 0) == 0 || errno != EPERM) return 11;
  return judged(first) == Life::Alive ? 0 : 12;
}

TEST(ProcessIdentity, NoPermissionToSignalMeansAlive) {
  const ProcessIdentity first = identity_of(1);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(judge_without_permission(first));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(ProcessIdentity, AThreadIsNoProcess) {
  std::mutex mutex;
  std::condition_variable changed;
  pid_t id = 0;
  bool over = false;
  std::thread thread([&] {
    std::unique_lock lock(mutex);
    id = static_cast<pid_t>(::syscall(SYS_gettid));
    changed.notify_all();
    changed.wait(lock, [&] { return over; });
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return id != 0; });
  }
  const auto refused = identify_process(id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  // Recorded as the process that had this id before, it is told by its start time.
  ProcessIdentity earlier = identity_of(::getpid());
  earlier.pid = id;
  earlier.start_ticks -= 1;
  EXPECT_EQ(judged(earlier), Life::Dead);
  {
    const std::lock_guard lock(mutex);
    over = true;
    changed.notify_all();
  }
  thread.join();
}

TEST(ProcessStat, IsReadBehindANameOfAnySort) {
  const std::string rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 2 0 221473 99 98\n";
  for (const char* name : {"(sleep)", "(a b)", "(x) Z 1 (y)", "())", "(\n)"}) {
    const auto stat = parse_process_stat("4711 " + std::string(name) + rest);
    ASSERT_TRUE(stat) << name;
    EXPECT_EQ(stat->state, 'S');
    EXPECT_EQ(stat->threads, 2);
    EXPECT_EQ(stat->start_ticks, 221473u);
  }
  for (const char* text :
       {"", "1", "1 (x)", "1 (x) S 1 2", "1 x S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 2 0 5"}) {
    EXPECT_FALSE(parse_process_stat(text)) << text;
  }
}

TEST(ProcessStat, AZombieOfSeveralThreadsLives) {
  EXPECT_TRUE((ProcessStat{'Z', 1, 1}.ended()));
  EXPECT_FALSE((ProcessStat{'Z', 2, 1}.ended()));
  EXPECT_FALSE((ProcessStat{'T', 1, 1}.ended()));
}

}  // namespace
}  // namespace rollcall::test
