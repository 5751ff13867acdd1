// WatchConnection: one Watch stream and one Acknowledge call at a time, over one completion queue,
// as a sequence of happenings for one thread. Internal to the client library: it knows gRPC and
// nothing of topologies, so that the Subscriber can be the other way round.
//
// Threads: everything is for the owning thread, except wake(), which is for any.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "bridges/client/channel.h"
#include "bridges/client/subscriber.h"
#include "rollcall/v1/bridges.grpc.pb.h"

namespace rollcall::client {

class WatchConnection {
 public:
  enum class What : std::uint8_t {
    Message = 1,       // batch() holds it until the next call of next()
    Ended = 2,         // status() says why; a new stream may be opened
    Acknowledged = 3,  // status() says how it went
    Woken = 4,
    TimedOut = 5,
  };

  WatchConnection(const Channel& channel, Bridge bridge);
  ~WatchConnection();
  WatchConnection(const WatchConnection&) = delete;
  WatchConnection& operator=(const WatchConnection&) = delete;

  // No stream may be open. Failure shows as Ended.
  void open(const v1::WatchRequest& request);
  bool is_open() const { return reader_ != nullptr; }
  // The stream ends soon, with Ended. For the owning thread.
  void cancel();

  // At most one at a time; Acknowledged ends it. Placement only.
  void acknowledge(const v1::AcknowledgeRequest& request);
  bool acknowledging() const { return acknowledge_ != nullptr; }

  // What happens next, at most `wait` from now.
  What next(std::chrono::milliseconds wait);
  const v1::WatchBatch& batch() const { return batch_; }
  const grpc::Status& status() const { return status_; }

  void wake();

 private:
  struct Acknowledging;
  // What a tag of the completion queue stands for.
  enum class Tag : std::uintptr_t { Start = 1, Read = 2, Finish = 3, Acknowledge = 4, Wake = 5 };
  static void* as_pointer(Tag tag) { return reinterpret_cast<void*>(tag); }
  std::optional<What> react(Tag tag, bool ok);
  void read_or_finish(bool read);
  bool waking();

  grpc::CompletionQueue queue_;
  const Bridge bridge_;
  std::unique_ptr<v1::PlacementBridge::Stub> placement_;
  std::unique_ptr<v1::PartitionBridge::Stub> partition_;
  std::unique_ptr<v1::RemotingBridge::Stub> remoting_;

  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::WatchBatch>> reader_;
  v1::WatchBatch batch_;
  grpc::Status stream_status_;
  bool message_out_ = false;  // the owner looks at batch_: reading goes on with next()
  bool cancelled_ = false;

  std::unique_ptr<Acknowledging> acknowledge_;
  grpc::Status status_;

  std::mutex wake_mutex_;               // guards the two below
  std::unique_ptr<grpc::Alarm> alarm_;  // replaced and destroyed only when it has rung
  bool wake_pending_ = false;
};

}  // namespace rollcall::client
