// Plug-ins that outlive SIGKILL can't be made here; children that end when they are told to stand
// for them.
#include "providers/custom/left_plugins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "providers/custom/limits.h"
#include "providers/custom/plugin_process.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

// Children that live until end_all().
class LeftPluginsTest : public ::testing::Test {
 protected:
  LeftPluginsTest() { EXPECT_EQ(::pipe(ends_), 0); }
  ~LeftPluginsTest() override {
    end_all();
    ::close(ends_[0]);
  }
  pid_t child() {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::setpgid(0, 0);
    ::close(ends_[1]);
    char byte = 0;
    ::_exit(::read(ends_[0], &byte, 1) == 0 ? 0 : 1);
  }
  void end_all() {
    if (ends_[1] >= 0) ::close(std::exchange(ends_[1], -1));
  }

  int ends_[2] = {-1, -1};
};

TEST_F(LeftPluginsTest, AreCollectedOnceTheyHaveEnded) {
  LeftPlugins left;
  const pid_t pid = child();
  ASSERT_GT(pid, 0);
  left.add(pid);
  EXPECT_EQ(left.collect(), 1u);
  end_all();
  EXPECT_TRUE(comes_to([&] { return left.collect(); }, 0));
  const pid_t waited = ::waitpid(pid, nullptr, WNOHANG);
  const int error = errno;
  EXPECT_EQ(waited, -1);  // no zombie is left
  EXPECT_EQ(error, ECHILD);
}

TEST_F(LeftPluginsTest, NoMoreAreStartedWhereManyAreLeft) {
  PluginSettings settings;
  settings.command = "/bin/true";
  settings.left = std::make_shared<LeftPlugins>();
  for (std::size_t i = 0; i < limits::kMaxLeftPlugins; ++i) {
    const pid_t pid = child();
    ASSERT_GT(pid, 0);
    settings.left->add(pid);
  }
  const auto refused = PluginProcess::start(settings);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::BackendUnavailable);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("still there"));
  end_all();
  EXPECT_TRUE(comes_to([&] { return settings.left->collect(); }, 0));
  EXPECT_TRUE(PluginProcess::start(settings).has_value());
}

}  // namespace
}  // namespace rollcall::test
