// FailoverController: which provider is active and why, which streams run, who is held back (SPEC
// 3).
//
// Pure: it is told what happened and what time it is, and answers what to do. It knows how many
// members a provider's last confirmed answer has, but never compares members: that is Topology's.
//
// Threads: owned by ProvisioningCore, used by the writer only. Every call costs O(providers), and
// there are at most limits::kMaxProviders of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/member_map.h"
#include "core/provider.h"
#include "core/time.h"
#include "provisioning/failover/backoff.h"
#include "provisioning/failover/failover_policy.h"
#include "provisioning/failover/provider_health.h"
#include "provisioning/failover/provider_spec.h"
#include "provisioning/failover/rollback_gate.h"
#include "provisioning/failover/validation_hold.h"

namespace rollcall {

enum class StreamState : std::uint8_t { Stopped, Running, Resting };  // Resting: until `restart_at`

struct ProviderRecord {
  ProviderSpec spec;
  ProviderHealth health;
  ValidationHold hold;
  RollbackGate rollback;

  StreamState stream = StreamState::Stopped;
  StreamGeneration generation;  // of the newest stream: answers of any other are void
  MonoTime heard_at{};          // newest sign of the running stream, or when it was told to go on
  MonoTime restart_at{};        // while Resting
  std::optional<MonoTime> retry_at;  // after a failure, for operators

  HealthState noted = HealthState::Unreachable;  // last told to operators
  bool lost_role = false;  // had the active role in this epoch and lost it: the cooldown applies

  // The last confirmed answer.
  std::optional<MemberMap> view;
  std::string backend_index;
  AnswerTimes times;

  const ProviderId& id() const { return spec.descriptor.id; }
  // May ever be active, whatever its health.
  bool usable() const {
    return spec.descriptor.enabled && !spec.missing_capability && !hold.held();
  }
};

struct StreamCommand {
  enum class Kind : std::uint8_t { Start, Stop, Resume };
  Kind kind = Kind::Start;
  ProviderId provider;
  StreamGeneration generation;
  MonoTime not_before{};  // of Resume
  bool wedged = false;    // of Stop: it had been silent for its whole timeout
};

struct RoleChange {
  ProviderId from;  // empty: none
  ProviderId to;    // empty: none
  FailoverReason reason = FailoverReason::Recovered;
};

class FailoverController {
 public:
  FailoverController(const FailoverPolicy& policy, std::uint64_t seed)
      : policy_(policy), random_(seed) {}

  // --- what the operator wants ---

  // The whole set, in registration order; what is known of those that stay is kept.
  void set_providers(std::vector<ProviderSpec> specs);
  void set_policy(const FailoverPolicy& policy);
  void restore_hold(const ProviderId& id);
  bool release_hold(const ProviderId& id);  // true: it was held
  // PROVIDER_UNHEALTHY, CAPABILITY_MISSING, NOT_FOUND, INVALID_CONFIG.
  Result<void> pin(const ProviderId& id, Duration duration, MonoTime now);
  bool clear_pin();  // true: there was one
  void stop_all();   // draining: no stream runs any more

  // --- what was observed ---

  // The provider, if `generation` is that of its running stream; else what it says is void.
  ProviderRecord* fence(const ProviderId& id, StreamGeneration generation);
  void confirmed(ProviderRecord& record, MonoTime complete, MonoTime now);
  struct Failure {
    std::uint32_t errors = 1;
    std::uint32_t invalid = 0;  // of these, failures of validation
    ErrorCode code = ErrorCode::BackendUnavailable;
    std::string detail;
    bool waits = true;  // the stream waits to be told when to ask again
  };
  // True: the provider is held back from now on.
  bool failed(ProviderRecord& record, Failure failure, MonoTime now);
  bool terminated(ProviderRecord& record, const Terminated& end, MonoTime now);

  // --- what follows ---

  // Lets time pass: health, pin, restarts.
  void advance(MonoTime now);
  // Who has the role now; `topology_has_members` guards against empty providers, `by_operator` is
  // the cause of this step. None: nothing changes.
  std::optional<RoleChange> elect(bool topology_has_members, bool by_operator, MonoTime now);
  // Starts and stops streams as they are wanted now.
  void drive_streams(MonoTime now);
  // Whose health is another than when this was last asked.
  std::vector<std::pair<ProviderId, HealthState>> take_health_changes();
  std::vector<StreamCommand> take_commands() { return std::exchange(commands_, {}); }
  // The next moment at which something changes by time alone; always after `now`.
  std::optional<MonoTime> deadline(MonoTime now) const;

  const ProviderRecord* active() const { return active_.empty() ? nullptr : find(active_); }
  const ProviderId& active_id() const { return active_; }
  bool ever_active() const { return ever_active_; }
  const ProviderRecord* find(const ProviderId& id) const;
  ProviderRecord* find(const ProviderId& id);
  const std::vector<ProviderRecord>& records() const { return records_; }
  std::vector<const ProviderRecord*> ranked() const;  // best first, whatever their health
  const FailoverPolicy& policy() const { return policy_; }
  std::vector<ProviderId> held() const;
  std::optional<ProviderId> pinned() const;
  std::optional<MonoTime> pinned_until() const;
  std::optional<MonoTime> cooldown_until(const ProviderRecord& record) const;

 private:
  struct Pin {
    ProviderId provider;
    MonoTime until{};
    bool used = false;  // it has become active since the switch
  };
  struct Choice {
    ProviderId provider;
    bool by_pin = false;
  };

  bool outranks(const ProviderRecord& a, const ProviderRecord& b) const;
  bool keeps_role(const ProviderRecord& record) const;
  bool eligible(const ProviderRecord& record, bool topology_has_members, MonoTime now) const;
  bool still_awaited(const ProviderRecord& candidate) const;
  Choice choose(bool topology_has_members, MonoTime now) const;
  FailoverReason reason_for(const Choice& choice, bool by_operator) const;
  bool wanted(const ProviderRecord& record) const;
  ProviderHealth::Limits limits(const ProviderRecord& record) const;

  void update_record(ProviderRecord& record, ProviderSpec spec);
  void start_stream(ProviderRecord& record, MonoTime now);
  void stop_stream(ProviderRecord& record, bool wedged);
  Duration next_wait(const ProviderRecord& record);

  FailoverPolicy policy_;
  SplitMix64 random_;
  std::vector<ProviderRecord> records_;  // in registration order
  ProviderId active_;
  bool ever_active_ = false;
  bool stopped_ = false;  // draining
  std::optional<Pin> pin_;
  StreamGeneration generations_;  // last given; one counter for all, so that none ever repeats
  std::vector<StreamCommand> commands_;
};

}  // namespace rollcall
