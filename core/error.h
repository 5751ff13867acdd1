// What can go wrong, as values (DESIGN style rule 1; codes from SPEC 8). Names are stable: they
// appear in responses, events, log lines and metric labels, and tests rely on them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace rollcall {

enum class ErrorCode : std::uint8_t {
  InvalidConfig = 1,
  DuplicateName = 2,
  NotFound = 3,
  RevisionConflict = 4,
  CapabilityMissing = 5,
  BackendUnavailable = 6,
  Timeout = 7,
  AuthFailed = 8,
  IndexRollback = 9,
  MalformedResponse = 10,
  LimitExceeded = 11,
  ProviderUnhealthy = 12,
  ProvisioningUnavailable = 13,
  NoSnapshot = 14,
  OutOfOrder = 15,
  ShuttingDown = 16,
  StoreCorrupted = 17,
  StoreLocked = 18,
  StoreIo = 19,
  PermissionDenied = 20,
};
inline constexpr std::size_t kErrorCodeCount = 20;

// "INVALID_CONFIG" … ; never empty.
std::string_view to_string(ErrorCode code);
std::optional<ErrorCode> error_code_from_string(std::string_view name);

// One thing wrong with an input: where ("providers[2].watch_params.service"), what was found
// (never a secret; cut to 128 bytes), what was expected ("a non-empty string").
struct Problem {
  std::string field;
  std::string value;
  std::string expected;
  friend bool operator==(const Problem&, const Problem&) = default;
};

struct ProvisioningError {
  ErrorCode code = ErrorCode::InvalidConfig;
  std::string message;            // one sentence for a person; names what to do where that is known
  std::vector<Problem> problems;  // every problem at once, the first limits::kMaxProblems of them
  std::uint32_t total_problems = 0;  // how many there were, those left out included
};

template <class T>
using Result = tl::expected<T, ProvisioningError>;

inline tl::unexpected<ProvisioningError> fail(ErrorCode code, std::string message) {
  return tl::unexpected<ProvisioningError>(ProvisioningError{code, std::move(message), {}, 0});
}
// `problems` must not be empty. The message gains the first problem, so that it reads alone.
tl::unexpected<ProvisioningError> fail(ErrorCode code, std::string message,
                                       std::vector<Problem> problems);

}  // namespace rollcall
