#include "bridges/stream/status_detail.h"

#include <algorithm>
#include <string>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

// Of the message, which travels twice: in the detail and, percent-encoded, in grpc-message.
constexpr std::size_t kMaxMessageBytes = 768;
// Code, type name and framing around the detail.
constexpr std::size_t kEnvelopeBytes = 128 + kMaxMessageBytes;
constexpr const char* kTypeUrl = "type.googleapis.com/rollcall.v1.ErrorDetail";

std::string text(const std::string& from, std::size_t max_bytes) {
  return printable(from, max_bytes);
}

}  // namespace

grpc::StatusCode grpc_code(ErrorCode code) {
  using grpc::StatusCode;
  switch (code) {
    case ErrorCode::InvalidConfig:
      return StatusCode::INVALID_ARGUMENT;
    case ErrorCode::DuplicateName:
      return StatusCode::ALREADY_EXISTS;
    case ErrorCode::NotFound:
      return StatusCode::NOT_FOUND;
    case ErrorCode::RevisionConflict:
      return StatusCode::ABORTED;
    case ErrorCode::CapabilityMissing:
      return StatusCode::FAILED_PRECONDITION;
    case ErrorCode::BackendUnavailable:
      return StatusCode::UNAVAILABLE;
    case ErrorCode::Timeout:
      return StatusCode::DEADLINE_EXCEEDED;
    // The backend refused *our* credentials; UNAUTHENTICATED would speak of the caller's.
    case ErrorCode::AuthFailed:
      return StatusCode::FAILED_PRECONDITION;
    case ErrorCode::IndexRollback:
      return StatusCode::FAILED_PRECONDITION;
    case ErrorCode::MalformedResponse:
      return StatusCode::INTERNAL;
    case ErrorCode::LimitExceeded:
      return StatusCode::RESOURCE_EXHAUSTED;
    case ErrorCode::ProviderUnhealthy:
      return StatusCode::FAILED_PRECONDITION;
    case ErrorCode::ProvisioningUnavailable:
      return StatusCode::UNAVAILABLE;
    case ErrorCode::NoSnapshot:
      return StatusCode::UNAVAILABLE;
    case ErrorCode::OutOfOrder:
      return StatusCode::ABORTED;
    case ErrorCode::ShuttingDown:
      return StatusCode::UNAVAILABLE;
    case ErrorCode::StoreCorrupted:
      return StatusCode::DATA_LOSS;
    case ErrorCode::StoreLocked:
      return StatusCode::FAILED_PRECONDITION;
    case ErrorCode::StoreIo:
      return StatusCode::INTERNAL;
    case ErrorCode::PermissionDenied:
      return StatusCode::PERMISSION_DENIED;
  }
  return StatusCode::UNKNOWN;
}

v1::ErrorDetail to_detail(const ProvisioningError& error, std::size_t max_bytes) {
  v1::ErrorDetail detail;
  detail.set_code(std::string(to_string(error.code)));
  detail.set_message(text(error.message, kMaxMessageBytes));
  detail.set_total_problems(
      std::max(error.total_problems, static_cast<std::uint32_t>(error.problems.size())));
  for (const Problem& problem : error.problems) {
    if (detail.problems_size() >= static_cast<int>(limits::kMaxDetailProblems)) break;
    auto* to = detail.add_problems();
    to->set_field(text(problem.field, limits::kMaxProblemFieldBytes));
    to->set_value(text(problem.value, limits::kMaxProblemValueBytes));
    to->set_expected(text(problem.expected, limits::kMaxProblemFieldBytes));
    if (detail.ByteSizeLong() > max_bytes) {
      detail.mutable_problems()->RemoveLast();
      break;
    }
  }
  return detail;
}

grpc::Status to_status(const ProvisioningError& error) {
  const grpc::StatusCode code = grpc_code(error.code);
  v1::Status status;
  status.set_code(static_cast<int>(code));
  status.set_message(text(error.message, kMaxMessageBytes));
  auto* any = status.add_details();
  any->set_type_url(kTypeUrl);
  any->set_value(
      to_detail(error, limits::kMaxErrorDetailBytes - kEnvelopeBytes).SerializeAsString());
  return grpc::Status(code, status.message(), status.SerializeAsString());
}

}  // namespace rollcall
