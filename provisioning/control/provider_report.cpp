#include "provisioning/control/provider_report.h"

#include <utility>

namespace rollcall {
namespace {

bool is_invalid(ErrorCode code) {
  return code == ErrorCode::MalformedResponse || code == ErrorCode::CapabilityMissing;
}

}  // namespace

void ProviderReport::add(Answer next) {
  answer = std::move(next);
  errors_before += std::exchange(errors_after, 0);
  invalid_after = 0;
}

void ProviderReport::add(const FailedAnswer& failure) {
  ++errors_after;
  if (is_invalid(failure.code)) ++invalid_after;
  last_error = failure.code;
  last_error_detail = failure.detail;
}

void ProviderReport::add(const Terminated& end) {
  if (!terminated) terminated = end;
}

void ProviderReport::merge(ProviderReport later) {
  if (later.generation < generation) return;
  if (generation < later.generation) {
    *this = std::move(later);
    return;
  }
  errors_before += later.errors_before;
  if (later.answer) {
    errors_before += std::exchange(errors_after, 0);
    invalid_after = 0;
    answer = std::move(later.answer);
  }
  errors_after += later.errors_after;
  invalid_after += later.invalid_after;
  if (later.last_error) {
    last_error = later.last_error;
    last_error_detail = std::move(later.last_error_detail);
  }
  if (!terminated) terminated = std::move(later.terminated);
}

}  // namespace rollcall
