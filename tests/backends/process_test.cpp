#include "tests/backends/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

namespace rollcall::test {
namespace {

using namespace std::chrono_literals;

Process::Options shell(const TempDir& dir, const std::string& script) {
  return {.argv = {"/bin/sh", "-c", script},
          .environment = {},
          .output = dir / "output",
          .input = {},
          .directory = {}};
}

TEST(Process, ReportsTheExitCodeAndTheOutput) {
  const auto finished = run({"/bin/sh", "-c", "cat; echo err >&2; exit 3"}, 10s, "hello\n");
  ASSERT_TRUE(finished) << finished.error();
  EXPECT_EQ(finished->exit.code, 3);
  EXPECT_EQ(finished->output, "hello\nerr\n");
}

TEST(Process, SaysWhatCannotBeStarted) {
  const auto process = Process::start({.argv = {"/nonexistent/server"},
                                       .environment = {},
                                       .output = {},
                                       .input = {},
                                       .directory = {}});
  ASSERT_FALSE(process);
  EXPECT_NE(process.error().find("/nonexistent/server"), std::string::npos);
}

TEST(Process, GivesTheEnvironmentAndReplacesWhatIsThere) {
  const TempDir dir;
  auto options = shell(dir, "echo $ROLLCALL_PROBE $HOME");
  options.environment = {{"ROLLCALL_PROBE", "yes"}, {"HOME", "/elsewhere"}};
  auto process = Process::start(options);
  ASSERT_TRUE(process) << process.error();
  ASSERT_TRUE(process->wait(10s));
  EXPECT_EQ(process->output_tail(), "yes /elsewhere\n");
}

TEST(Process, WaitsNoLongerThanTheLimit) {
  const TempDir dir;
  auto process = Process::start(shell(dir, "read line < /dev/tty || exec tail -f /dev/null"));
  ASSERT_TRUE(process) << process.error();
  EXPECT_FALSE(process->wait(1ms));
  EXPECT_TRUE(process->running());
  process->kill();
  const auto exit = process->wait(0ms);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->signal, SIGKILL);
  EXPECT_FALSE(process->signal(SIGTERM));
}

TEST(Process, PausedItIsSilentAndResumedItGoesOn) {
  const TempDir dir;
  auto process = Process::start(shell(dir, "trap 'echo bye; exit 0' TERM; while :; do :; done"));
  ASSERT_TRUE(process) << process.error();
  ASSERT_TRUE(process->pause());
  const std::string stat = read_file("/proc/" + std::to_string(process->pid()) + "/stat");
  EXPECT_NE(stat.find(") T "), std::string::npos) << stat;
  ASSERT_TRUE(process->resume());
  process->signal(SIGKILL);
  ASSERT_TRUE(process->wait(10s));
}

TEST(Process, APausedOneCanBeKilled) {
  const TempDir dir;
  auto process = Process::start(shell(dir, "exec tail -f /dev/null"));
  ASSERT_TRUE(process) << process.error();
  ASSERT_TRUE(process->pause());
  process->kill();
  EXPECT_FALSE(process->running());
}

TEST(Process, ItDiesWithTheProcessThatStartedIt) {
  const TempDir dir;
  const pid_t middle = fork();
  ASSERT_GE(middle, 0);
  if (middle == 0) {  // starts a child and ends without tidying up, as a crashed test would
    auto child = Process::start(shell(dir, "exec tail -f /dev/null"));
    if (child) write_file(dir / "pid", std::to_string(child->pid()));
    ::kill(::getpid(), SIGKILL);
  }
  ASSERT_EQ(waitpid(middle, nullptr, 0), middle);
  const std::string pid = read_file(dir / "pid");
  ASSERT_FALSE(pid.empty());
  // Gone, or a zombie that whoever adopted it has not collected yet.
  EXPECT_TRUE(eventually(10s, [&] {
    const std::string stat = read_file("/proc/" + pid + "/stat");
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  }));
}

TEST(Environment, PortsAreDistinctAndBelowTheEphemeralRange) {
  const auto ports = free_ports(50);
  ASSERT_EQ(ports.size(), 50U);
  EXPECT_EQ(std::set(ports.begin(), ports.end()).size(), 50U);
  for (const auto port : ports) EXPECT_LT(port, 32'768);
}

TEST(Environment, ATempDirIsGoneAfterwards) {
  std::filesystem::path path;
  {
    const TempDir dir;
    path = dir.path();
    write_file(dir / "a", "x");
    EXPECT_EQ(read_file(dir / "a"), "x");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Environment, AServerThatIsNamedButMissingIsAnError) {
  setenv("ROLLCALL_TEST_SERVER", "/nonexistent", 1);
  const auto found = find_server("ROLLCALL_TEST_SERVER", "sh", "none");
  unsetenv("ROLLCALL_TEST_SERVER");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().find("/nonexistent"), std::string::npos);
  EXPECT_TRUE(find_server("ROLLCALL_TEST_SERVER", "sh", "none"));
}

}  // namespace
}  // namespace rollcall::test
