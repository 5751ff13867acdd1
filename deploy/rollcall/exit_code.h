// What rollcall's exit status says, for scripts (documented in --help and in the README).
#pragma once

#include "core/error.h"

namespace rollcall::cli {

enum class ExitCode : int {
  Ok = 0,        // done
  Refused = 1,   // the sidecar, or the process registry, answered with an error; it is printed
  Usage = 2,     // an argument or an input file is wrong; nothing was sent
  NoAnswer = 3,  // the sidecar could not be reached, or it (local: the lock's holder) took too long
  Unhealthy = 4,    // status --check: something needs attention
  BrokenStore = 5,  // store verify, local: a state file, or the process registry, is broken
  NoOutput = 6      // the output could not be written; what was asked may be done
};

}  // namespace rollcall::cli
