// EtcdWatch: one watch of a key range, on a completion queue of its own: no thread reads it but the
// one that asks. Answers that etcd sent in fragments come whole.
//
// Threads: belongs to one; it ends with its object, and by EtcdCalls::cancel() at once.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/time.h"
#include "etcd/v3/rpc.grpc.pb.h"
#include "providers/etcd/etcd_calls.h"
#include "providers/etcd/etcd_client.h"

namespace rollcall {

class EtcdWatch {
 public:
  // Watches [key, range_end) from `revision` on. It is sent, not yet answered: the first answer is
  // etcd's that it was created, or cancelled. `client` outlives it.
  static Result<std::unique_ptr<EtcdWatch>> open(EtcdClient& client, const std::string& key,
                                                 const std::string& range_end,
                                                 std::int64_t revision, MonoTime deadline);
  ~EtcdWatch();
  EtcdWatch(const EtcdWatch&) = delete;
  EtcdWatch& operator=(const EtcdWatch&) = delete;

  // The next answer; none by `deadline` is no error. An error ends the watch: etcd_status.h's,
  // LIMIT_EXCEEDED for fragments above limits::kMaxBackendAnswerBytes.
  Result<std::optional<etcdserverpb::WatchResponse>> next(MonoTime deadline);
  // Asks how far the watch has come; the answer is one without events. Once at a time: false if an
  // earlier request is still on its way.
  bool request_progress();

 private:
  enum class Tag : std::uintptr_t { Start = 1, Read, Write, Finish };

  explicit EtcdWatch(EtcdClient& client);
  // Handles one completion; false: there was none by the deadline.
  bool step(MonoTime deadline);
  void on_done(Tag tag, bool ok);
  void read();
  void write(const etcdserverpb::WatchRequest& request);
  void finish();
  bool waits() const { return pending_ != 0; }
  Result<void> take_piece();

  EtcdClient& client_;
  grpc::ClientContext context_;
  std::optional<EtcdCalls::Registered> registered_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<
      grpc::ClientAsyncReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>>
      stream_;
  etcdserverpb::WatchRequest create_;
  etcdserverpb::WatchResponse piece_;                  // what Read fills
  std::optional<etcdserverpb::WatchResponse> joined_;  // fragments so far
  std::size_t joined_bytes_ = 0;
  grpc::Status status_;
  int pending_ = 0;  // completions to come
  bool piece_ready_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool over_ = false;  // status_ is there
};

}  // namespace rollcall
