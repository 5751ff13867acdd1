#include "bridges/stream/stream_reactor.h"

#include <grpc/grpc.h>
#include <grpcpp/support/slice.h>

#include <array>
#include <string>
#include <utility>

#include "bridges/stream/status_detail.h"

namespace rollcall {
namespace {

class Refusal final : public ByteStream {
 public:
  explicit Refusal(const ProvisioningError& error) { Finish(to_status(error)); }
  void OnDone() override { delete this; }
};

void drop_owner(void* owner) { delete static_cast<std::shared_ptr<const void>*>(owner); }

// The slice refers to the hub's bytes and holds what keeps them alive. gRPC does not write to them.
grpc::Slice reference(Slice& slice) {
  auto* owner = new std::shared_ptr<const void>(std::move(slice.owner));
  return grpc::Slice(const_cast<std::uint8_t*>(slice.data), slice.size, drop_owner, owner);
}

}  // namespace

ByteStream* refuse(const ProvisioningError& error) { return new Refusal(error); }

ByteStream* StreamReactor::start(grpc::CallbackServerContext* context, const Clock& clock,
                                 const Open& open, std::size_t max_batch_bytes) {
  auto reactor = std::make_shared<StreamReactor>(context, clock, max_batch_bytes);
  auto subscription = open(reactor);
  if (!subscription) return refuse(subscription.error());
  reactor->subscription_ = *std::move(subscription);
  reactor->self_ = reactor;
  reactor->pump();
  return reactor.get();
}

StreamReactor::StreamReactor(grpc::CallbackServerContext* context, const Clock& clock,
                             std::size_t max_batch_bytes)
    : call_(context->c_call()), clock_(clock), max_batch_bytes_(max_batch_bytes) {
  grpc_call_ref(call_);
}

StreamReactor::~StreamReactor() { grpc_call_unref(call_); }

void StreamReactor::pump() {
  for (;;) {
    auto next = subscription_->next(max_batch_bytes_, clock_.now());
    switch (next.outcome) {
      case Subscription::Outcome::Batch: {
        std::array<grpc::Slice, 2> slices;
        for (std::uint32_t i = 0; i < next.slice_count; ++i) slices[i] = reference(next.slices[i]);
        buffer_ = grpc::ByteBuffer(slices.data(), next.slice_count);
        StartWrite(&buffer_);
        return;  // OnWriteDone goes on
      }
      case Subscription::Outcome::Ended:
        Finish(next.error ? to_status(*next.error) : grpc::Status::OK);
        return;  // running_ stays Running: no wake-up gets here any more
      case Subscription::Outcome::Idle:
        if (go_idle()) return;
        break;
    }
  }
}

// False if somebody called wake() since next() was asked.
bool StreamReactor::go_idle() {
  Running expected = Running::Running;
  if (running_.compare_exchange_strong(expected, Running::Idle)) return true;
  running_.store(Running::Running);
  return false;
}

void StreamReactor::wake() {
  Running seen = running_.load();
  for (;;) {
    const Running wanted = seen == Running::Idle ? Running::Running : Running::Poked;
    if (seen == Running::Poked) return;
    if (running_.compare_exchange_weak(seen, wanted)) break;
  }
  if (seen == Running::Idle) pump();
}

// The write under way is never completed by a client that reads nothing, and no status could follow
// it: ending the call from below sends the status at once (a HEADERS frame knows no flow control)
// and completes the write with a failure, whereupon next() says that the stream has ended.
void StreamReactor::abandon(const ProvisioningError& error) {
  const std::string message = std::string(to_string(error.code)) + ": " + error.message;
  grpc_call_cancel_with_status(call_, static_cast<grpc_status_code>(grpc_code(error.code)),
                               message.c_str(), nullptr);
}

void StreamReactor::OnWriteDone(bool ok) {
  buffer_.Clear();
  subscription_->written();
  if (!ok) subscription_->close();
  pump();
}

void StreamReactor::OnCancel() {
  subscription_->close();
  wake();  // next() says Ended, and the call is finished
}

void StreamReactor::OnDone() {
  subscription_->close();
  subscription_.reset();  // it holds us as its waker
  self_.reset();          // may be the end of *this
}

}  // namespace rollcall
