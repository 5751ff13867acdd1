#include "provisioning/announce/provider_announcement.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/text.h"
#include "provisioning/announce/limits.h"

namespace rollcall {
namespace {

using Level = OperatorNotice::Level;

std::string ms_text(Duration d) { return std::to_string(to_ms(d)) + " ms"; }

}  // namespace

void AnnounceCancel::cancel() noexcept {
  std::shared_ptr<Announcer> calling;
  {
    mutex_.lock();
    cancelled_ = true;
    calling = calling_;
    mutex_.unlock();
  }
  if (calling) calling->cancel();
}

void AnnounceCancel::cancel_one() noexcept {
  mutex_.lock();
  const std::shared_ptr<Announcer> calling = calling_;
  mutex_.unlock();
  if (calling) calling->cancel();
}

void AnnounceCancel::set(std::shared_ptr<Announcer> calling) {
  mutex_.lock();
  const bool cancelled = cancelled_;
  calling_ = calling;
  mutex_.unlock();
  if (cancelled && calling) calling->cancel();
}

ProviderAnnouncement::ProviderAnnouncement(ProviderId id, const Announcement& what,
                                           std::uint64_t seed, const Context& context)
    : what_(what), c_(context), machine_(what.ttl, seed, context.clock->now()) {
  status_.provider = std::move(id);
  status_.since = machine_.since();
}

std::string ProviderAnnouncement::shown() const {
  const ClusterNode& node = what_.node;
  const bool v6 = node.host.find(':') != std::string::npos;
  return printable(node.id.str(), limits::kMaxNodeIdBytes) + " (" + (v6 ? "[" : "") + node.host +
         (v6 ? "]:" : ":") + std::to_string(node.port) + ")";
}

// --- what the rest of the sidecar says ----------------------------------------------------------

void ProviderAnnouncement::look(const std::shared_ptr<ClusterProvider>& provider,
                                const ProviderStatus* seen) {
  // Registered, and it could not be made; without a reason it is about to go.
  const bool broken =
      provider == nullptr && seen != nullptr && seen->spec.missing_capability.has_value();
  if (provider == nullptr && !broken) {
    if (std::exchange(known_, false)) {
      step(AnnounceInput::Gone);
      withdraw_former(c_.clock->now() + announce_call_time(what_.ttl));
      announcer_.reset();
    } else if (!std::exchange(told_waiting_, true)) {
      tell(Level::Warning, "announce_waiting", std::nullopt,
           "this provider is not registered; the node " + shown() + " is announced once it is");
    }
    return;
  }
  const bool same = known_ && broken_ == broken && provider_.lock() == provider;
  broken_ = broken;
  if (!same) replaced(provider, broken ? *seen->spec.missing_capability : "");
  if (seen != nullptr && announcer_) compare(*seen);
}

void ProviderAnnouncement::replaced(const std::shared_ptr<ClusterProvider>& provider,
                                    std::string why_unable) {
  known_ = true;
  provider_ = provider;
  std::shared_ptr<Announcer> announcer;
  if (provider) {
    announcer = provider->announcer(what_);
    if (!announcer) why_unable = "kind " + provider->descriptor().kind + " cannot announce";
  }
  if (!announcer) {
    step(AnnounceInput::FoundUnable, why_unable);
    status_.last_error = ErrorCode::CapabilityMissing;
    status_.last_error_detail = why_unable;
    announcer_.reset();
    former_.reset();
    return;
  }
  // The new one first: if both lead to the same place, the node never leaves it. One that is still
  // to register when it is replaced in turn is forgotten: the node is where it was before.
  if (!former_) former_ = std::move(announcer_);
  announcer_ = std::move(announcer);
  status_.listed_as = {};
  step(AnnounceInput::Found);
}

// What it fails to withdraw, the TTL ends.
void ProviderAnnouncement::withdraw_former(MonoTime deadline) {
  const auto former = std::exchange(former_, nullptr);
  if (!former) return;
  c_.cancel->set(former);
  try {
    (void)former->withdraw(deadline);
  } catch (const std::exception&) {  // as one that failed
  }
  c_.cancel->set(nullptr);
}

void ProviderAnnouncement::compare(const ProviderStatus& seen) {
  if (!registered_at_ || !seen.ever_answered || seen.health != HealthState::Healthy) return;
  if (seen.confirmed_at <= *registered_at_) return;
  const Member* member = seen.view.find(status_.listed_as);
  const bool listed = member != nullptr && member->node->host == what_.node.host &&
                      member->node->port == what_.node.port;
  step(listed ? AnnounceInput::Seen : AnnounceInput::NotSeen);
}

void ProviderAnnouncement::due() { step(AnnounceInput::Due); }

void ProviderAnnouncement::drain(MonoTime until) {
  const bool first = !std::exchange(drain_until_, until);
  step(first ? AnnounceInput::Drain : AnnounceInput::Due);
  withdraw_former(until);
}

void ProviderAnnouncement::drained() {
  if (machine_.state() == AnnounceState::Withdrawn) return;
  tell(Level::Warning, "announce_left_to_ttl", status_.last_error,
       "the node " + shown() +
           " could not be withdrawn in time; the backend forgets it when its "
           "TTL is over");
}

// --- calls --------------------------------------------------------------------------------------

// A call's outcome is an input, too: at most a renewal, a registration and its end.
void ProviderAnnouncement::step(AnnounceInput input, const std::string& why) {
  Duration ttl{};
  for (;;) {
    const AnnounceState before = machine_.state();
    const AnnounceCall wanted = machine_.step(input, c_.clock->now(), ttl);
    status_.state = machine_.state();
    status_.since = machine_.since();
    tell(before, input, why);
    if (wanted == AnnounceCall::None) return;
    const Outcome outcome = carry_out(wanted);
    input = outcome.input;
    ttl = outcome.ttl;
  }
}

ProviderAnnouncement::Outcome ProviderAnnouncement::carry_out(AnnounceCall wanted) {
  const MonoTime now = c_.clock->now();
  MonoTime deadline = now + announce_call_time(what_.ttl);
  if (drain_until_) deadline = *drain_until_;
  c_.cancel->set(announcer_);
  Outcome outcome;
  try {
    outcome = call(wanted, deadline);
  } catch (const std::exception& e) {
    outcome = failed(wanted, {ErrorCode::BackendUnavailable,
                              "the provider's announcer threw: " + std::string(e.what()),
                              {},
                              0});
  }
  c_.cancel->set(nullptr);
  if (wanted == AnnounceCall::Register && outcome.input == AnnounceInput::Done && former_) {
    // Of another name, it is certainly not what was just registered; else it may be.
    if (former_->registration() == announcer_->registration()) {
      former_.reset();
    } else {
      withdraw_former(c_.clock->now() + announce_call_time(what_.ttl));
    }
  }
  return outcome;
}

ProviderAnnouncement::Outcome ProviderAnnouncement::call(AnnounceCall wanted, MonoTime deadline) {
  ProvisioningMetrics& metrics = c_.telemetry->metrics();
  switch (wanted) {
    case AnnounceCall::Register: {
      auto announced = announcer_->register_node(deadline);
      if (!announced) return failed(wanted, announced.error());
      registered(*announced);
      break;
    }
    case AnnounceCall::Renew: {
      const auto standing = announcer_->renew(deadline);
      if (!standing) return failed(wanted, standing.error());
      if (*standing == Standing::NotKnown) {
        ++status_.lost;
        metrics.announce_call(status_.provider, to_string(wanted), ErrorCode::NotFound);
        return {AnnounceInput::NotKnown, {}};
      }
      ++status_.renewals;
      status_.last_success = c_.clock->wall_now();
      break;
    }
    case AnnounceCall::Withdraw:
      if (auto withdrawn = announcer_->withdraw(deadline); !withdrawn) {
        return failed(wanted, withdrawn.error());
      }
      registered_at_.reset();
      break;
    case AnnounceCall::None:
      break;
  }
  metrics.announce_call(status_.provider, to_string(wanted), std::nullopt);
  status_.last_error.reset();
  status_.last_error_detail.clear();
  return {AnnounceInput::Done, ttl_};
}

void ProviderAnnouncement::registered(const Announced& announced) {
  ++status_.registrations;
  status_.last_success = c_.clock->wall_now();
  status_.listed_as = announced.listed_as;
  registered_at_ = c_.clock->now();
  ttl_ = announced.ttl;
}

ProviderAnnouncement::Outcome ProviderAnnouncement::failed(AnnounceCall wanted,
                                                           const ProvisioningError& error) {
  c_.telemetry->metrics().announce_call(status_.provider, to_string(wanted), error.code);
  // The first of a row, and each that is another one: an outage must not fill the log.
  const bool news = status_.last_error != error.code;
  status_.last_error = error.code;
  std::string detail = error.message;
  for (const Problem& p : error.problems) detail += "; " + p.field + ": expected " + p.expected;
  status_.last_error_detail = std::string(utf8_prefix(detail, limits::kAnnounceErrorBytes));
  if (news) {
    tell(Level::Warning, "announce_failed", error.code,
         "cannot " + std::string(to_string(wanted)) + " the node " + shown() + ": " +
             status_.last_error_detail + "; it is tried again");
  }
  return {AnnounceInput::Failed, {}};
}

// --- what operators are told --------------------------------------------------------------------

void ProviderAnnouncement::tell(Level level, std::string_view event, std::optional<ErrorCode> code,
                                std::string message) {
  c_.telemetry->tell(level, event, status_.provider, code, std::move(message));
}

void ProviderAnnouncement::tell(AnnounceState before, AnnounceInput input, const std::string& why) {
  const AnnounceState now = machine_.state();
  const std::string node = "the node " + shown();
  if (input == AnnounceInput::NotKnown && now == AnnounceState::Registering) {
    tell(Level::Warning, "announce_lost", ErrorCode::NotFound,
         "the backend no longer knows " + node + "; it is registered again now");
    return;
  }
  if (now == before) return;
  switch (now) {
    case AnnounceState::Waiting:
      tell(Level::Warning, "announce_provider_gone", std::nullopt,
           "the provider was removed; " + node + " is withdrawn, and announced again with it");
      break;
    case AnnounceState::Unable:
      tell(Level::Error, "announce_unable", ErrorCode::CapabilityMissing,
           why + "; " + node + " is not announced through it");
      break;
    case AnnounceState::Registered:
      if (before == AnnounceState::Registering) {
        tell(Level::Info, "announced", std::nullopt,
             node + " is registered, to be listed as " +
                 printable(status_.listed_as.str(), limits::kMaxNodeIdBytes) + ", with a TTL of " +
                 ms_text(ttl_));
      } else if (before == AnnounceState::Unrenewed) {
        tell(Level::Info, "announce_renewed", std::nullopt, node + " is renewed again");
      } else {
        tell(Level::Warning, "announce_unlisted", std::nullopt,
             node + " has gone from the provider's own list; the backend is asked about it");
      }
      break;
    case AnnounceState::Listed:
      tell(Level::Info, "announce_listed", std::nullopt, node + " is in the provider's own list");
      break;
    case AnnounceState::Missing:
      ++status_.missing;
      c_.telemetry->metrics().announce_missing(status_.provider);
      tell(Level::Warning, "announce_missing", std::nullopt,
           node +
               " is registered, and yet not in the provider's own list; it is registered again. "
               "Does a filter of the provider leave it out, or is the id somebody else's?");
      break;
    case AnnounceState::Withdrawn:
      if (before != AnnounceState::Withdrawing) break;  // nothing was registered
      tell(Level::Info, "announce_withdrawn", std::nullopt, node + " is withdrawn");
      break;
    case AnnounceState::Registering:
    case AnnounceState::Unrenewed:
    case AnnounceState::Withdrawing:
      break;  // the call tells
  }
}

}  // namespace rollcall
