#include "core/error.h"

#include <cstdlib>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

constexpr std::array<std::string_view, kErrorCodeCount> kErrorNames = {
    "INVALID_CONFIG",           "DUPLICATE_NAME",      "NOT_FOUND",      "REVISION_CONFLICT",
    "CAPABILITY_MISSING",       "BACKEND_UNAVAILABLE", "TIMEOUT",        "AUTH_FAILED",
    "INDEX_ROLLBACK",           "MALFORMED_RESPONSE",  "LIMIT_EXCEEDED", "PROVIDER_UNHEALTHY",
    "PROVISIONING_UNAVAILABLE", "NO_SNAPSHOT",         "OUT_OF_ORDER",   "SHUTTING_DOWN",
    "STORE_CORRUPTED",          "STORE_LOCKED",        "STORE_IO",       "PERMISSION_DENIED",
};

}  // namespace

std::string_view to_string(ErrorCode code) {
  const auto index = static_cast<std::size_t>(code) - 1;
  return index < kErrorNames.size() ? kErrorNames[index] : std::string_view("UNKNOWN");
}

std::optional<ErrorCode> error_code_from_string(std::string_view name) {
  for (std::size_t i = 0; i < kErrorNames.size(); ++i) {
    if (kErrorNames[i] == name) return static_cast<ErrorCode>(i + 1);
  }
  return std::nullopt;
}

tl::unexpected<ProvisioningError> fail(ErrorCode code, std::string message,
                                       std::vector<Problem> problems) {
  if (problems.empty()) std::abort();  // the caller found nothing wrong, and yet refuses
  ProvisioningError error{code, std::move(message), std::move(problems), 0};
  error.total_problems = static_cast<std::uint32_t>(error.problems.size());
  if (error.problems.size() > limits::kMaxProblems) error.problems.resize(limits::kMaxProblems);
  for (Problem& problem : error.problems) {
    problem.field = printable(problem.field, limits::kMaxProblemFieldBytes);
    problem.value = printable(problem.value, limits::kMaxProblemValueBytes);
  }
  const Problem& first = error.problems.front();
  error.message += ": ";
  if (!first.field.empty()) error.message += first.field + ": ";
  error.message += "expected " + first.expected;
  if (!first.value.empty()) error.message += ", found " + first.value;
  if (error.total_problems > 1) {
    error.message += " (and " + std::to_string(error.total_problems - 1) + " more)";
  }
  return tl::unexpected<ProvisioningError>(std::move(error));
}

}  // namespace rollcall
