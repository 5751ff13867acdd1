// ScriptedEtcd: speaks etcd's API on loopback and misbehaves as a test says, because a real etcd
// can't be made to: it withholds changes, compacts at the wrong moment, contradicts itself.
//
// Threads: gRPC's own; everything here may be called from any.
#pragma once

#include <grpcpp/server.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "etcd/v3/rpc.grpc.pb.h"

namespace rollcall::test {

class ScriptedEtcd {
 public:
  explicit ScriptedEtcd(std::string version = "3.4.23");
  ~ScriptedEtcd();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Writes into what Range answers from; no watch hears of it. The revision it made.
  std::int64_t put(const std::string& key, const std::string& value);
  std::int64_t revision();
  void set_cluster(std::uint64_t id);
  // Alters every answer to Range before it goes out.
  void alter_range(std::function<void(etcdserverpb::RangeResponse&)> alter);
  // What every transaction is answered with; nothing is written.
  void answer_transactions(grpc::Status status, etcdserverpb::TxnResponse response = {});
  // What the next watch is answered with, in place of {created}.
  void next_watch_begins(etcdserverpb::WatchResponse response);
  // Sends to the watch that is open; waits until there is one.
  void send(etcdserverpb::WatchResponse response);
  // Whether requests for progress are answered with the newest revision.
  void answer_progress(bool answer);

  etcdserverpb::WatchResponse response();  // with a header of now, and nothing else
  std::size_t proofs();                    // questions of EtcdReader::prove() so far
  std::size_t progress_requests();

 private:
  struct Service;
  struct Kept {
    std::string value;
    std::int64_t revision = 0;
  };
  void fill(etcdserverpb::ResponseHeader& header);  // with mutex_ held

  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::map<std::string, Kept> keys_;
  std::uint64_t cluster_ = 7;
  std::int64_t revision_ = 1;
  std::string version_;
  std::function<void(etcdserverpb::RangeResponse&)> alter_;
  grpc::Status transaction_status_;
  etcdserverpb::TxnResponse transaction_;
  std::vector<etcdserverpb::WatchResponse> to_send_;
  std::vector<etcdserverpb::WatchResponse> begins_;
  bool watched_ = false;
  bool answer_progress_ = false;
  bool ending_ = false;
  std::size_t proofs_ = 0;
  std::size_t progress_requests_ = 0;

  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

// {PUT, key, value, revision}
void add_put(etcdserverpb::WatchResponse& response, const std::string& key,
             const std::string& value, std::int64_t revision);

}  // namespace rollcall::test
