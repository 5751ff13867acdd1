#include "provisioning/announce/announce_machine.h"

#include <algorithm>

#include "provisioning/announce/limits.h"

namespace rollcall {
namespace {

using S = AnnounceState;
using C = AnnounceCall;
using Cell = AnnounceCell;
using Row = std::array<Cell, kAnnounceInputs>;

constexpr double kRenewJitter = 0.1;
constexpr double kBackoffJitter = 0.2;

// What leaves a state as it is: an outcome nobody asked for, or news that change nothing.
constexpr Cell stay(S state) { return {state, C::None}; }

// A row a state, a column an input, both in the order of their enums.
constexpr std::array<Row, kAnnounceStates> kTable = {{
    // Waiting
    {{{S::Registering, C::Register},
      {S::Unable, C::None},
      stay(S::Waiting),  // Gone
      stay(S::Waiting),  // Due
      stay(S::Waiting),  // Done: of the withdrawal that Gone asked for
      stay(S::Waiting),  // NotKnown
      stay(S::Waiting),  // Failed: that withdrawal; the TTL does the rest
      stay(S::Waiting),  // Seen
      stay(S::Waiting),  // NotSeen
      stay(S::Waiting),  // StillNotSeen
      {S::Withdrawn, C::None}}},
    // Unable
    {{{S::Registering, C::Register},
      stay(S::Unable),
      {S::Waiting, C::None},
      stay(S::Unable),
      stay(S::Unable),
      stay(S::Unable),
      stay(S::Unable),
      stay(S::Unable),
      stay(S::Unable),
      stay(S::Unable),
      {S::Withdrawn, C::None}}},
    // Registering. A registration that failed may have been taken all the same: it is withdrawn.
    {{{S::Registering, C::Register},
      {S::Unable, C::Withdraw},
      {S::Waiting, C::Withdraw},
      {S::Registering, C::Register},  // Due
      {S::Registered, C::None},       // Done
      stay(S::Registering),           // NotKnown: nothing was renewed
      stay(S::Registering),           // Failed: again after the backoff
      stay(S::Registering),           // Seen: of an earlier life of this sidecar, perhaps
      stay(S::Registering),
      stay(S::Registering),
      {S::Withdrawing, C::Withdraw}}},
    // Registered
    {{{S::Registering, C::Register},
      {S::Unable, C::Withdraw},
      {S::Waiting, C::Withdraw},
      {S::Registered, C::Renew},      // Due
      stay(S::Registered),            // Done: renewed
      {S::Registering, C::Register},  // NotKnown: at once
      {S::Unrenewed, C::None},        // Failed
      {S::Listed, C::None},           // Seen
      stay(S::Registered),            // NotSeen: the list may lag
      {S::Missing, C::Register},      // StillNotSeen
      {S::Withdrawing, C::Withdraw}}},
    // Listed
    {{{S::Registering, C::Register},
      {S::Unable, C::Withdraw},
      {S::Waiting, C::Withdraw},
      {S::Listed, C::Renew},          // Due
      stay(S::Listed),                // Done
      {S::Registering, C::Register},  // NotKnown
      {S::Unrenewed, C::None},        // Failed
      stay(S::Listed),                // Seen
      {S::Registered, C::Renew},      // NotSeen: it was taken away; does the backend know?
      {S::Missing, C::Register},      // StillNotSeen
      {S::Withdrawing, C::Withdraw}}},
    // Missing. Its registrations come at least as often as renewals would, and renew as well.
    {{{S::Registering, C::Register},
      {S::Unable, C::Withdraw},
      {S::Waiting, C::Withdraw},
      {S::Missing, C::Register},  // Due
      stay(S::Missing),           // Done: again after the backoff, until it is seen
      stay(S::Missing),           // NotKnown: nothing was renewed
      stay(S::Missing),           // Failed
      {S::Listed, C::None},       // Seen
      stay(S::Missing),           // NotSeen
      stay(S::Missing),           // StillNotSeen
      {S::Withdrawing, C::Withdraw}}},
    // Unrenewed
    {{{S::Registering, C::Register},
      {S::Unable, C::Withdraw},
      {S::Waiting, C::Withdraw},
      {S::Unrenewed, C::Renew},       // Due
      {S::Registered, C::None},       // Done
      {S::Registering, C::Register},  // NotKnown
      stay(S::Unrenewed),             // Failed
      stay(S::Unrenewed),             // Seen: that it is still listed says nothing of its TTL
      stay(S::Unrenewed),             // NotSeen: renewing finds out what to do
      stay(S::Unrenewed),
      {S::Withdrawing, C::Withdraw}}},
    // Withdrawing
    {{stay(S::Withdrawing),
      stay(S::Withdrawing),
      stay(S::Withdrawing),
      {S::Withdrawing, C::Withdraw},  // Due
      {S::Withdrawn, C::None},        // Done
      {S::Withdrawn, C::None},        // NotKnown
      stay(S::Withdrawing),           // Failed: again after the backoff, as long as there is time
      stay(S::Withdrawing),
      stay(S::Withdrawing),
      stay(S::Withdrawing),
      stay(S::Withdrawing)}},
    // Withdrawn
    {{stay(S::Withdrawn), stay(S::Withdrawn), stay(S::Withdrawn), stay(S::Withdrawn),
      stay(S::Withdrawn), stay(S::Withdrawn), stay(S::Withdrawn), stay(S::Withdrawn),
      stay(S::Withdrawn), stay(S::Withdrawn), stay(S::Withdrawn)}},
}};

}  // namespace

std::string_view to_string(AnnounceState state) {
  constexpr std::array<std::string_view, kAnnounceStates> kNames = {
      "WAITING", "UNABLE",    "REGISTERING", "REGISTERED", "LISTED",
      "MISSING", "UNRENEWED", "WITHDRAWING", "WITHDRAWN"};
  return kNames[static_cast<std::size_t>(state) - 1];
}

std::string_view to_string(AnnounceInput input) {
  constexpr std::array<std::string_view, kAnnounceInputs> kNames = {
      "FOUND", "FOUND_UNABLE", "GONE",           "DUE",  "DONE", "NOT_KNOWN", "FAILED",
      "SEEN",  "NOT_SEEN",     "STILL_NOT_SEEN", "DRAIN"};
  return kNames[static_cast<std::size_t>(input) - 1];
}

std::string_view to_string(AnnounceCall call) {
  constexpr std::array<std::string_view, 4> kNames = {"none", "register", "renew", "withdraw"};
  return kNames[static_cast<std::size_t>(call)];
}

AnnounceTimes announce_times(Duration ttl) {
  AnnounceTimes times;
  times.renew_every = ttl / limits::kAnnounceRenewals;
  times.missing_after =
      std::clamp<Duration>(ttl / 2, limits::kAnnounceMissingMin, limits::kAnnounceMissingMax);
  times.backoff.initial = std::min<Duration>(limits::kAnnounceBackoff, times.renew_every);
  times.backoff.max = std::min<Duration>(limits::kAnnounceBackoffMax, times.renew_every);
  times.backoff.jitter = kBackoffJitter;
  return times;
}

Duration announce_call_time(Duration ttl) {
  return std::min<Duration>(ttl / limits::kAnnounceCallShare, limits::kAnnounceCallMax);
}

AnnounceCell announce_cell(AnnounceState state, AnnounceInput input) {
  return kTable[static_cast<std::size_t>(state) - 1][static_cast<std::size_t>(input) - 1];
}

AnnounceMachine::AnnounceMachine(Duration ttl, std::uint64_t seed, MonoTime now)
    : ttl_(ttl), times_(announce_times(ttl)), random_(seed), since_(now) {}

AnnounceCall AnnounceMachine::step(AnnounceInput input, MonoTime now, Duration ttl) {
  using I = AnnounceInput;
  if (input == I::NotSeen) {
    if (!not_seen_since_) not_seen_since_ = now;
    if (now - *not_seen_since_ >= times_.missing_after) input = I::StillNotSeen;
  }
  if (input == I::Seen) not_seen_since_.reset();
  if (input == I::Seen || input == I::Found) again_ = 0;
  if (input == I::Done || input == I::NotKnown || input == I::Found) failures_ = 0;
  if (input == I::Failed) ++failures_;
  // A lease that a backend gave for less or longer than was asked for decides.
  const bool registering = state_ == S::Registering || state_ == S::Missing;
  if (input == I::Done && registering) {
    times_ = announce_times(ttl > Duration::zero() ? ttl : ttl_);
    if (state_ == S::Registering) not_seen_since_.reset();
  }
  const AnnounceCell cell = announce_cell(state_, input);
  if (cell.next != state_) {
    // What failed so far must not make the retries of a withdrawal rare: there are two seconds.
    if (cell.next == S::Withdrawing) failures_ = again_ = 0;
    state_ = cell.next;
    since_ = now;
  }
  plan(input, cell.call, now);
  return cell.call;
}

void AnnounceMachine::plan(AnnounceInput input, AnnounceCall call, MonoTime now) {
  if (state_ == S::Missing && call == C::Register) ++again_;
  const bool idle = state_ == S::Waiting || state_ == S::Unable || state_ == S::Withdrawn;
  if (call != C::None || idle) {
    due_.reset();  // the call's outcome plans anew
    return;
  }
  if (input == AnnounceInput::Failed) {
    due_ = now + backoff_wait(times_.backoff, std::max(failures_, again_), random_);
  } else if (input == AnnounceInput::Done && state_ == S::Missing) {
    due_ = now + backoff_wait(times_.backoff, again_, random_);
  } else if (input == AnnounceInput::Done) {
    const BackoffLimits once{times_.renew_every, times_.renew_every, kRenewJitter};
    due_ = now + backoff_wait(once, 1, random_);
  }
}

}  // namespace rollcall
