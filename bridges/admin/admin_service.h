// AdminService: ProvisioningAdmin over gRPC. Unary calls run on a bounded pool of workers (they
// wait for disks and backends), GetTopology streams the hub's shared snapshot, WatchEvents the
// operators' log.
//
// Threads: gRPC's. close() ends what streams, before the server is shut down.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "bridges/admin/admin_actions.h"
#include "bridges/admin/events_reactor.h"
#include "bridges/stream/stream_reactor.h"
#include "bridges/stream/worker_pool.h"
#include "provisioning/hub/mutex.h"
#include "rollcall/v1/admin.grpc.pb.h"

namespace rollcall {

inline constexpr std::size_t kAdminThreads = 4;
inline constexpr std::size_t kAdminWaiting = 64;
inline constexpr auto kAdminLongest = std::chrono::seconds(30);  // for a call without a deadline

class AdminService final : public v1::ProvisioningAdmin::WithRawCallbackMethod_GetTopology<
                               v1::ProvisioningAdmin::CallbackService> {
 public:
  explicit AdminService(AdminContext context);
  ~AdminService() override;

  // Streams end with SHUTTING_DOWN, calls at hand are finished, new ones are SHUTTING_DOWN.
  // Idempotent.
  void close();

#define ROLLCALL_ADMIN_UNARY(method, Request, Response)                                           \
  grpc::ServerUnaryReactor* method(grpc::CallbackServerContext* context,                          \
                                   const v1::Request* request, v1::Response* response) override { \
    return unary(context, *request, *response, #method);                                          \
  }
  ROLLCALL_ADMIN_UNARY(RegisterProvider, RegisterProviderRequest, ProviderResponse)
  ROLLCALL_ADMIN_UNARY(UpdateProvider, UpdateProviderRequest, ProviderResponse)
  ROLLCALL_ADMIN_UNARY(RemoveProvider, RemoveProviderRequest, ProviderResponse)
  ROLLCALL_ADMIN_UNARY(EnableProvider, EnableProviderRequest, ProviderResponse)
  ROLLCALL_ADMIN_UNARY(DisableProvider, DisableProviderRequest, ProviderResponse)
  ROLLCALL_ADMIN_UNARY(ApplyProviders, ApplyProvidersRequest, ApplyProvidersResponse)
  ROLLCALL_ADMIN_UNARY(ListProviders, ListProvidersRequest, ListProvidersResponse)
  ROLLCALL_ADMIN_UNARY(GetProvider, GetProviderRequest, ProviderState)
  ROLLCALL_ADMIN_UNARY(ListKinds, ListKindsRequest, ListKindsResponse)
  ROLLCALL_ADMIN_UNARY(GetStatus, GetStatusRequest, GetStatusResponse)
  ROLLCALL_ADMIN_UNARY(GetMember, GetMemberRequest, GetMemberResponse)
  ROLLCALL_ADMIN_UNARY(SwitchProvider, SwitchProviderRequest, SwitchProviderResponse)
  ROLLCALL_ADMIN_UNARY(ClearSwitch, ClearSwitchRequest, SwitchProviderResponse)
  ROLLCALL_ADMIN_UNARY(ReleaseRemovals, ReleaseRemovalsRequest, ReleaseRemovalsResponse)
  ROLLCALL_ADMIN_UNARY(JoinMember, JoinMemberRequest, MemberResponse)
  ROLLCALL_ADMIN_UNARY(LeaveMember, LeaveMemberRequest, MemberResponse)
  ROLLCALL_ADMIN_UNARY(Drain, DrainRequest, DrainResponse)
#undef ROLLCALL_ADMIN_UNARY

  ByteStream* GetTopology(grpc::CallbackServerContext* context,
                          const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<v1::OperatorEvent>* WatchEvents(
      grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request) override;

 private:
  template <class Request, class Response>
  grpc::ServerUnaryReactor* unary(grpc::CallbackServerContext* context, const Request& request,
                                  Response& response, std::string_view method);
  Duration time_left(const grpc::CallbackServerContext& context) const;
  bool closed();

  AdminActions actions_;
  WorkerPool workers_;

  Mutex mutex_;  // guards the open WatchEvents streams, and whether there may be more
  std::vector<std::weak_ptr<EventsReactor>> streams_ ROLLCALL_GUARDED_BY(mutex_);
  bool closed_ ROLLCALL_GUARDED_BY(mutex_) = false;
};

}  // namespace rollcall
