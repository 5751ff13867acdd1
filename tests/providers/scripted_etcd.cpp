#include "tests/providers/scripted_etcd.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <thread>

namespace rollcall::test {

using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;

struct ScriptedEtcd::Service {
  struct KV : etcdserverpb::KV::Service {
    explicit KV(ScriptedEtcd& o) : owner(o) {}
    grpc::Status Range(grpc::ServerContext*, const RangeRequest* request,
                       RangeResponse* response) override {
      const std::lock_guard lock(owner.mutex_);
      owner.fill(*response->mutable_header());
      if (request->min_mod_revision() != 0) ++owner.proofs_;
      const std::string end =
          request->range_end().empty() ? request->key() + '\0' : request->range_end();
      for (const auto& [key, kept] : owner.keys_) {
        if (key < request->key() || key >= end) continue;
        response->set_count(response->count() + 1);
        if (kept.revision < request->min_mod_revision()) continue;
        mvccpb::KeyValue& kv = *response->add_kvs();
        kv.set_key(key);
        kv.set_value(kept.value);
        kv.set_mod_revision(kept.revision);
      }
      if (owner.alter_) owner.alter_(*response);
      return {};
    }
    grpc::Status Txn(grpc::ServerContext*, const etcdserverpb::TxnRequest*,
                     etcdserverpb::TxnResponse* response) override {
      const std::lock_guard lock(owner.mutex_);
      *response = owner.transaction_;
      return owner.transaction_status_;
    }
    ScriptedEtcd& owner;
  };

  struct Watching : etcdserverpb::Watch::Service {
    explicit Watching(ScriptedEtcd& o) : owner(o) {}
    grpc::Status Watch(grpc::ServerContext* context,
                       grpc::ServerReaderWriter<WatchResponse, WatchRequest>* stream) override {
      std::thread reader([&] { read(*stream); });
      {
        std::unique_lock lock(owner.mutex_);
        while (!owner.ending_ && !context->IsCancelled()) {
          if (owner.to_send_.empty()) {
            owner.changed_.wait_for(lock, std::chrono::milliseconds(20));
            continue;
          }
          const std::vector<WatchResponse> now = std::exchange(owner.to_send_, {});
          lock.unlock();
          for (const WatchResponse& response : now) stream->Write(response);
          lock.lock();
        }
        owner.watched_ = false;
      }
      context->TryCancel();
      reader.join();
      return {};
    }
    void read(grpc::ServerReaderWriter<WatchResponse, WatchRequest>& stream) {
      WatchRequest request;
      while (stream.Read(&request)) {
        const std::lock_guard lock(owner.mutex_);
        WatchResponse response;
        owner.fill(*response.mutable_header());
        if (request.has_create_request()) {
          response.set_created(true);
          if (!owner.begins_.empty()) {
            response = owner.begins_.front();
            owner.begins_.clear();
          }
          owner.to_send_ = {response};
          owner.watched_ = true;
        } else if (request.has_progress_request()) {
          ++owner.progress_requests_;
          response.set_watch_id(-1);
          if (owner.answer_progress_) owner.to_send_.push_back(response);
        }
        owner.changed_.notify_all();
      }
    }
    ScriptedEtcd& owner;
  };

  struct Maintenance : etcdserverpb::Maintenance::Service {
    explicit Maintenance(ScriptedEtcd& o) : owner(o) {}
    grpc::Status Status(grpc::ServerContext*, const etcdserverpb::StatusRequest*,
                        etcdserverpb::StatusResponse* response) override {
      response->set_version(owner.version_);
      return {};
    }
    ScriptedEtcd& owner;
  };

  explicit Service(ScriptedEtcd& o) : kv(o), watch(o), maintenance(o) {}
  KV kv;
  Watching watch;
  Maintenance maintenance;
};

ScriptedEtcd::ScriptedEtcd(std::string version) : version_(std::move(version)) {
  service_ = std::make_unique<Service>(*this);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&service_->kv);
  builder.RegisterService(&service_->watch);
  builder.RegisterService(&service_->maintenance);
  server_ = builder.BuildAndStart();
}

ScriptedEtcd::~ScriptedEtcd() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  server_->Shutdown();
  server_->Wait();
}

void ScriptedEtcd::fill(etcdserverpb::ResponseHeader& header) {
  header.set_cluster_id(cluster_);
  header.set_revision(revision_);
}

std::int64_t ScriptedEtcd::put(const std::string& key, const std::string& value) {
  const std::lock_guard lock(mutex_);
  keys_[key] = {value, ++revision_};
  return revision_;
}

std::int64_t ScriptedEtcd::revision() {
  const std::lock_guard lock(mutex_);
  return revision_;
}

void ScriptedEtcd::set_cluster(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  cluster_ = id;
}

void ScriptedEtcd::alter_range(std::function<void(RangeResponse&)> alter) {
  const std::lock_guard lock(mutex_);
  alter_ = std::move(alter);
}

void ScriptedEtcd::answer_transactions(grpc::Status status, etcdserverpb::TxnResponse response) {
  const std::lock_guard lock(mutex_);
  transaction_status_ = std::move(status);
  transaction_ = std::move(response);
}

void ScriptedEtcd::next_watch_begins(WatchResponse response) {
  const std::lock_guard lock(mutex_);
  begins_ = {std::move(response)};
}

void ScriptedEtcd::send(WatchResponse response) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(30), [&] { return watched_; });
  to_send_.push_back(std::move(response));
  changed_.notify_all();
}

void ScriptedEtcd::answer_progress(bool answer) {
  const std::lock_guard lock(mutex_);
  answer_progress_ = answer;
}

WatchResponse ScriptedEtcd::response() {
  const std::lock_guard lock(mutex_);
  WatchResponse response;
  fill(*response.mutable_header());
  return response;
}

std::size_t ScriptedEtcd::proofs() {
  const std::lock_guard lock(mutex_);
  return proofs_;
}

std::size_t ScriptedEtcd::progress_requests() {
  const std::lock_guard lock(mutex_);
  return progress_requests_;
}

void add_put(WatchResponse& response, const std::string& key, const std::string& value,
             std::int64_t revision) {
  mvccpb::KeyValue& kv = *response.add_events()->mutable_kv();
  kv.set_key(key);
  kv.set_value(value);
  kv.set_mod_revision(revision);
}

}  // namespace rollcall::test
