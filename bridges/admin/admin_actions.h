// AdminActions: what each RPC of ProvisioningAdmin does, without gRPC. Calls block (a backend is
// asked, a disk written, the service thread answers), at most about `at_most`: they run on workers.
//
// Threads: any. While the sidecar drains, everything that changes something is SHUTTING_DOWN.
#pragma once

#include <functional>
#include <string>

#include "core/error.h"
#include "core/provider.h"
#include "core/time.h"
#include "provisioning/announce/announcing.h"
#include "provisioning/hub/watch_hub.h"
#include "provisioning/registry/provider_registry.h"
#include "provisioning/registry/provider_validator.h"
#include "provisioning/registry/store_status.h"
#include "provisioning/service/provider_pool.h"
#include "provisioning/service/provisioning_service.h"
#include "provisioning/service/service_telemetry.h"
#include "rollcall/v1/admin.pb.h"

namespace rollcall {

// Everything outlives the actions.
struct AdminContext {
  const Clock* clock = nullptr;
  const ProviderCatalog* catalog = nullptr;
  const ProviderValidator* validator = nullptr;
  ProviderRegistry* registry = nullptr;
  ProviderPool* pool = nullptr;
  ProvisioningService* service = nullptr;
  WatchHub* hub = nullptr;
  OperatorLog* operators = nullptr;
  ServiceTelemetry* telemetry = nullptr;
  const Announcing* announcing = nullptr;  // null: nothing is announced
  std::string version;
  MonoTime started{};
  std::function<StoreStatus()> store;  // where the accepted providers live; null: not shown
  std::function<void()> drain;         // begins the graceful end of the process; returns at once
};

class AdminActions {
 public:
  explicit AdminActions(AdminContext context) : c_(std::move(context)) {}

  using Time = Duration;  // at_most
  Result<v1::ProviderResponse> run(const v1::RegisterProviderRequest& r, Time at_most);
  Result<v1::ProviderResponse> run(const v1::UpdateProviderRequest& r, Time at_most);
  Result<v1::ProviderResponse> run(const v1::RemoveProviderRequest& r, Time at_most);
  Result<v1::ProviderResponse> run(const v1::EnableProviderRequest& r, Time at_most);
  Result<v1::ProviderResponse> run(const v1::DisableProviderRequest& r, Time at_most);
  Result<v1::ApplyProvidersResponse> run(const v1::ApplyProvidersRequest& r, Time at_most);
  Result<v1::ListProvidersResponse> run(const v1::ListProvidersRequest& r, Time at_most);
  Result<v1::ProviderState> run(const v1::GetProviderRequest& r, Time at_most);
  Result<v1::ListKindsResponse> run(const v1::ListKindsRequest& r, Time at_most);
  Result<v1::GetStatusResponse> run(const v1::GetStatusRequest& r, Time at_most);
  Result<v1::GetMemberResponse> run(const v1::GetMemberRequest& r, Time at_most);
  Result<v1::SwitchProviderResponse> run(const v1::SwitchProviderRequest& r, Time at_most);
  Result<v1::SwitchProviderResponse> run(const v1::ClearSwitchRequest& r, Time at_most);
  Result<v1::ReleaseRemovalsResponse> run(const v1::ReleaseRemovalsRequest& r, Time at_most);
  Result<v1::MemberResponse> run(const v1::JoinMemberRequest& r, Time at_most);
  Result<v1::MemberResponse> run(const v1::LeaveMemberRequest& r, Time at_most);
  Result<v1::DrainResponse> run(const v1::DrainRequest& r, Time at_most);

  const AdminContext& context() const { return c_; }

 private:
  Result<void> refuse_while_draining() const;
  Result<v1::ProviderResponse> finish(Result<RegistryChange> change, Time at_most) const;
  template <class Write>
  Result<v1::ProviderResponse> write_one(const v1::Provider& message, const RegistryWrite& write,
                                         Time at_most, Write&& act);
  Result<ProviderId> member_provider(const std::string& wanted) const;
  void add_notes(const ServiceStatus& status, v1::GetStatusResponse& out) const;

  const AdminContext c_;
};

}  // namespace rollcall
