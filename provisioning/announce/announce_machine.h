// AnnounceMachine: when this node is registered, renewed and withdrawn at one provider. Pure: one
// enum of states, one table (announce_machine.cpp), time as an argument, the jitter's seed too.
//
// Calls are made by whoever steps it, one at a time: a step that answers a call is followed by the
// step with that call's outcome (Done, NotKnown or Failed) before anything else.
//
// Threads: a value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time.h"
#include "provisioning/failover/backoff.h"

namespace rollcall {

enum class AnnounceState : std::uint8_t {
  Waiting = 1,      // the provider is not registered here
  Unable = 2,       // its kind cannot announce
  Registering = 3,  // the backend is asked to take the node, again and again
  Registered = 4,   // it took it; the provider's own list does not have it yet
  Listed = 5,       // the provider's own, confirmed list has it
  Missing = 6,      // registered, yet not in that list for too long: registered again and again
  Unrenewed = 7,    // registered, and the last renewal failed: the TTL may run out
  Withdrawing = 8,  // draining
  Withdrawn = 9,
};
inline constexpr std::size_t kAnnounceStates = 9;
std::string_view to_string(AnnounceState state);  // "WAITING" …

enum class AnnounceInput : std::uint8_t {
  Found = 1,        // the provider is registered, or another one took its place
  FoundUnable = 2,  // the same, and its kind cannot announce
  Gone = 3,         // the provider was removed
  Due = 4,          // the time that the last step named has come
  Done = 5,         // the call did what it was to do
  NotKnown = 6,     // a renewal: the backend knows nothing of the node
  Failed = 7,
  Seen = 8,           // the provider's own list, confirmed after the registration, has the node
  NotSeen = 9,        // that list does not have it
  StillNotSeen = 10,  // and has not had it for AnnounceTimes::missing_after
  Drain = 11,
};
inline constexpr std::size_t kAnnounceInputs = 11;
std::string_view to_string(AnnounceInput input);  // "FOUND" …

enum class AnnounceCall : std::uint8_t { None = 0, Register = 1, Renew = 2, Withdraw = 3 };
std::string_view to_string(AnnounceCall call);  // "none", "register", "renew", "withdraw"

struct AnnounceTimes {
  Duration renew_every{};  // a third of the TTL
  Duration missing_after{};
  BackoffLimits backoff;  // after failures, and between registrations of a missing node
};
// Those of a TTL (limits.h).
AnnounceTimes announce_times(Duration ttl);
// How long one call may take.
Duration announce_call_time(Duration ttl);

class AnnounceMachine {
 public:
  AnnounceMachine(Duration ttl, std::uint64_t seed, MonoTime now);

  // `StillNotSeen` is never given: the machine makes it of NotSeen and the time. `ttl`: of Done,
  // after a registration: the one that counts at the backend; zero: the one of the beginning.
  AnnounceCall step(AnnounceInput input, MonoTime now, Duration ttl = Duration::zero());

  AnnounceState state() const { return state_; }
  MonoTime since() const { return since_; }             // in this state
  std::optional<MonoTime> due() const { return due_; }  // when `Due` is wanted
  std::uint32_t failures() const { return failures_; }  // in a row

 private:
  void plan(AnnounceInput input, AnnounceCall call, MonoTime now);

  Duration ttl_;
  AnnounceTimes times_;
  SplitMix64 random_;
  AnnounceState state_ = AnnounceState::Waiting;
  MonoTime since_{};
  std::optional<MonoTime> due_;
  std::optional<MonoTime> not_seen_since_;
  std::uint32_t failures_ = 0;
  std::uint32_t again_ = 0;  // registrations of a node that is missing, in a row
};

// What the table says, for tests and the documentation.
struct AnnounceCell {
  AnnounceState next = AnnounceState::Waiting;
  AnnounceCall call = AnnounceCall::None;
};
AnnounceCell announce_cell(AnnounceState state, AnnounceInput input);

}  // namespace rollcall
