#include "providers/etcd/etcd_calls.h"

#include <algorithm>

namespace rollcall {

void EtcdCalls::cancel() noexcept {
  token_.cancel();
  const std::lock_guard lock(mutex_);
  for (grpc::ClientContext* context : running_) context->TryCancel();
}

EtcdCalls::Registered::Registered(EtcdCalls& calls, grpc::ClientContext& context)
    : calls_(calls), context_(context) {
  const std::lock_guard lock(calls_.mutex_);
  calls_.running_.push_back(&context_);
  if (calls_.cancelled()) context_.TryCancel();
}

EtcdCalls::Registered::~Registered() {
  const std::lock_guard lock(calls_.mutex_);
  calls_.running_.erase(std::find(calls_.running_.begin(), calls_.running_.end(), &context_));
}

}  // namespace rollcall
