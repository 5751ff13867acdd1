#include "providers/custom/left_plugins.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace rollcall {
namespace {

// Whether it has ended; then it is collected, and what is left of its group ended too.
bool collected(pid_t pid) {
  siginfo_t end{};
  const auto id = static_cast<id_t>(pid);
  if (::waitid(P_PID, id, &end, WEXITED | WNOHANG | WNOWAIT) != 0) return errno == ECHILD;
  if (end.si_pid == 0) return false;
  // Before its number, which is its group's too, can be another's.
  ::kill(-pid, SIGKILL);
  ::waitid(P_PID, id, &end, WEXITED | WNOHANG);
  return true;
}

}  // namespace

void LeftPlugins::add(pid_t pid) {
  const std::lock_guard lock(mutex_);
  pids_.push_back(pid);
}

std::size_t LeftPlugins::collect() {
  const std::lock_guard lock(mutex_);
  std::erase_if(pids_, collected);
  return pids_.size();
}

}  // namespace rollcall
