// EtcdCalls: the calls that run, so that cancel() ends them, whatever they wait for.
//
// Threads: any. Each call registers for as long as its context lives; the token is for waits that
// are no calls.
#pragma once

#include <grpcpp/client_context.h>

#include <mutex>
#include <vector>

#include "providers/common/cancel.h"

namespace rollcall {

class EtcdCalls {
 public:
  void cancel() noexcept;
  bool cancelled() const noexcept { return token_.cancelled(); }
  const Cancel& token() const { return token_; }

  // While it lives, cancel() cancels the context too; at once, if that was before.
  class Registered {
   public:
    Registered(EtcdCalls& calls, grpc::ClientContext& context);
    ~Registered();
    Registered(const Registered&) = delete;
    Registered& operator=(const Registered&) = delete;

   private:
    EtcdCalls& calls_;
    grpc::ClientContext& context_;
  };

 private:
  Cancel token_;
  std::mutex mutex_;  // guards running_
  std::vector<grpc::ClientContext*> running_;
};

}  // namespace rollcall
