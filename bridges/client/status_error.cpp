#include "bridges/client/status_error.h"

#include <grpcpp/support/status.h>

#include <optional>
#include <string>

#include "core/limits.h"
#include "core/text.h"
#include "rollcall/v1/error.pb.h"

namespace rollcall::client {
namespace {

constexpr std::string_view kDetailName = "/rollcall.v1.ErrorDetail";
constexpr std::string_view kNoAnswer = "no answer from rollcalld at ";
constexpr std::size_t kMaxMessageBytes = 1024;  // of a status; longer ones are not for people

ErrorCode code_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return ErrorCode::InvalidConfig;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ErrorCode::Timeout;
    case grpc::StatusCode::NOT_FOUND:
      return ErrorCode::NotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
      return ErrorCode::DuplicateName;
    case grpc::StatusCode::PERMISSION_DENIED:
      return ErrorCode::PermissionDenied;
    case grpc::StatusCode::UNAUTHENTICATED:
      return ErrorCode::AuthFailed;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ErrorCode::LimitExceeded;
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::OUT_OF_RANGE:
      return ErrorCode::OutOfOrder;
    case grpc::StatusCode::UNIMPLEMENTED:
      return ErrorCode::CapabilityMissing;
    case grpc::StatusCode::CANCELLED:
      return ErrorCode::ShuttingDown;
    case grpc::StatusCode::UNAVAILABLE:
      return ErrorCode::ProvisioningUnavailable;
    default:
      return ErrorCode::MalformedResponse;
  }
}

std::optional<v1::ErrorDetail> detail_of(const std::string& bytes) {
  v1::Status status;
  if (bytes.empty() || !status.ParseFromString(bytes)) return {};
  for (const auto& any : status.details()) {
    if (!any.type_url().ends_with(kDetailName)) continue;
    v1::ErrorDetail detail;
    if (detail.ParseFromString(any.value())) return detail;
  }
  return {};
}

}  // namespace

ProvisioningError error_of(const grpc::Status& status, std::string_view server) {
  ProvisioningError error;
  error.code = code_of(status.error_code());
  error.message = printable(status.error_message(), kMaxMessageBytes);
  if (const auto detail = detail_of(status.error_details())) {
    // A code of a newer sidecar: what the status says of it is next best.
    error.code = error_code_from_string(detail->code()).value_or(error.code);
    if (!detail->message().empty()) {
      error.message = printable(detail->message(), kMaxMessageBytes);
    }
    for (const auto& problem : detail->problems()) {
      if (error.problems.size() >= rollcall::limits::kMaxProblems) break;
      error.problems.push_back({problem.field(), problem.value(), problem.expected()});
    }
    error.total_problems = detail->total_problems();
    return error;
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    error.message = std::string(kNoAnswer) + std::string(server) + " (" + error.message +
                    "); is it running, and is this its address?";
  } else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    error.message = std::string(kNoAnswer) + std::string(server) + " in time";
  }
  return error;
}

bool is_no_answer(const ProvisioningError& error) { return error.message.starts_with(kNoAnswer); }

}  // namespace rollcall::client
