// What every fuzz target needs: a check that ends the program, and the promises of every error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "core/limits.h"
#include "core/text.h"

namespace rollcall::fuzz {

inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void require_structured(const ProvisioningError& error) {
  require(!error.message.empty(), "an error has a message");
  require(is_valid_utf8(error.message), "a message is UTF-8");
  require(!has_control_characters(error.message), "a message is one plain line");
  require(error.problems.size() <= limits::kMaxProblems, "problems are bounded");
  require(error.total_problems >= error.problems.size(), "all problems are counted");
  for (const Problem& problem : error.problems) {
    require(is_valid_utf8(problem.field) && is_valid_utf8(problem.value), "problems are UTF-8");
    require(problem.value.size() <= limits::kMaxProblemValueBytes, "values are bounded");
  }
}

}  // namespace rollcall::fuzz
