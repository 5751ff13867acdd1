// PluginSession: the gRPC calls of one connection to a plug-in. Every wait has a deadline;
// messages, metadata and what is buffered of a stream are bounded before they are read; compressed
// messages, whose size shows too late, are refused. It never reconnects: a connection that broke is
// over.
//
// gRPC's own threads do no work for it: the caller's thread drives the completion queue.
//
// Threads: belongs to one; only a CurrentCall is touched from others.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "core/error.h"
#include "core/node.h"
#include "core/time.h"
#include "providers/common/unique_fd.h"
#include "providers/custom/plugin_relay.h"
#include "providers/custom/plugin_settings.h"
#include "rollcall/v1/plugin.grpc.pb.h"

namespace rollcall {

// The call in progress, for who cancels it from another thread. Once cancelled it stays so: later
// calls are cancelled before they begin.
class CurrentCall {
 public:
  void cancel() noexcept;
  void set(std::shared_ptr<grpc::ClientContext> context);

 private:
  std::mutex mutex_;  // guards both
  std::shared_ptr<grpc::ClientContext> context_;
  bool cancelled_ = false;
};

template <class Message>
class PluginStreamCall;

class PluginSession {
 public:
  // Takes the connected socket. `clock` and `current` outlive it.
  PluginSession(UniqueFd socket, const Clock& clock, CurrentCall& current);
  ~PluginSession();
  PluginSession(const PluginSession&) = delete;
  PluginSession& operator=(const PluginSession&) = delete;

  // Errors of all calls: the status of the plug-in or of gRPC as plugin.proto lists them; TIMEOUT:
  // nothing by the deadline.
  Result<v1::HandshakeResponse> handshake(const PluginSettings& settings, MonoTime deadline);
  Result<v1::CheckConnectivityResponse> check(MonoTime deadline);
  Result<v1::AnnounceResponse> announce(const ClusterNode& node, Duration ttl, MonoTime deadline);
  Result<v1::WithdrawResponse> withdraw(const ClusterNode& node, MonoTime deadline);

  // One stream at a time; beginning one ends the one before.
  Result<void> begin_snapshot(MonoTime deadline);
  Result<void> begin_watch(MonoTime deadline);
  // Nothing: the plug-in ended the stream in order. After an error the stream is over.
  Result<std::optional<v1::PluginSnapshotChunk>> read_snapshot(MonoTime deadline);
  Result<std::optional<v1::PluginEvent>> read_watch(MonoTime deadline);
  void end_stream();

 private:
  template <class Response, class Start>
  Result<Response> unary(MonoTime deadline, Start start);
  template <class Message>
  Result<std::optional<Message>> read_from(PluginStreamCall<Message>& call, MonoTime deadline);

  const Clock& clock_;
  CurrentCall& current_;
  std::string no_channel_;              // why there is no stub
  std::unique_ptr<PluginRelay> relay_;  // outlives the channel
  grpc::CompletionQueue queue_;
  std::unique_ptr<v1::ClusterProviderPlugin::Stub> stub_;
  std::unique_ptr<PluginStreamCall<v1::PluginSnapshotChunk>> snapshot_;
  std::unique_ptr<PluginStreamCall<v1::PluginEvent>> watch_;
};

// The failure that a status counts as; status must not be OK.
ProvisioningError error_from_status(const grpc::Status& status);

}  // namespace rollcall
