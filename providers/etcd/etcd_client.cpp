#include "providers/etcd/etcd_client.h"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <utility>

#include "providers/common/transport.h"
#include "providers/etcd/etcd_status.h"
#include "providers/etcd/limits.h"

namespace rollcall {

using etcdserverpb::DeleteRangeRequest;
using etcdserverpb::DeleteRangeResponse;
using etcdserverpb::KV;
using etcdserverpb::Lease;
using etcdserverpb::LeaseGrantRequest;
using etcdserverpb::LeaseGrantResponse;
using etcdserverpb::LeaseKeepAliveResponse;
using etcdserverpb::LeaseRevokeRequest;
using etcdserverpb::LeaseRevokeResponse;
using etcdserverpb::Maintenance;
using etcdserverpb::PutRequest;
using etcdserverpb::PutResponse;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::StatusResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

namespace {

// What gRPC calls an endpoint. Addresses are named as such, so that nothing is looked up for them.
std::string grpc_name(const Endpoint& endpoint) {
  if (endpoint.scheme == Endpoint::Scheme::Unix) return "unix:" + endpoint.host;
  const std::string port = ":" + std::to_string(endpoint.port);
  in_addr v4{};
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4) == 1) return "ipv4:" + endpoint.host + port;
  if (endpoint.host.find(':') != std::string::npos) return "ipv6:[" + endpoint.host + "]" + port;
  return "dns:///" + endpoint.host + port;
}

grpc::ChannelArguments channel_arguments(const Endpoint& endpoint,
                                         const std::string& tls_server_name) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(limits::kEtcdMaxMessageBytes);
  // A connection of its own, that ends with the channel.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A sidecar talks to its backend and to nobody on the way; nor does it ask DNS what to do.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // who retries is the core
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, limits::kEtcdKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, limits::kEtcdKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  if (endpoint.scheme == Endpoint::Scheme::Https && !tls_server_name.empty()) {
    arguments.SetSslTargetNameOverride(tls_server_name);
  }
  return arguments;
}

}  // namespace

gpr_timespec etcd_deadline(MonoTime deadline, const Clock& clock) {
  const auto left = std::max<std::int64_t>(0, (deadline - clock.now()).count());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left, GPR_TIMESPAN));
}

EtcdClient::EtcdClient(EtcdTarget target, const Clock& clock, EtcdCalls& calls)
    : target_(std::move(target)), clock_(clock), calls_(calls), credentials_(target_.auth, clock) {}

void EtcdClient::next_endpoint() {
  endpoint_ = (endpoint_ + 1) % target_.endpoints.size();
  disconnect();
}

// Whether TLS itself is the reason, as our own client sees it. With TLS 1.3 a server says only
// after the handshake that it does not want our certificate; if all is well it says nothing by
// itself.
ProvisioningError EtcdClient::explained(ProvisioningError error) {
  const Endpoint& endpoint = target_.endpoints[endpoint_];
  if (error.code != ErrorCode::BackendUnavailable || !secrets_ ||
      endpoint.scheme != Endpoint::Scheme::Https || calls_.cancelled()) {
    return error;
  }
  const Io io{clock_, calls_.token()};
  const auto until = [&](Duration patience) {
    return std::min(clock_.now() + patience, deadline_);
  };
  ConnectOptions options;
  options.secrets = &*secrets_;
  options.tls_server_name = target_.tls_server_name;
  auto connection = Transport::connect(endpoint, options, until(limits::kEtcdTlsLook), io);
  ProvisioningError why;
  if (connection) {
    char byte = 0;
    auto said = connection->read(&byte, 1, until(limits::kEtcdTlsAlert), io);
    if (said) return error;
    why = std::move(said.error());
  } else {
    why = std::move(connection.error());
  }
  const bool tls = why.code == ErrorCode::AuthFailed || why.code == ErrorCode::InvalidConfig;
  return tls ? why : error;
}

ProvisioningError EtcdClient::reported(ProvisioningError error) {
  error = explained(std::move(error));
  if (secrets_) {
    const auto colon = secrets_->token.find(':');
    if (colon != std::string::npos) {
      error.message = without_token(std::move(error.message), secrets_->token.substr(colon + 1));
    }
    error.message = without_token(std::move(error.message), token_);
  }
  if (error.code == ErrorCode::AuthFailed || error.code == ErrorCode::PermissionDenied) {
    signed_in_ = false;
  }
  error = credentials_.explained(std::move(error));
  error.message = endpoint() + ": " + error.message;
  return error;
}

// Credentials may have been rotated: TLS wants a new connection then, a user another token.
Result<void> EtcdClient::connect() {
  auto secrets = credentials_.get();
  if (!secrets) return tl::unexpected(std::move(secrets.error()));
  if (!secrets_ || !secrets_->same_tls(**secrets)) disconnect();
  if (!secrets_ || secrets_->token != (*secrets)->token) signed_in_ = false;
  secrets_ = **secrets;
  if (channel_) return {};
  const Endpoint& endpoint = target_.endpoints[endpoint_];
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (endpoint.scheme == Endpoint::Scheme::Https) {
    credentials = grpc::SslCredentials({secrets_->ca_pem, secrets_->key_pem, secrets_->cert_pem});
  }
  channel_ = grpc::CreateCustomChannel(grpc_name(endpoint), credentials,
                                       channel_arguments(endpoint, target_.tls_server_name));
  return {};
}

