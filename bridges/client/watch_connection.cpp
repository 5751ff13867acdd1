#include "bridges/client/watch_connection.h"

#include <utility>

#include "bridges/client/replica/limits.h"

namespace rollcall::client {

struct WatchConnection::Acknowledging {
  grpc::ClientContext context;
  v1::AcknowledgeResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::AcknowledgeResponse>> reader;
};

WatchConnection::WatchConnection(const Channel& channel, Bridge bridge) : bridge_(bridge) {
  switch (bridge_) {
    case Bridge::Placement:
      placement_ = v1::PlacementBridge::NewStub(channel.grpc_channel());
      return;
    case Bridge::Partition:
      partition_ = v1::PartitionBridge::NewStub(channel.grpc_channel());
      return;
    case Bridge::Remoting:
      remoting_ = v1::RemotingBridge::NewStub(channel.grpc_channel());
      return;
  }
}

// Everything that was started has to come out of the queue before it may go. The alarm too: gRPC
// holds it only from the moment in which its timer's callback runs, so that one which is destroyed
// between the timer's end and that callback is used after it is gone (seen with gRPC 1.51;
// pingcap/tiflash 10107, googleapis/google-cloud-cpp 4423).
WatchConnection::~WatchConnection() {
  cancel();
  if (acknowledge_) acknowledge_->context.TryCancel();
  while (reader_ || acknowledge_ || waking()) next(std::chrono::milliseconds(1'000));
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void WatchConnection::open(const v1::WatchRequest& request) {
  context_ = std::make_unique<grpc::ClientContext>();
  cancelled_ = false;
  message_out_ = false;
  switch (bridge_) {
    case Bridge::Placement:
      reader_ = placement_->PrepareAsyncWatch(context_.get(), request, &queue_);
      break;
    case Bridge::Partition:
      reader_ = partition_->PrepareAsyncWatch(context_.get(), request, &queue_);
      break;
    case Bridge::Remoting:
      reader_ = remoting_->PrepareAsyncWatch(context_.get(), request, &queue_);
      break;
  }
  reader_->StartCall(as_pointer(Tag::Start));
}

void WatchConnection::cancel() {
  if (!reader_ || cancelled_) return;
  cancelled_ = true;
  context_->TryCancel();
}

void WatchConnection::acknowledge(const v1::AcknowledgeRequest& request) {
  acknowledge_ = std::make_unique<Acknowledging>();
  acknowledge_->context.set_deadline(std::chrono::system_clock::now() +
                                     limits::kAcknowledgeDeadline);
  acknowledge_->reader =
      placement_->PrepareAsyncAcknowledge(&acknowledge_->context, request, &queue_);
  acknowledge_->reader->StartCall();
  acknowledge_->reader->Finish(&acknowledge_->response, &acknowledge_->status,
                               as_pointer(Tag::Acknowledge));
}

void WatchConnection::read_or_finish(bool read) {
  if (read && !cancelled_) {
    reader_->Read(&batch_, as_pointer(Tag::Read));
  } else {
    reader_->Finish(&stream_status_, as_pointer(Tag::Finish));
  }
}

WatchConnection::What WatchConnection::next(std::chrono::milliseconds wait) {
  if (std::exchange(message_out_, false)) read_or_finish(true);
  // Monotonic, so that a step of the wall clock neither ends a stream nor keeps a dead one.
  const gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(wait.count(), GPR_TIMESPAN));
  while (true) {
    void* tag = nullptr;
    bool ok = false;
    const auto result = queue_.AsyncNext(&tag, &ok, deadline);
    if (result != grpc::CompletionQueue::GOT_EVENT) return What::TimedOut;
    if (const auto what = react(static_cast<Tag>(reinterpret_cast<std::uintptr_t>(tag)), ok)) {
      return *what;
    }
  }
}

std::optional<WatchConnection::What> WatchConnection::react(Tag tag, bool ok) {
  switch (tag) {
    case Tag::Start:
      read_or_finish(ok);
      return {};
    case Tag::Read:
      if (!ok || cancelled_) {
        read_or_finish(false);
        return {};
      }
      message_out_ = true;
      return What::Message;
    case Tag::Finish:
      status_ = std::move(stream_status_);
      reader_.reset();
      context_.reset();
      return What::Ended;
    case Tag::Acknowledge:
      status_ = std::move(acknowledge_->status);
      acknowledge_.reset();
      return What::Acknowledged;
    case Tag::Wake: {
      const std::lock_guard lock(wake_mutex_);
      wake_pending_ = false;
      return What::Woken;
    }
  }
  return {};
}

bool WatchConnection::waking() {
  const std::lock_guard lock(wake_mutex_);
  return wake_pending_;
}

void WatchConnection::wake() {
  const std::lock_guard lock(wake_mutex_);
  if (wake_pending_) return;
  wake_pending_ = true;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(&queue_, gpr_now(GPR_CLOCK_MONOTONIC), as_pointer(Tag::Wake));
}

}  // namespace rollcall::client
