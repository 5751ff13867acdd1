// What rollcalld's exit status says, for scripts and service managers (documented in --help).
#pragma once

#include "core/error.h"

namespace rollcall {

enum class ExitCode : int {
  Ok = 0,             // drained and ended in order; --check-config: nothing is wrong
  Failed = 1,         // anything not named below
  Usage = 2,          // a flag is wrong
  Config = 3,         // INVALID_CONFIG: file, environment or flags
  StateLocked = 4,    // STORE_LOCKED: another process holds the state directory
  StateUnusable = 5,  // STORE_CORRUPTED, STORE_IO; the message names the command that recovers
  CannotListen = 6,   // an address is taken or may not be used
};

ExitCode exit_code_of(ErrorCode code);

}  // namespace rollcall
