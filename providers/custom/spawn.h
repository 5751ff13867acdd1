// spawn: starts a program from a process with many threads. Between fork() and execve() only
// async-signal-safe calls are made, on memory that was made ready before.
//
// The child has: its own process group, SIGKILL when the thread that called spawn() ends
// (PR_SET_PDEATHSIG; so that thread must outlive it), no privileges to gain (no_new_privs, without
// which a set-user-id program would lose that signal), stdin, stdout and stderr and no other
// descriptor, default signals, umask 077, the directory "/".
//
// Threads: any.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "providers/common/unique_fd.h"

namespace rollcall {

struct SpawnRequest {
  std::vector<std::string> argv;         // argv[0]: the absolute path of the program
  std::vector<std::string> environment;  // "NAME=value", all of it
  int input = -1;                        // becomes stdin; stays the caller's
  int output = -1;                       // becomes stdout and stderr; stays the caller's
};

struct Spawned {
  pid_t pid = -1;
  UniqueFd pidfd;  // readable once it has ended
};

// Returns when the program runs. INVALID_CONFIG: there is no such program, or it can't be executed;
// PERMISSION_DENIED: it may not be, or others may write to it; BACKEND_UNAVAILABLE: the system has
// no room for another process.
Result<Spawned> spawn(const SpawnRequest& request);

}  // namespace rollcall
