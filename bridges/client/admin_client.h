// AdminClient: the operator's API (proto/rollcall/v1/admin.proto) as calls that return values. What
// comes back are the messages themselves: they are the documented shape of what is shown.
//
// Threads: any; calls block at most `deadline`. Failed calls are not repeated.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bridges/client/channel.h"
#include "bridges/client/replica/limits.h"
#include "bridges/client/replica/topology_replica.h"
#include "core/descriptor.h"
#include "core/error.h"
#include "rollcall/v1/admin.pb.h"

namespace rollcall::client {

struct WriteOptions {
  bool validate_only = false;  // nothing changes; the answer holds every problem, with success
  std::optional<std::uint64_t> expected_revision;  // else REVISION_CONFLICT
  bool allow_unreachable = false;  // accept a backend that can't be reached now (R1.4)
  bool keep_enabled = false;       // update_provider: whether it is enabled stays as it is
};

class AdminClient {
 public:
  explicit AdminClient(Channel channel, std::chrono::milliseconds deadline = limits::kCallDeadline)
      : channel_(std::move(channel)), deadline_(deadline) {}

  // --- providers: what is wanted ---
  Result<v1::ProviderResponse> register_provider(const ProviderDescriptor& descriptor,
                                                 const WriteOptions& options = {}) const;
  Result<v1::ProviderResponse> update_provider(const ProviderDescriptor& descriptor,
                                               const WriteOptions& options = {}) const;
  Result<v1::ProviderResponse> remove_provider(const ProviderId& id,
                                               const WriteOptions& options = {}) const;
  Result<v1::ProviderResponse> enable_provider(const ProviderId& id,
                                               const WriteOptions& options = {}) const;
  Result<v1::ProviderResponse> disable_provider(const ProviderId& id, const std::string& reason,
                                                const WriteOptions& options = {}) const;
  // The whole set at once. `prune`: what the API once added and isn't in `descriptors` goes.
  Result<v1::ApplyProvidersResponse> apply_providers(
      const std::vector<ProviderDescriptor>& descriptors, bool prune,
      const WriteOptions& options = {}) const;

  // --- and what is observed ---
  Result<v1::ListProvidersResponse> list_providers() const;
  Result<v1::ProviderState> get_provider(const ProviderId& id) const;
  Result<v1::ListKindsResponse> list_kinds() const;
  Result<v1::GetStatusResponse> get_status() const;
  Result<TopologyReplica> get_topology() const;  // proved by its hash

  Result<v1::GetMemberResponse> get_member(const NodeId& id) const;

  // --- acts ---
  Result<v1::SwitchProviderResponse> switch_provider(
      const ProviderId& id, std::chrono::milliseconds duration = {}) const;  // 0: 10 minutes
  Result<v1::SwitchProviderResponse> clear_switch() const;
  Result<v1::ReleaseRemovalsResponse> release_removals() const;
  // In-memory providers. An empty provider: the only one. Durable when it returns.
  Result<v1::MemberResponse> join_member(const ClusterNode& node,
                                         const ProviderId& provider = {}) const;
  Result<v1::MemberResponse> leave_member(const NodeId& node,
                                          const ProviderId& provider = {}) const;
  Result<void> drain() const;

  // The last `backlog` events that operators are told, then new ones, until `fn` returns false (no
  // error) or the stream ends. Blocks; no deadline.
  Result<void> watch_events(std::uint32_t backlog,
                            const std::function<bool(const v1::OperatorEvent&)>& fn) const;

 private:
  Channel channel_;
  std::chrono::milliseconds deadline_;
};

}  // namespace rollcall::client
