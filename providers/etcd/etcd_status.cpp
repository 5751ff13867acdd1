#include "providers/etcd/etcd_status.h"

#include <algorithm>
#include <initializer_list>

#include "core/text.h"

namespace rollcall {
namespace {

constexpr std::size_t kShownBytes = 240;

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}

// etcd's own words, which it uses with several codes, and in a watch with none.
bool about_identity(std::string_view text) {
  return contains_any(text, {"invalid auth token", "authentication failed", "user name is empty",
                             "auth store is old", "revision in header is old"});
}

bool about_another_protocol(std::string_view text) {
  return contains_any(text, {"http1.x server", "Received http2 header with status",
                             "Bad Content-Type", "content-type"});
}

ErrorCode code_of(const grpc::Status& status) {
  const std::string& text = status.error_message();
  if (about_identity(text)) return ErrorCode::AuthFailed;
  if (about_another_protocol(text)) return ErrorCode::MalformedResponse;
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ErrorCode::Timeout;
    case grpc::StatusCode::UNAUTHENTICATED:
      return ErrorCode::AuthFailed;
    case grpc::StatusCode::PERMISSION_DENIED:
      return ErrorCode::PermissionDenied;
    case grpc::StatusCode::UNIMPLEMENTED:
      return ErrorCode::CapabilityMissing;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return ErrorCode::MalformedResponse;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return etcd_message_too_large(status) ? ErrorCode::LimitExceeded
                                            : ErrorCode::BackendUnavailable;
    default:
      return ErrorCode::BackendUnavailable;
  }
}

}  // namespace

ProvisioningError etcd_error(const grpc::Status& status, bool cancelled) {
  if (cancelled) return {ErrorCode::ShuttingDown, "cancelled", {}, 0};
  std::string text = printable(status.error_message(), kShownBytes);
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) text = "no answer in time";
  if (text.empty()) {
    text = "gRPC status " + std::to_string(static_cast<int>(status.error_code()));
  }
  return {code_of(status), std::move(text), {}, 0};
}

ProvisioningError etcd_watch_error(std::string_view reason) {
  ErrorCode code = ErrorCode::BackendUnavailable;
  if (about_identity(reason)) {
    code = ErrorCode::AuthFailed;
  } else if (contains_any(reason, {"permission denied"})) {
    code = ErrorCode::PermissionDenied;
  }
  const std::string why = reason.empty() ? "no reason given" : printable(reason, kShownBytes);
  return {code, "the watch was cancelled: " + why, {}, 0};
}

bool etcd_wants_sign_in(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
         contains_any(status.error_message(), {"invalid auth token", "user name is empty",
                                               "auth store is old", "revision in header is old"});
}

bool etcd_auth_is_off(const grpc::Status& status) {
  return contains_any(status.error_message(), {"authentication is not enabled"});
}

bool etcd_compacted(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::OUT_OF_RANGE &&
         contains_any(status.error_message(), {"has been compacted"});
}

bool etcd_message_too_large(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
         contains_any(status.error_message(), {"larger than max"});
}

}  // namespace rollcall
