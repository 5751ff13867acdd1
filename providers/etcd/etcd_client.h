// EtcdClient: puts questions to one of etcd's endpoints at a time, over one connection that is
// kept, signed in where a user is given. What it reads is linearizable: it is the newest that a
// quorum knows, or a failure; therefore revisions never go back from one answer to the next,
// whichever endpoint gives them, unless the history itself did.
//
// Every call ends by its deadline and within moments of EtcdCalls::cancel(). Errors:
// etcd_status.h's and Credentials', with the endpoint in front and the secrets taken out.
//
// Threads: belongs to one; only the EtcdCalls is touched from others.
#pragma once

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/time.h"
#include "etcd/v3/rpc.grpc.pb.h"
#include "providers/common/credentials.h"
#include "providers/common/endpoint.h"
#include "providers/etcd/etcd_calls.h"

namespace rollcall {

struct EtcdTarget {
  std::vector<Endpoint> endpoints;  // at least one
  std::string tls_server_name;      // empty: the endpoint's host
  AuthRef auth;                     // token_file: "user:password"; empty: no user
};

struct EtcdPage {
  enum class Outcome : std::uint8_t {
    Answered,
    Compacted,  // the revision asked for is no longer there
    TooLarge,   // above limits::kEtcdMaxMessageBytes
  };
  Outcome outcome = Outcome::Answered;
  etcdserverpb::RangeResponse response;  // if answered
};

class EtcdClient {
 public:
  EtcdClient(EtcdTarget target, const Clock& clock, EtcdCalls& calls);

  Result<etcdserverpb::RangeResponse> range(const etcdserverpb::RangeRequest& request,
                                            MonoTime deadline);
  Result<etcdserverpb::PutResponse> put(const etcdserverpb::PutRequest& request, MonoTime deadline);
  Result<etcdserverpb::DeleteRangeResponse> remove(const etcdserverpb::DeleteRangeRequest& request,
                                                   MonoTime deadline);
  Result<etcdserverpb::TxnResponse> transact(const etcdserverpb::TxnRequest& request,
                                             MonoTime deadline);
  Result<etcdserverpb::LeaseGrantResponse> grant(const etcdserverpb::LeaseGrantRequest& request,
                                                 MonoTime deadline);
  Result<etcdserverpb::LeaseRevokeResponse> revoke(const etcdserverpb::LeaseRevokeRequest& request,
                                                   MonoTime deadline);
  // Once. A TTL of 0 or less in the answer: the lease is gone.
  Result<etcdserverpb::LeaseKeepAliveResponse> keep_alive(std::int64_t lease, MonoTime deadline);
  Result<etcdserverpb::StatusResponse> status(MonoTime deadline);

  // As range(), for a page of much: two failures are then outcomes to go on from.
  Result<EtcdPage> range_page(const etcdserverpb::RangeRequest& request, MonoTime deadline);

  // For EtcdWatch: a connection and what its calls carry, signed in.
  Result<void> prepare(grpc::ClientContext& context, MonoTime deadline);
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  EtcdCalls& calls() { return calls_; }
  const Clock& clock() const { return clock_; }
  // An error as this client's calls report theirs; a refusal makes it forget what was refused.
  // What TLS would not have, gRPC calls unavailable like everything else: it is looked at again.
  ProvisioningError reported(ProvisioningError error);

  const std::string& endpoint() const { return target_.endpoints[endpoint_].text; }
  std::size_t endpoints() const { return target_.endpoints.size(); }
  void begin_at(std::size_t endpoint) { endpoint_ = endpoint; }  // before the first call
  void next_endpoint();
  void disconnect() { channel_.reset(); }  // the next call connects anew

 private:
  using Call = std::function<grpc::Status(grpc::ClientContext&)>;
  // Signs in if need be, calls, and if the token is no longer good does both once more.
  Result<grpc::Status> attempt(const Call& call, MonoTime deadline);
  template <class Response>
  using Question = std::function<grpc::Status(grpc::ClientContext&, Response*)>;
  template <class Response>
  Result<Response> ask(const Question<Response>& question, MonoTime deadline);
  Result<void> connect();
  Result<void> sign_in(MonoTime deadline);
  ProvisioningError explained(ProvisioningError error);

  const EtcdTarget target_;
  const Clock& clock_;
  EtcdCalls& calls_;
  Credentials credentials_;
  std::size_t endpoint_ = 0;
  std::shared_ptr<grpc::Channel> channel_;
  std::optional<Secrets> secrets_;  // those in use
  std::string token_;               // what etcd gave for them; good at every member
  bool signed_in_ = false;          // or there is nothing to sign in with, or to
  MonoTime deadline_{};             // of the call that runs or was last
};

// What a stub call waits until.
gpr_timespec etcd_deadline(MonoTime deadline, const Clock& clock);

}  // namespace rollcall
