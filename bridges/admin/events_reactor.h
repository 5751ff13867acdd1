// EventsReactor: one WatchEvents stream. A cursor (the index of the newest notice sent) into the
// OperatorLog; a slow reader loses the oldest notices and holds one message.
//
// Threads: gRPC's reactions and whoever appends to the log meet under `mutex_`; gRPC is called
// without it. One operation is under way at a time: a write, or the finish.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "core/error.h"
#include "provisioning/hub/mutex.h"
#include "provisioning/service/operator_log.h"
#include "rollcall/v1/admin.pb.h"

namespace rollcall {

class EventsReactor final : public grpc::ServerWriteReactor<v1::OperatorEvent>,
                            public std::enable_shared_from_this<EventsReactor> {
 public:
  // `backlog` kept notices come first. It deletes itself when gRPC is done. Never null.
  static std::shared_ptr<EventsReactor> start(OperatorLog& log, std::uint32_t backlog);
  explicit EventsReactor(OperatorLog& log) : log_(log) {}

  // Ends the stream behind what is being written; with success if there is no error. Idempotent.
  void end(std::optional<ProvisioningError> error);

 private:
  enum class State : std::uint8_t { Idle, Writing, Finished };

  void OnWriteDone(bool ok) override;
  void OnCancel() override { end(std::nullopt); }
  void OnDone() override;
  void pump();

  OperatorLog& log_;
  std::shared_ptr<EventsReactor> self_;  // until OnDone
  std::optional<OperatorLog::WatcherId> watcher_;
  v1::OperatorEvent message_;  // belongs to gRPC while Writing

  Mutex mutex_;  // guards what follows
  State state_ ROLLCALL_GUARDED_BY(mutex_) = State::Idle;
  std::uint64_t sent_ ROLLCALL_GUARDED_BY(mutex_) = 0;
  bool ending_ ROLLCALL_GUARDED_BY(mutex_) = false;
  std::optional<ProvisioningError> error_ ROLLCALL_GUARDED_BY(mutex_);
};

}  // namespace rollcall
