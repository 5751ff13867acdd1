// Trying one endpoint after another of the same backend: which failures are worth another try, and
// which of several to report. Pure, any thread; an object belongs to one.
#pragma once

#include <string>

#include "core/error.h"

namespace rollcall {

// Whether another endpoint of the same cluster may do better.
bool may_differ_elsewhere(ErrorCode code);

// Of several endpoints' errors the one to report: the most specific code (a refusal says more than
// silence), and all messages as far as they fit.
class EndpointErrors {
 public:
  void add(const ProvisioningError& error);
  bool any() const { return any_; }
  ErrorCode code() const { return code_; }
  std::string detail() const;  // at most kMaxFailureDetailBytes

 private:
  bool any_ = false;
  ErrorCode code_ = ErrorCode::BackendUnavailable;
  std::string detail_;
};

}  // namespace rollcall
