// Several endpoints of one backend that failed one after another: which of their errors is told.
//
// Threads: an object belongs to one.
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
  ErrorCode code() const { return code_; }
  std::string detail() const;

 private:
  bool any_ = false;
  ErrorCode code_ = ErrorCode::BackendUnavailable;
  std::string detail_;
};

}  // namespace rollcall
