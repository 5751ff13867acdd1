// What is behind ProvisioningCore. Private to the core_*.cpp files and provisioning_core.cpp.
//
// A step runs its input's on(): that changes what is known, and calls settle(), which lets time
// pass, decides, and emits the events of what changed in the order of SPEC 5. Everything is emitted
// from there, so that the order is written down once.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "provisioning/control/block_ledger.h"
#include "provisioning/control/lease_book.h"
#include "provisioning/control/leave_guard.h"
#include "provisioning/control/merged_view.h"
#include "provisioning/control/provisioning_core.h"
#include "provisioning/control/topology.h"
#include "provisioning/failover/failover_controller.h"

namespace rollcall {

class ProvisioningCore::Impl {
 public:
  explicit Impl(CoreOptions options);

  Effects step(const Input& input, MonoTime now);

  const TopologySnapshot& snapshot() const { return snapshot_; }
  std::vector<ProviderStatus> providers() const;
  const FailoverController& failover() const { return failover_; }
  const LeaveGuard& guard() const { return guard_; }
  const BlockLedger& ledger() const { return ledger_; }

 private:
  // What made a settle() necessary, beside time.
  struct Causes {
    std::optional<event::StreamTerminated> terminated;  // of the active provider
    std::vector<event::HealthWarning> warnings;         // validation holds, begun or ended
    bool by_operator = false;
    bool release_removals = false;       // by an operator
    std::optional<ProviderId> answered;  // whose confirmed answer arrived
  };
  struct AvailabilityState {
    Availability availability = Availability::Unavailable;
    std::string_view reason;
    bool paused = true;
    bool stale = true;
    bool same_to_consumers(const AvailabilityState& o) const {
      return availability == o.availability && paused == o.paused && stale == o.stale;
    }
  };

  // provisioning_core.cpp: inputs that are short
  void on(const input::Start& in);
  void on(const input::ProvidersChanged& in);
  void on(const input::PolicyChanged& in);
  void on(const input::Tick& in);
  void on(const input::SwitchTo& in);
  void on(const input::ClearSwitch& in);
  void on(const input::ReleaseRemovals& in);
  void on(const input::PublishOwnership& in);
  void on(const input::Drain& in);
  // core_answers.cpp: what providers say
  void on(const input::Answered& in);
  bool take_answer(ProviderRecord& record, const ProviderReport::Answer& answer);
  void take_failures(ProviderRecord& record, const ProviderReport& report);
  event::HealthWarning held_back(const ProviderRecord& record);
  // core_blocks.cpp: what remoting says
  void on(const input::Quarantine& in);
  void on(const input::Recover& in);
  void on(const input::BlocksSaved& in);
  void unblock_refreshed();
  void note_lives(const TopologyChange& change);
  void bind_block(const NodeId& id);
  void write_blocks();
  bool is_member(const NodeId& id) const;

  // core_settle.cpp: deciding, in order
  void settle(Causes causes);
  TopologyChange follow_active(const Causes& causes, bool role_changed);
  void release_held(const Causes& causes, TopologyChange& change);
  std::vector<const ProviderRecord*> second_providers() const;
  bool listed_again(const NodeId& id, const LeaveGuard::Held& held,
                    const std::vector<const ProviderRecord*>& counting) const;
  bool confirmed_since(const NodeId& id, const LeaveGuard::Held& held) const;
  AvailabilityState availability_now() const;
  void run_streams();
  void note_health();

  // core_merge.cpp: whose answers make the topology
  bool merging() const;
  void take_policy(const FailoverPolicy& policy);
  std::vector<const ProviderRecord*> voices() const;  // best first
  void note_contributors();
  const MemberMap& merge_views();
  const MemberMap* view_to_follow(const Causes& causes, bool role_changed);
  const ProviderRecord* teller(const Causes& causes) const;
  MonoTime confirmed_at() const;

  // core_events.cpp: telling
  void publish(decltype(Event::body) body);
  void tell_health(const ProviderRecord* record);
  enum class Turn : std::uint8_t { Worse, Better };
  void tell_healths(Turn turn);
  void tell_availability(const AvailabilityState& next);
  void tell_guard();
  void tell_change(const TopologyChange& change, const ProviderRecord* source);
  void notice(effect::Notice::Level level, std::string_view event, const ProviderId& provider,
              std::optional<ErrorCode> code, std::string message);
  void reply(RequestId request, Result<effect::ReplyOk> result);
  void reply_ok(RequestId request, std::uint32_t count = 0);
  bool refuse_while_draining(RequestId request);
  void update_snapshot();
  std::optional<MonoTime> next_tick() const;

  const CoreOptions options_;
  FailoverPolicy policy_;
  FailoverController failover_;
  Topology topology_;
  LeaveGuard guard_;
  BlockLedger ledger_;
  // Of TopologyMode::Merge.
  MergedView merged_;
  std::set<ProviderId> contributors_;               // who answered, and was not taken away since
  std::optional<MemberMap> unattributed_;           // what an earlier run left, until all answered
  std::map<ProviderId, HealthState> told_healths_;  // absent: Healthy
  bool refollow_ = false;                           // mode or identity changed
  LeaseBook leases_;
  TopologySnapshot snapshot_;

  bool started_ = false;
  bool draining_ = false;
  bool has_topology_ = false;
  std::uint64_t last_n_ = 0;                        // of the newest event
  std::uint64_t told_hash_ = 0;                     // of the topology as consumers know it
  WallTime told_observed_at_{};                     // of the answer behind that
  HealthState told_health_ = HealthState::Healthy;  // of whoever is or was active
  AvailabilityState told_availability_;
  std::optional<ProviderId> told_removals_held_;  // whose

  MonoTime now_{};
  Effects effects_;
};

}  // namespace rollcall
