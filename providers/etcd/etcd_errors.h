// EtcdErrors: of several endpoints' errors the one to report: the most specific code (a refusal
// says more than silence), and all messages as far as they fit.
//
// Threads: a value.
#pragma once

#include <string>

#include "core/error.h"

namespace rollcall {

class EtcdErrors {
 public:
  void add(const ProvisioningError& error);
  ErrorCode code() const { return code_; }
  std::string detail() const;  // fits into a FailedAnswer

 private:
  bool any_ = false;
  ErrorCode code_ = ErrorCode::BackendUnavailable;
  std::string detail_;
};

}  // namespace rollcall
