#include "providers/etcd/etcd_watch.h"

#include <utility>

#include "core/limits.h"
#include "providers/etcd/etcd_status.h"
#include "providers/etcd/limits.h"

namespace rollcall {

using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;

EtcdWatch::EtcdWatch(EtcdClient& client) : client_(client) {}

Result<std::unique_ptr<EtcdWatch>> EtcdWatch::open(EtcdClient& client, const std::string& key,
                                                   const std::string& range_end,
                                                   std::int64_t revision, MonoTime deadline) {
  std::unique_ptr<EtcdWatch> watch(new EtcdWatch(client));
  if (auto ready = client.prepare(watch->context_, deadline); !ready) {
    return tl::unexpected(client.reported(std::move(ready.error())));
  }
  etcdserverpb::WatchCreateRequest& create = *watch->create_.mutable_create_request();
  create.set_key(key);
  create.set_range_end(range_end);
  create.set_start_revision(revision);
  create.set_progress_notify(true);
  create.set_fragment(true);
  watch->registered_.emplace(client.calls(), watch->context_);
  watch->stream_ = etcdserverpb::Watch::NewStub(client.channel())
                       ->PrepareAsyncWatch(&watch->context_, &watch->queue_);
  watch->stream_->StartCall(reinterpret_cast<void*>(Tag::Start));
  ++watch->pending_;
  return watch;
}

EtcdWatch::~EtcdWatch() {
  registered_.reset();
  if (stream_) {
    context_.TryCancel();
    // Everything that was begun is done, and its end told, before the queue may go.
    void* tag = nullptr;
    bool ok = false;
    while (waits() && queue_.Next(&tag, &ok)) {
      --pending_;
      if (static_cast<Tag>(reinterpret_cast<std::uintptr_t>(tag)) == Tag::Finish) over_ = true;
    }
    if (!over_) {
      finish();
      queue_.Next(&tag, &ok);
    }
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool EtcdWatch::step(MonoTime deadline) {
  void* tag = nullptr;
  bool ok = false;
  const auto got = queue_.AsyncNext(&tag, &ok, etcd_deadline(deadline, client_.clock()));
  if (got != grpc::CompletionQueue::GOT_EVENT) return false;
  --pending_;
  on_done(static_cast<Tag>(reinterpret_cast<std::uintptr_t>(tag)), ok);
  return true;
}

void EtcdWatch::on_done(Tag tag, bool ok) {
  switch (tag) {
    case Tag::Start:
      if (!ok) return finish();
      write(create_);
      return read();
    case Tag::Read:
      if (!ok) return finish();
      piece_ready_ = true;
      return;
    case Tag::Write:
      writing_ = false;  // one that failed shows in the read, too
      return;
    case Tag::Finish:
      over_ = true;
      return;
  }
}

void EtcdWatch::read() {
  stream_->Read(&piece_, reinterpret_cast<void*>(Tag::Read));
  ++pending_;
}

void EtcdWatch::write(const WatchRequest& request) {
  writing_ = true;
  stream_->Write(request, reinterpret_cast<void*>(Tag::Write));
  ++pending_;
}

void EtcdWatch::finish() {
  if (finishing_) return;
  finishing_ = true;
  stream_->Finish(&status_, reinterpret_cast<void*>(Tag::Finish));
  ++pending_;
}

bool EtcdWatch::request_progress() {
  if (writing_ || finishing_) return false;
  WatchRequest request;
  request.mutable_progress_request();
  write(request);
  return true;
}

// Adds what was read to the fragments before it.
Result<void> EtcdWatch::take_piece() {
  piece_ready_ = false;
  joined_bytes_ += piece_.ByteSizeLong();
  if (joined_bytes_ > limits::kMaxBackendAnswerBytes) {
    return fail(ErrorCode::LimitExceeded,
                client_.endpoint() + ": an answer of the watch is above " +
                    std::to_string(limits::kMaxBackendAnswerBytes) + " bytes");
  }
  if (!joined_) {
    joined_ = std::move(piece_);
  } else {
    joined_->set_fragment(piece_.fragment());
    for (auto& event : *piece_.mutable_events()) *joined_->add_events() = std::move(event);
  }
  piece_.Clear();
  return {};
}

Result<std::optional<WatchResponse>> EtcdWatch::next(MonoTime deadline) {
  while (true) {
    if (over_) {
      if (status_.ok()) status_ = {grpc::StatusCode::UNAVAILABLE, "etcd ended the watch"};
      return tl::unexpected(client_.reported(etcd_error(status_, client_.calls().cancelled())));
    }
    if (piece_ready_) {
      if (auto taken = take_piece(); !taken) return tl::unexpected(std::move(taken.error()));
      read();
      if (joined_->fragment()) continue;
      joined_bytes_ = 0;
      return std::exchange(joined_, std::nullopt);
    }
    if (!step(deadline)) return std::optional<WatchResponse>{};
  }
}

}  // namespace rollcall
