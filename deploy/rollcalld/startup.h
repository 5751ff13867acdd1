// What main() chooses between: check the configuration, or serve until the end. Errors are told on
// standard error for a person, and by the exit status for a script.
#pragma once

#include "deploy/rollcalld/command_line.h"
#include "deploy/rollcalld/exit_code.h"

namespace rollcall {

// Touches neither the network nor the state directory; names all problems together.
ExitCode check_config(const CommandLine& line);
ExitCode serve(const CommandLine& line);

}  // namespace rollcall
