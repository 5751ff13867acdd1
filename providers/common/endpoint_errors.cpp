#include "providers/common/endpoint_errors.h"

#include <algorithm>
#include <array>

#include "core/text.h"
#include "providers/common/limits.h"

namespace rollcall {
namespace {

// From vague to specific.
int specificity(ErrorCode code) {
  static constexpr std::array kOrder{
      ErrorCode::BackendUnavailable, ErrorCode::Timeout,           ErrorCode::LimitExceeded,
      ErrorCode::CapabilityMissing,  ErrorCode::MalformedResponse, ErrorCode::InvalidConfig,
      ErrorCode::PermissionDenied,   ErrorCode::AuthFailed,        ErrorCode::IndexRollback};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), code) - kOrder.begin());
}

}  // namespace

bool may_differ_elsewhere(ErrorCode code) {
  return code != ErrorCode::ShuttingDown && code != ErrorCode::IndexRollback;
}

void EndpointErrors::add(const ProvisioningError& error) {
  if (!any_ || specificity(error.code) > specificity(code_)) code_ = error.code;
  if (any_) detail_ += "; ";
  detail_ += error.message;
  any_ = true;
}

std::string EndpointErrors::detail() const {
  return printable(detail_, limits::kMaxFailureDetailBytes);
}

}  // namespace rollcall
