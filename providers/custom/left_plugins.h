// LeftPlugins: plug-ins that SIGKILL did not end in time, because the kernel holds them (a disk or
// a network file system that does not answer). Whoever ended them does not wait on: they are
// collected, so that no zombie stays, when another one is to be started.
//
// Threads: any. One for all plug-ins of a process; it outlives the providers.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <mutex>
#include <vector>

namespace rollcall {

class LeftPlugins {
 public:
  // A child of this process that nobody else will wait for; it leads its process group.
  void add(pid_t pid);
  // Collects those that have ended. How many are left.
  std::size_t collect();

 private:
  std::mutex mutex_;  // guards pids_
  std::vector<pid_t> pids_;
};

}  // namespace rollcall
