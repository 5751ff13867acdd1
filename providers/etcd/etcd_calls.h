// EtcdCalls: the calls that run, so that cancel() ends them, whatever they wait for.
//
// Threads: any. Each call registers for as long as its context lives.
#pragma once

#include <grpcpp/client_context.h>

#include <mutex>
#include <vector>

namespace rollcall {

class EtcdCalls {
 public:
  void cancel() noexcept;
  bool cancelled() const noexcept;

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
  mutable std::mutex mutex_;  // guards both
  std::vector<grpc::ClientContext*> running_;
  bool cancelled_ = false;
};

}  // namespace rollcall