Result<void> EtcdClient::sign_in(MonoTime deadline) {
  token_.clear();
  if (secrets_->token.empty()) {
    signed_in_ = true;
    return {};
  }
  const auto colon = secrets_->token.find(':');
  if (colon == std::string::npos || colon == 0) {
    return fail(ErrorCode::InvalidConfig, "token_file must hold user:password");
  }
  etcdserverpb::AuthenticateRequest request;
  request.set_name(secrets_->token.substr(0, colon));
  request.set_password(secrets_->token.substr(colon + 1));
  etcdserverpb::AuthenticateResponse response;
  grpc::ClientContext context;
  context.set_deadline(etcd_deadline(deadline, clock_));
  const EtcdCalls::Registered registered(calls_, context);
  const auto status =
      etcdserverpb::Auth::NewStub(channel_)->Authenticate(&context, request, &response);
  // Credentials are usually handed out before access control is turned on.
  if (!status.ok() && !etcd_auth_is_off(status)) {
    return tl::unexpected(etcd_error(status, calls_.cancelled()));
  }
  token_ = response.token();
  signed_in_ = true;
  return {};
}

Result<void> EtcdClient::prepare(grpc::ClientContext& context, MonoTime deadline) {
  deadline_ = deadline;
  if (auto connected = connect(); !connected) return connected;
  if (!signed_in_) {
    if (auto done = sign_in(deadline); !done) return done;
  }
  if (!token_.empty()) context.AddMetadata("token", token_);
  // A member that lost its leader says so, instead of waiting for another.
  context.AddMetadata("hasleader", "true");
  return {};
}

Result<grpc::Status> EtcdClient::attempt(const Call& call, MonoTime deadline) {
  for (bool first = true;; first = false) {
    grpc::ClientContext context;
    if (auto ready = prepare(context, deadline); !ready) {
      return tl::unexpected(std::move(ready.error()));
    }
    context.set_deadline(etcd_deadline(deadline, clock_));
    const EtcdCalls::Registered registered(calls_, context);
    grpc::Status status = call(context);
    const bool again =
        first && !status.ok() && !secrets_->token.empty() && etcd_wants_sign_in(status);
    if (!again) return status;
    signed_in_ = false;
  }
}

template <class Response>
Result<Response> EtcdClient::ask(const Question<Response>& question, MonoTime deadline) {
  Response response;
  auto status = attempt([&](auto& context) { return question(context, &response); }, deadline);
  if (!status) return tl::unexpected(reported(std::move(status.error())));
  if (!status->ok()) return tl::unexpected(reported(etcd_error(*status, calls_.cancelled())));
  return response;
}

Result<RangeResponse> EtcdClient::range(const RangeRequest& request, MonoTime deadline) {
  return ask<RangeResponse>(
      [&](auto& context, auto* response) {
        return KV::NewStub(channel_)->Range(&context, request, response);
      },
      deadline);
}

Result<EtcdPage> EtcdClient::range_page(const RangeRequest& request, MonoTime deadline) {
  EtcdPage page;
  auto status = attempt(
      [&](auto& context) {
        return KV::NewStub(channel_)->Range(&context, request, &page.response);
      },
      deadline);
  if (!status) return tl::unexpected(reported(std::move(status.error())));
  if (status->ok()) return page;
  if (etcd_compacted(*status)) return EtcdPage{EtcdPage::Outcome::Compacted, {}};
  if (etcd_message_too_large(*status)) return EtcdPage{EtcdPage::Outcome::TooLarge, {}};
  return tl::unexpected(reported(etcd_error(*status, calls_.cancelled())));
}

Result<PutResponse> EtcdClient::put(const PutRequest& request, MonoTime deadline) {
  return ask<PutResponse>(
      [&](auto& context, auto* response) {
        return KV::NewStub(channel_)->Put(&context, request, response);
      },
      deadline);
}

Result<DeleteRangeResponse> EtcdClient::remove(const DeleteRangeRequest& request,
                                               MonoTime deadline) {
  return ask<DeleteRangeResponse>(
      [&](auto& context, auto* response) {
        return KV::NewStub(channel_)->DeleteRange(&context, request, response);
      },
      deadline);
}

Result<TxnResponse> EtcdClient::transact(const TxnRequest& request, MonoTime deadline) {
  return ask<TxnResponse>(
      [&](auto& context, auto* response) {
        return KV::NewStub(channel_)->Txn(&context, request, response);
      },
      deadline);
}

Result<LeaseGrantResponse> EtcdClient::grant(const LeaseGrantRequest& request, MonoTime deadline) {
  return ask<LeaseGrantResponse>(
      [&](auto& context, auto* response) {
        return Lease::NewStub(channel_)->LeaseGrant(&context, request, response);
      },
      deadline);
}

Result<LeaseRevokeResponse> EtcdClient::revoke(const LeaseRevokeRequest& request,
                                               MonoTime deadline) {
  return ask<LeaseRevokeResponse>(
      [&](auto& context, auto* response) {
        return Lease::NewStub(channel_)->LeaseRevoke(&context, request, response);
      },
      deadline);
}

Result<LeaseKeepAliveResponse> EtcdClient::keep_alive(std::int64_t lease, MonoTime deadline) {
  return ask<LeaseKeepAliveResponse>(
      [&](auto& context, auto* response) {
        const auto stream = Lease::NewStub(channel_)->LeaseKeepAlive(&context);
        etcdserverpb::LeaseKeepAliveRequest request;
        request.set_id(lease);
        const bool answered = stream->Write(request) && stream->Read(response);
        if (answered) context.TryCancel();  // the server would keep the stream
        const grpc::Status status = stream->Finish();
        if (answered) return grpc::Status();
        return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "no answer") : status;
      },
      deadline);
}

Result<StatusResponse> EtcdClient::status(MonoTime deadline) {
  return ask<StatusResponse>(
      [&](auto& context, auto* response) {
        return Maintenance::NewStub(channel_)->Status(&context, {}, response);
      },
      deadline);
}

}  // namespace rollcall
