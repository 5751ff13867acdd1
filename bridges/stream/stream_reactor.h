// StreamReactor: one server stream of WatchBatches, driven by a hub Subscription. A thin adapter:
// it asks the cursor for bytes, hands gRPC references to the log's own memory (nothing is copied or
// encoded), and asks again when they have left.
//
// Threads: gRPC's reactions and the hub's fan-out thread meet in `running_`, an atomic: whoever
// moves it from Idle to Running works until next() says Idle or Ended; everyone else leaves a note
// (Poked). No lock is held while gRPC is called.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "core/error.h"
#include "core/limits.h"
#include "core/time.h"
#include "provisioning/hub/subscription.h"

namespace rollcall {

using ByteStream = grpc::ServerWriteReactor<grpc::ByteBuffer>;

// A stream that ends at once with this error.
ByteStream* refuse(const ProvisioningError& error);

class StreamReactor final : public ByteStream,
                            public Waker,
                            public std::enable_shared_from_this<StreamReactor> {
 public:
  using Open = std::function<Result<std::shared_ptr<Subscription>>(std::shared_ptr<Waker>)>;

  // Calls `open` with the reactor as waker and begins to write. The reactor deletes itself when
  // gRPC and the subscription are both done with it. Never null.
  static ByteStream* start(grpc::CallbackServerContext* context, const Clock& clock,
                           const Open& open, std::size_t max_batch_bytes = limits::kMaxBatchBytes);

  StreamReactor(grpc::CallbackServerContext* context, const Clock& clock,
                std::size_t max_batch_bytes);
  ~StreamReactor() override;

  void wake() override;
  void abandon(const ProvisioningError& error) override;

 private:
  enum class Running : std::uint8_t { Idle, Running, Poked };

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void pump();
  bool go_idle();

  grpc_call* const call_;  // a reference of its own: abandon() may come after gRPC is done
  const Clock& clock_;
  const std::size_t max_batch_bytes_;
  std::shared_ptr<StreamReactor> self_;  // until OnDone
  std::shared_ptr<Subscription> subscription_;
  grpc::ByteBuffer buffer_;  // the batch under way
  std::atomic<Running> running_{Running::Running};
};

}  // namespace rollcall
