#include "bridges/client/admin_client.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "bridges/client/calls.h"
#include "bridges/client/replica/wire.h"
#include "rollcall/v1/admin.grpc.pb.h"

namespace rollcall::client {
namespace {

using Stub = v1::ProvisioningAdmin::Stub;

// Sets the options that a request of this type has.
template <class Request>
void set_options(Request& request, const WriteOptions& options) {
  if (options.expected_revision) request.set_expected_revision(*options.expected_revision);
  if constexpr (requires { request.set_validate_only(true); }) {
    request.set_validate_only(options.validate_only);
  }
  if constexpr (requires { request.set_allow_unreachable(true); }) {
    request.set_allow_unreachable(options.allow_unreachable);
  }
}

template <class Request, class Response>
Result<Response> admin_call(const Channel& channel, std::chrono::milliseconds deadline,
                            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                         Response*),
                            const Request& request) {
  const auto stub = v1::ProvisioningAdmin::NewStub(channel.grpc_channel());
  return call(*stub, method, request, channel, deadline);
}

}  // namespace

Result<v1::ProviderResponse> AdminClient::register_provider(const ProviderDescriptor& descriptor,
                                                            const WriteOptions& options) const {
  v1::RegisterProviderRequest request;
  *request.mutable_provider() = provider_to_wire(descriptor);
  set_options(request, options);
  return admin_call(channel_, deadline_, &Stub::RegisterProvider, request);
}

Result<v1::ProviderResponse> AdminClient::update_provider(const ProviderDescriptor& descriptor,
                                                          const WriteOptions& options) const {
  v1::UpdateProviderRequest request;
  *request.mutable_provider() = provider_to_wire(descriptor);
  if (options.keep_enabled) request.mutable_provider()->clear_enabled();
  set_options(request, options);
  return admin_call(channel_, deadline_, &Stub::UpdateProvider, request);
}

Result<v1::ProviderResponse> AdminClient::remove_provider(const ProviderId& id,
                                                          const WriteOptions& options) const {
  v1::RemoveProviderRequest request;
  request.set_id(id.str());
  set_options(request, options);
  return admin_call(channel_, deadline_, &Stub::RemoveProvider, request);
}

Result<v1::ProviderResponse> AdminClient::enable_provider(const ProviderId& id,
                                                          const WriteOptions& options) const {
  v1::EnableProviderRequest request;
  request.set_id(id.str());
  set_options(request, options);
  return admin_call(channel_, deadline_, &Stub::EnableProvider, request);
}

Result<v1::ProviderResponse> AdminClient::disable_provider(const ProviderId& id,
                                                           const std::string& reason,
                                                           const WriteOptions& options) const {
  v1::DisableProviderRequest request;
  request.set_id(id.str());
  request.set_reason(reason);
  set_options(request, options);
  return admin_call(channel_, deadline_, &Stub::DisableProvider, request);
}

Result<v1::ApplyProvidersResponse> AdminClient::apply_providers(
    const std::vector<ProviderDescriptor>& descriptors, bool prune,
    const WriteOptions& options) const {
  v1::ApplyProvidersRequest request;
  for (const auto& descriptor : descriptors) {
    *request.add_providers() = provider_to_wire(descriptor);
  }
  request.set_prune(prune);
  set_options(request, options);
  return admin_call(channel_, deadline_, &Stub::ApplyProviders, request);
}

Result<v1::ListProvidersResponse> AdminClient::list_providers() const {
  return admin_call(channel_, deadline_, &Stub::ListProviders, v1::ListProvidersRequest());
}

Result<v1::ProviderState> AdminClient::get_provider(const ProviderId& id) const {
  v1::GetProviderRequest request;
  request.set_id(id.str());
  return admin_call(channel_, deadline_, &Stub::GetProvider, request);
}

Result<v1::ListKindsResponse> AdminClient::list_kinds() const {
  return admin_call(channel_, deadline_, &Stub::ListKinds, v1::ListKindsRequest());
}

Result<v1::GetStatusResponse> AdminClient::get_status() const {
  return admin_call(channel_, deadline_, &Stub::GetStatus, v1::GetStatusRequest());
}

Result<TopologyReplica> AdminClient::get_topology() const {
  const auto stub = v1::ProvisioningAdmin::NewStub(channel_.grpc_channel());
  grpc::ClientContext context;
  set_deadline(context, deadline_);
  const auto reader = stub->GetTopology(&context, v1::GetTopologyRequest());
  return read_snapshot(*reader, context, channel_);
}

Result<v1::GetMemberResponse> AdminClient::get_member(const NodeId& id) const {
  v1::GetMemberRequest request;
  request.set_node_id(id.str());
  return admin_call(channel_, deadline_, &Stub::GetMember, request);
}

Result<v1::SwitchProviderResponse> AdminClient::switch_provider(
    const ProviderId& id, std::chrono::milliseconds duration) const {
  v1::SwitchProviderRequest request;
  request.set_id(id.str());
  request.set_for_ms(static_cast<std::uint64_t>(std::max(duration.count(), std::int64_t{0})));
  return admin_call(channel_, deadline_, &Stub::SwitchProvider, request);
}

Result<v1::SwitchProviderResponse> AdminClient::clear_switch() const {
  return admin_call(channel_, deadline_, &Stub::ClearSwitch, v1::ClearSwitchRequest());
}

Result<v1::ReleaseRemovalsResponse> AdminClient::release_removals() const {
  return admin_call(channel_, deadline_, &Stub::ReleaseRemovals, v1::ReleaseRemovalsRequest());
}

Result<v1::MemberResponse> AdminClient::join_member(const ClusterNode& node,
                                                    const ProviderId& provider) const {
  v1::JoinMemberRequest request;
  request.set_provider_id(provider.str());
  *request.mutable_node() = node_to_wire(node);
  return admin_call(channel_, deadline_, &Stub::JoinMember, request);
}

Result<v1::MemberResponse> AdminClient::leave_member(const NodeId& node,
                                                     const ProviderId& provider) const {
  v1::LeaveMemberRequest request;
  request.set_provider_id(provider.str());
  request.set_node_id(node.str());
  return admin_call(channel_, deadline_, &Stub::LeaveMember, request);
}

Result<void> AdminClient::drain() const {
  auto response = admin_call(channel_, deadline_, &Stub::Drain, v1::DrainRequest());
  if (!response) return tl::unexpected(std::move(response.error()));
  return {};
}

Result<void> AdminClient::watch_events(
    std::uint32_t backlog, const std::function<bool(const v1::OperatorEvent&)>& fn) const {
  const auto stub = v1::ProvisioningAdmin::NewStub(channel_.grpc_channel());
  grpc::ClientContext context;
  v1::WatchEventsRequest request;
  request.set_backlog(backlog);
  const auto reader = stub->WatchEvents(&context, request);
  v1::OperatorEvent event;
  bool enough = false;
  while (!enough && reader->Read(&event)) enough = !fn(event);
  if (enough) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (enough || status.ok()) return {};
  return tl::unexpected(error_of(status, channel_.address()));
}

}  // namespace rollcall::client
