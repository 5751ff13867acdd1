// How an error is shown: code, message, and each problem on a line of its own (SPEC 8).
//
// Pure functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "core/codec/json_writer.h"
#include "core/error.h"
#include "deploy/rollcall/exit_code.h"

namespace rollcall::cli {

//   error: INVALID_CONFIG: the descriptor is refused
//     providers[0].watch_params.path: found "x", expected an absolute path
//     … and 3 more problems
std::string error_text(const ProvisioningError& error);
// {"error":{"code":…,"message":…,"problems":[…],"total_problems":…}}
std::string error_json(const ProvisioningError& error);

// The lines of the problems, indented.
std::string problems_text(const std::vector<Problem>& problems, std::uint32_t total);
void write_problems(JsonWriter& writer, const std::vector<Problem>& problems, std::uint32_t total);

}  // namespace rollcall::cli
