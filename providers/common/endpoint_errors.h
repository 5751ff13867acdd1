// Trying one endpoint after another of the same backend: which failures are worth another try, and
// which of several to report. Pure, any thread; an object belongs to one.
#pragma once

#include <string>

#include "core/error.h"

namespace rollcall {

// Whether the round goes on to the next endpoint. A refusal is no reason to stop: whose certificate
// has expired, which URL is gone and which proxy wants another token is the endpoint's own affair,
// and a round that ended there would never ask the others. A history that broke is told where it
// was seen (at another endpoint it would be none), and who was cancelled asks nobody.
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
