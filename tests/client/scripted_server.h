// A gRPC server that does what a test's script says, for what a real sidecar can't be made to do.
//
// Threads: the scripts run on gRPC's threads; the methods are for the test's thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"
#include "rollcall/v1/bridges.grpc.pb.h"

namespace rollcall::client::testing {

// What rollcalld answers when it fails: a status with the typed detail.
grpc::Status failed(grpc::StatusCode status, const ProvisioningError& error);

class ScriptedServer {
 public:
  class Stream {
   public:
    Stream(ScriptedServer& server, grpc::ServerWriter<v1::WatchBatch>& writer)
        : server_(server), writer_(writer) {}
    // False: the client has gone.
    bool send(const std::vector<v1::ClusterEvent>& events);
    bool send(const v1::ClusterEvent& event) { return send(std::vector{event}); }
    // Says nothing until the test ends: the client must help itself.
    grpc::Status hold();

   private:
    ScriptedServer& server_;
    grpc::ServerWriter<v1::WatchBatch>& writer_;
  };
  // Runs once a stream, numbered from 1; what it returns ends the stream.
  using Script = std::function<grpc::Status(int number, const v1::WatchRequest&, Stream&)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::vector<v1::WatchRequest> requests() const;
  std::vector<v1::AcknowledgeRequest> acknowledgements() const;
  // Waits until `count` acknowledgements came; false after a time that only a broken test needs.
  bool wait_for_acknowledgements(std::size_t count) const;
  // The same of streams.
  bool wait_for_requests(std::size_t count) const;
  // Called before acknowledgement `number` (from 1) is answered; set before it comes.
  void on_acknowledge(std::function<void(std::size_t number)> handler);
  void on_publish(
      std::function<grpc::Status(const v1::PublishOwnershipRequest&, v1::PublishOwnershipResponse&)>
          handler);
  void on_snapshot(std::function<grpc::Status(const v1::GetLatestSnapshotRequest&, Stream&)>);

 private:
  struct Services;
  grpc::Status watch(const v1::WatchRequest& request, grpc::ServerWriter<v1::WatchBatch>& writer);

  Script script_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  mutable std::condition_variable changed_;
  bool ending_ = false;
  std::vector<v1::WatchRequest> requests_;
  std::vector<v1::AcknowledgeRequest> acknowledgements_;
};

}  // namespace rollcall::client::testing
