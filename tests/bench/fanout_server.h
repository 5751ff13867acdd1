// The two servers of bench_fanout: the real hub with its bridge, and the bare loop that a server
// which only writes the same batches would be.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bridges/codec/event_codec.h"
#include "bridges/stream/grpc_server.h"
#include "bridges/stream/stream_reactor.h"
#include "core/time.h"
#include "provisioning/hub/hub_threads.h"
#include "rollcall/v1/bridges.grpc.pb.h"

namespace rollcall::bench {

inline const Epoch kEpoch = make_epoch(1, 99);

class SteadyClock final : public Clock {
 public:
  MonoTime now() const override;
  WallTime wall_now() const override { return {}; }
};

// An event of some 200 bytes: a delta that changes one member.
Event sample_event(SeqNo seq_no);
std::size_t sample_frame_bytes();

using RawWatch = v1::PartitionBridge::WithRawCallbackMethod_Watch<v1::PartitionBridge::Service>;

// The real thing, but for the size of a batch, which the benchmark varies.
class HubServer {
 public:
  HubServer(const std::string& socket, std::size_t max_batch_bytes, std::size_t log_bytes);
  ~HubServer();
  const std::string& address() const { return server_->addresses().front(); }
  std::size_t streams() const { return hub_.stats().subscribers; }
  void publish(std::size_t events);
  std::uint64_t slowest_lag() const;

 private:
  class Service final : public RawWatch {
   public:
    Service(WatchHub& hub, const Clock& clock, std::size_t max_batch_bytes)
        : hub_(hub), clock_(clock), max_batch_bytes_(max_batch_bytes) {}
    ByteStream* Watch(grpc::CallbackServerContext* context,
                      const grpc::ByteBuffer* request) override;

   private:
    WatchHub& hub_;
    const Clock& clock_;
    const std::size_t max_batch_bytes_;
  };

  SteadyClock clock_;
  ProtoEventEncoder events_;
  ProtoSnapshotEncoder snapshots_;
  WatchHub hub_;
  HubThreads threads_;
  Service service_;
  std::unique_ptr<GrpcServer> server_;
};

// Every stream writes the same prepared batches, each when the one before has left.
class BareServer {
 public:
  BareServer(const std::string& socket, std::vector<grpc::ByteBuffer> batches);
  ~BareServer();
  const std::string& address() const { return server_->addresses().front(); }
  std::size_t streams() const { return open_.load(); }
  void go();

 private:
  class Writer;
  class Service final : public RawWatch {
   public:
    explicit Service(BareServer& owner) : owner_(owner) {}
    ByteStream* Watch(grpc::CallbackServerContext*, const grpc::ByteBuffer*) override;

   private:
    BareServer& owner_;
  };

  const std::vector<grpc::ByteBuffer> batches_;
  std::atomic<std::size_t> open_{0};
  std::mutex mutex_;  // guards writers_
  std::vector<Writer*> writers_;
  Service service_;
  std::unique_ptr<GrpcServer> server_;
};

// `events` frames in batches of at most `batch_bytes`, as the hub would cut them.
std::vector<grpc::ByteBuffer> prepared_batches(std::size_t events, std::size_t batch_bytes);

}  // namespace rollcall::bench
