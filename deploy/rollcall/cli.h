// The command line of `rollcall`: what may be written, and which command it is.
//
// Threads: called once by main; by tests, one after another.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "bridges/client/default_server.h"

namespace rollcall::cli {

// `arguments` without the program's name. The result is the exit status (exit_code.h).
int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err,
        const client::Surroundings& surroundings);

}  // namespace rollcall::cli
