// What rollcall's exit status says, for scripts (documented in --help and in the README).
#pragma once

#include "core/error.h"

namespace rollcall::cli {

enum class ExitCode : int {
  Ok = 0,          // done
  Refused = 1,     // the sidecar answered with an error; its code is printed
  Usage = 2,       // an argument or an input file is wrong; nothing was sent
  NoAnswer = 3,    // the sidecar could not be reached, or did not answer in time
  Unhealthy = 4,   // status --check: something needs attention
  BrokenStore = 5  // store verify: a state file is broken
};

}  // namespace rollcall::cli
