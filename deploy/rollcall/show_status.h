// `rollcall status`: what is, what is wrong, and what to do about it.
//
// Pure functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "rollcall/v1/admin.pb.h"

namespace rollcall::cli {

// Something that an operator should know now, the gravest first.
struct Finding {
  std::string what;  // one sentence
  std::string act;   // a command or a place to look; empty: nothing to do
};
std::vector<Finding> diagnose(const v1::GetStatusResponse& status,
                              const v1::ListProvidersResponse& providers);

std::string status_text(const v1::GetStatusResponse& status,
                        const v1::ListProvidersResponse& providers);
Result<std::string> status_json(const v1::GetStatusResponse& status,
                                const v1::ListProvidersResponse& providers);

}  // namespace rollcall::cli
