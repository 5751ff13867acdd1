#include "tests/client/scripted_server.h"

#include <chrono>
#include <utility>

#include "rollcall/v1/error.pb.h"

namespace rollcall::client::testing {
namespace {
constexpr std::chrono::seconds kPatience{30};  // reached only by a test that fails
}

grpc::Status failed(grpc::StatusCode status, const ProvisioningError& error) {
  v1::ErrorDetail detail;
  detail.set_code(std::string(to_string(error.code)));
  detail.set_message(error.message);
  for (const auto& problem : error.problems) {
    auto& to = *detail.add_problems();
    to.set_field(problem.field);
    to.set_value(problem.value);
    to.set_expected(problem.expected);
  }
  detail.set_total_problems(error.total_problems);
  v1::Status packed;
  packed.set_code(static_cast<int>(status));
  packed.set_message(error.message);
  auto& any = *packed.add_details();
  any.set_type_url("type.googleapis.com/rollcall.v1.ErrorDetail");
  any.set_value(detail.SerializeAsString());
  return grpc::Status(status, error.message, packed.SerializeAsString());
}

struct ScriptedServer::Services {
  explicit Services(ScriptedServer& owner) : placement(owner), partition(owner), remoting(owner) {}

  struct Placement : v1::PlacementBridge::Service {
    explicit Placement(ScriptedServer& server) : owner(server) {}
    grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest* request,
                       grpc::ServerWriter<v1::WatchBatch>* writer) override {
      return owner.watch(*request, *writer);
    }
    grpc::Status Acknowledge(grpc::ServerContext*, const v1::AcknowledgeRequest* request,
                             v1::AcknowledgeResponse*) override {
      std::size_t number = 0;
      {
        const std::lock_guard lock(owner.mutex_);
        owner.acknowledgements_.push_back(*request);
        number = owner.acknowledgements_.size();
        owner.changed_.notify_all();
      }
      if (acknowledged) acknowledged(number);
      return grpc::Status::OK;
    }
    grpc::Status PublishOwnership(grpc::ServerContext*, const v1::PublishOwnershipRequest* request,
                                  v1::PublishOwnershipResponse* response) override {
      return publish(*request, *response);
    }
    ScriptedServer& owner;
    std::function<grpc::Status(const v1::PublishOwnershipRequest&, v1::PublishOwnershipResponse&)>
        publish;
    std::function<void(std::size_t)> acknowledged;
  };
  struct Partition : v1::PartitionBridge::Service {
    explicit Partition(ScriptedServer& server) : owner(server) {}
    grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest* request,
                       grpc::ServerWriter<v1::WatchBatch>* writer) override {
      return owner.watch(*request, *writer);
    }
    grpc::Status GetLatestSnapshot(grpc::ServerContext*,
                                   const v1::GetLatestSnapshotRequest* request,
                                   grpc::ServerWriter<v1::WatchBatch>* writer) override {
      Stream stream(owner, *writer);
      return snapshot(*request, stream);
    }
    ScriptedServer& owner;
    std::function<grpc::Status(const v1::GetLatestSnapshotRequest&, Stream&)> snapshot;
  };
  struct Remoting : v1::RemotingBridge::Service {
    explicit Remoting(ScriptedServer& server) : owner(server) {}
    grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest* request,
                       grpc::ServerWriter<v1::WatchBatch>* writer) override {
      return owner.watch(*request, *writer);
    }
    ScriptedServer& owner;
  };
  Placement placement;
  Partition partition;
  Remoting remoting;
};

ScriptedServer::ScriptedServer(Script script)
    : script_(std::move(script)), services_(std::make_unique<Services>(*this)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(&services_->placement);
  builder.RegisterService(&services_->partition);
  builder.RegisterService(&services_->remoting);
  server_ = builder.BuildAndStart();
}

ScriptedServer::~ScriptedServer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

grpc::Status ScriptedServer::watch(const v1::WatchRequest& request,
                                   grpc::ServerWriter<v1::WatchBatch>& writer) {
  int number = 0;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    number = static_cast<int>(requests_.size());
    changed_.notify_all();
  }
  Stream stream(*this, writer);
  return script_(number, request, stream);
}

bool ScriptedServer::Stream::send(const std::vector<v1::ClusterEvent>& events) {
  v1::WatchBatch batch;
  for (const auto& event : events) *batch.add_events() = event;
  return writer_.Write(batch);
}

grpc::Status ScriptedServer::Stream::hold() {
  std::unique_lock lock(server_.mutex_);
  server_.changed_.wait(lock, [this] { return server_.ending_; });
  return grpc::Status::OK;
}

std::vector<v1::WatchRequest> ScriptedServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::vector<v1::AcknowledgeRequest> ScriptedServer::acknowledgements() const {
  const std::lock_guard lock(mutex_);
  return acknowledgements_;
}

bool ScriptedServer::wait_for_acknowledgements(std::size_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return acknowledgements_.size() >= count; });
}

bool ScriptedServer::wait_for_requests(std::size_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return requests_.size() >= count; });
}

void ScriptedServer::on_acknowledge(std::function<void(std::size_t)> handler) {
  services_->placement.acknowledged = std::move(handler);
}

void ScriptedServer::on_publish(
    std::function<grpc::Status(const v1::PublishOwnershipRequest&, v1::PublishOwnershipResponse&)>
        handler) {
  services_->placement.publish = std::move(handler);
}

void ScriptedServer::on_snapshot(
    std::function<grpc::Status(const v1::GetLatestSnapshotRequest&, Stream&)> handler) {
  services_->partition.snapshot = std::move(handler);
}

}  // namespace rollcall::client::testing
