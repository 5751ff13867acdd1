// ProvisioningCore: every decision of Rollcall, as a pure function step(Input, now) → Effects.
//
// No clock, thread, random source, errno, file or log inside: same inputs, same bytes out, so that
// years of faults can be simulated in minutes. It owns the topology, the block table, the leases
// and the FailoverController. What it decides comes out as Effects, in the order in which they must
// be carried out; what is done outside (a file written, an answer arrived) comes back as an Input.
//
// Threads: one writer (ProvisioningService, or a test). Sequence numbers are given here, so that a
// script sees them; the hub aborts if they are not contiguous.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/limits.h"
#include "core/member_map.h"
#include "core/snapshot.h"
#include "core/time.h"
#include "provisioning/control/block_table.h"
#include "provisioning/control/provider_report.h"
#include "provisioning/failover/failover_policy.h"
#include "provisioning/failover/provider_spec.h"

namespace rollcall {

// The last confirmed topology of an earlier run (SPEC 7).
struct CachedTopology {
  MemberMap members;
  WallTime observed_at{};
  Duration age{};  // at boot, from the wall clock; information, never negative
  ProviderId provider;
};

struct CoreOptions {
  std::uint64_t boot = 1;  // durable boot counter
  Epoch epoch;
  std::uint64_t seed = 0;  // of the jitter generator inside
  FailoverPolicy policy;
  std::size_t log_bytes = limits::kLogBytes;  // a step above a quarter of it becomes `reset`
};

namespace input {

struct Start {
  std::vector<ProviderSpec> providers;  // in registration order
  BlockTable blocks;
  std::vector<ProviderId> held;  // R5.2, from the last run
  std::optional<CachedTopology> cached;
};
// The whole set after a registry write, in registration order: compared with the old one here, in
// one step (R5.4).
struct ProvidersChanged {
  std::vector<ProviderSpec> providers;
  std::vector<ProviderId> release_holds;  // EnableProvider clears a hold
  std::optional<FailoverPolicy> policy;   // of a reload that changed both: one step (R5.4)
};
struct PolicyChanged {
  FailoverPolicy policy;
};
struct Answered {
  ProviderReport report;
};  // fenced by report.generation
struct Tick {};
struct SwitchTo {
  RequestId request;
  ProviderId provider;
  Duration duration{};
};
struct ClearSwitch {
  RequestId request;
};
struct ReleaseRemovals {
  RequestId request;
};  // of the leave guard, by an operator
struct Quarantine {
  RequestId request;
  NodeId node;
  std::string incarnation;
};
struct Recover {
  RequestId request;
  NodeId node;
  std::string incarnation;
};
struct BlocksSaved {
  std::uint64_t version = 0;
  std::optional<ProvisioningError> error;
};
struct PublishOwnership {
  RequestId request;
  Epoch epoch;
  std::uint64_t tick = 0;
  SeqNo based_on;
  std::vector<Lease> leases;
};
struct Drain {
  RequestId request;
};

}  // namespace input

using Input = std::variant<input::Start, input::ProvidersChanged, input::PolicyChanged,
                           input::Answered, input::Tick, input::SwitchTo, input::ClearSwitch,
                           input::ReleaseRemovals, input::Quarantine, input::Recover,
                           input::BlocksSaved, input::PublishOwnership, input::Drain>;

namespace effect {

struct Publish {
  Event event;
};  // to the log, in this order
struct StartStream {
  ProviderId provider;
  StreamGeneration generation;
};
struct StopStream {
  ProviderId provider;
  StreamGeneration generation;
};
// After a failure the runner waits until then before it asks the backend again.
struct ResumeStream {
  ProviderId provider;
  StreamGeneration generation;
  MonoTime not_before{};
};
// Comes back as BlocksSaved{version}; replies wait for it: a block is durable before its call
// answers. The core knows no wall time: who writes the file sets each expires_at to wall now +
// (expires_mono − mono now), and who loads it does the reverse. One write is in flight at a time.
struct SaveBlocks {
  std::uint64_t version = 0;
  BlockTable blocks;
};
struct SaveHolds {
  std::vector<ProviderId> held;
};
// The topology changed or was confirmed: the service writes it, throttled, in its own time.
struct TopologyConfirmed {};
struct ReplyOk {
  bool member = false;
  std::uint32_t count = 0;
  SeqNo seq_no;
  ProviderId active;
};
struct Reply {
  RequestId request;
  Result<ReplyOk> result;
};
// For operators only: log, WatchEvents, metrics. `event` is a stable name, "standby_terminated".
struct Notice {
  enum class Level : std::uint8_t { Info, Warning, Error };
  Level level = Level::Info;
  std::string_view event;  // static storage
  ProviderId provider;
  std::optional<ErrorCode> code;
  std::string message;
};

}  // namespace effect

using Effect = std::variant<effect::Publish, effect::StartStream, effect::StopStream,
                            effect::ResumeStream, effect::SaveBlocks, effect::SaveHolds,
                            effect::TopologyConfirmed, effect::Reply, effect::Notice>;

struct Effects {
  std::vector<Effect> list;
  std::optional<MonoTime> next_tick;  // call step(Tick) then, if nothing came before; absolute
};

// What is observed of a provider (SPEC 1), for operators and metrics.
struct ProviderStatus {
  ProviderSpec spec;
  bool active = false;
  bool pinned = false;
  bool watching = false;
  HealthState health =
      HealthState::Unreachable;            // not watched: Unreachable; first answer due: Degraded
  bool ever_answered = false;              // since it is watched
  MonoTime confirmed_at{};                 // meaningful if ever_answered
  StreamGeneration generation;             // of its newest stream
  std::optional<MonoTime> retry_at;        // after a failure: when it is asked again
  std::optional<MonoTime> cooldown_until;  // it lost the active role and is healthy again
  WallTime observed_at{};
  std::uint32_t consecutive_errors = 0;
  std::optional<ErrorCode> last_error;
  std::string last_error_detail;
  bool held = false;
  std::string held_reason;
  MemberMap view;
  std::string backend_index;
};

class ProvisioningCore {
 public:
  explicit ProvisioningCore(CoreOptions options);
  ~ProvisioningCore();
  ProvisioningCore(const ProvisioningCore&) = delete;
  ProvisioningCore& operator=(const ProvisioningCore&) = delete;

  // `now` never goes back. The first input is Start, once.
  Effects step(const Input& input, MonoTime now);

  const TopologySnapshot& snapshot() const;       // after the last step
  std::vector<ProviderStatus> providers() const;  // in registration order
  std::optional<ProviderId> pinned() const;
  std::optional<MonoTime> pinned_until() const;
  std::size_t removals_held() const;
  const BlockTable& blocks() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rollcall
