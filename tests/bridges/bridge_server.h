// A real server in this process: hub, its threads, the three bridges, a Unix socket in a directory
// of its own, and clients that speak the generated API.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bridges/codec/event_codec.h"
#include "bridges/partition/partition_service.h"
#include "bridges/placement/placement_service.h"
#include "bridges/remoting/remoting_service.h"
#include "bridges/stream/grpc_server.h"
#include "provisioning/hub/hub_threads.h"
#include "rollcall/v1/bridges.grpc.pb.h"
#include "rollcall/v1/error.pb.h"
#include "tests/support/manual_clock.h"

namespace rollcall::testing_bridges {

inline constexpr std::uint64_t kBoot = 4;
inline const Epoch kEpoch = make_epoch(kBoot, 1234);
inline SeqNo seq(std::uint64_t n) { return make_seq(kBoot, n); }

class TempDir {
 public:
  TempDir();
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Answers at once, and remembers what was asked.
class FakeCommands final : public ConsumerCommands {
 public:
  void publish_ownership(OwnershipUpdate update, std::function<void(Result<SeqNo>)> done) override {
    updates.push_back(std::move(update));
    done(ownership);
  }
  void report_quarantined(NodeReport report, std::function<void(Result<bool>)> done) override {
    quarantined.push_back(std::move(report));
    done(member);
  }
  void report_recovered(NodeReport report, std::function<void(Result<bool>)> done) override {
    recovered.push_back(std::move(report));
    done(member);
  }
  Result<SeqNo> ownership = seq(1);
  Result<bool> member = true;
  std::vector<OwnershipUpdate> updates;
  std::vector<NodeReport> quarantined;
  std::vector<NodeReport> recovered;
};

// Until `condition` holds; CTest's time limit is the bound.
void until(const std::function<bool()>& condition);

struct BridgeServer {
  explicit BridgeServer(std::size_t members = 3, HubOptions options = {});
  ~BridgeServer();
  // One step of `count` availability events with `text_bytes` of reason each.
  void publish(std::size_t count, std::size_t text_bytes = 10);
  std::shared_ptr<grpc::Channel> channel(int number = 0) const;
  void stop();

  TempDir directory;
  test::ManualClock clock;
  ProtoEventEncoder events;
  ProtoSnapshotEncoder snapshots;
  WatchHub hub;
  HubThreads threads;
  FakeCommands commands;
  PlacementService placement;
  PartitionService partition;
  RemotingService remoting;
  std::unique_ptr<GrpcServer> server;
  std::atomic<int> refused{0};
  MemberMap members;
};

v1::WatchRequest watch_request(const std::string& consumer, SeqNo after = {},
                               bool acknowledges = false);
// The typed detail of a failed call; empty if there is none.
v1::ErrorDetail detail_of(const grpc::Status& status);

// Reads events until one is at or beyond `last`; checks that they follow one another.
struct Reader {
  std::vector<v1::ClusterEvent> events;  // log entries
  std::vector<v1::ClusterEvent> chunks;  // of snapshots
  std::vector<v1::ClusterEvent> bookmarks;
  std::uint64_t position = 0;
  template <class Stream>
  bool until_position(Stream& stream, SeqNo last) {
    v1::WatchBatch batch;
    while (position < last.value()) {
      if (!stream.Read(&batch)) return false;
      apply(batch);
    }
    return true;
  }
  void apply(const v1::WatchBatch& batch);
};

}  // namespace rollcall::testing_bridges
