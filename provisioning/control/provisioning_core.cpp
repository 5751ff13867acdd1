#include "provisioning/control/provisioning_core.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "provisioning/control/core_impl.h"

namespace rollcall {
namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "rollcall: broken invariant of the core: %s\n", what);
  std::abort();
}

}  // namespace

ProvisioningCore::Impl::Impl(CoreOptions options)
    : options_(std::move(options)), policy_(options_.policy), failover_(policy_, options_.seed) {
  snapshot_.epoch = options_.epoch;
  snapshot_.seq_no = make_seq(options_.boot, 0);
  snapshot_.last_change = snapshot_.seq_no;
}

Effects ProvisioningCore::Impl::step(const Input& input, MonoTime now) {
  require(now >= now_ || !started_, "time went back");
  require(started_ != std::holds_alternative<input::Start>(input), "Start comes first, and once");
  started_ = true;
  now_ = now;
  effects_ = {};
  std::visit([this](const auto& in) { on(in); }, input);
  update_snapshot();
  effects_.next_tick = next_tick();
  return std::move(effects_);
}

void ProvisioningCore::Impl::on(const input::Start& in) {
  failover_.set_providers(in.providers);
  for (const ProviderId& id : in.held) failover_.restore_hold(id);
  ledger_.restore(in.blocks, now_);
  if (in.cached) {
    has_topology_ = true;
    topology_.restore(in.cached->members, [this](const NodeId& id, const std::string& life) {
      return ledger_.blocks(id, life);
    });
    if (merging()) unattributed_ = topology_.view();
    told_hash_ = topology_.members().hash();
    told_observed_at_ = in.cached->observed_at;
    snapshot_.confirmed_at = now_ - in.cached->age;
  }
  told_availability_ = availability_now();
  publish(event::AvailabilityChanged{told_availability_.availability,
                                     std::string(told_availability_.reason),
                                     told_availability_.paused, told_availability_.stale});
  settle({});
}

void ProvisioningCore::Impl::on(const input::ProvidersChanged& in) {
  if (draining_) return;
  const std::vector<ProviderId> held_before = failover_.held();
  Causes causes;
  causes.by_operator = true;
  if (in.policy) {
    take_policy(*in.policy);
  }
  failover_.set_providers(in.providers);
  for (const ProviderId& id : in.release_holds) {
    if (!failover_.release_hold(id)) continue;
    const HealthState health = failover_.find(id)->health.state();
    causes.warnings.push_back(
        {id, health, health == HealthState::Healthy ? Advice::None : Advice::AvoidNewChannels});
    notice(effect::Notice::Level::Info, "provider_released", id, std::nullopt,
           "an operator released the provider");
  }
  if (failover_.held() != held_before) effects_.list.push_back(effect::SaveHolds{failover_.held()});
  settle(std::move(causes));
}

void ProvisioningCore::Impl::on(const input::PolicyChanged& in) {
  take_policy(in.policy);
  if (draining_) return;
  settle({});
}

void ProvisioningCore::Impl::on(const input::Tick&) { settle({}); }

void ProvisioningCore::Impl::on(const input::SwitchTo& in) {
  if (refuse_while_draining(in.request)) return;
  settle({});  // what time brought comes first: health decides whether the switch may be made
  if (auto pinned = failover_.pin(in.provider, in.duration, now_); !pinned) {
    reply(in.request, tl::unexpected<ProvisioningError>(std::move(pinned.error())));
    return;
  }
  notice(effect::Notice::Level::Info, "switch", in.provider, std::nullopt,
         "an operator switched to this provider for " +
             std::to_string(to_ms(*failover_.pinned_until() - now_) / 1000) + " s");
  Causes causes;
  causes.by_operator = true;
  settle(std::move(causes));
  reply_ok(in.request);
}

void ProvisioningCore::Impl::on(const input::ClearSwitch& in) {
  if (refuse_while_draining(in.request)) return;
  settle({});
  Causes causes;
  causes.by_operator = true;
  const bool was_pinned = failover_.clear_pin();
  settle(std::move(causes));
  reply_ok(in.request, was_pinned ? 1 : 0);
}

void ProvisioningCore::Impl::on(const input::ReleaseRemovals& in) {
  if (refuse_while_draining(in.request)) return;
  settle({});
  const auto held = static_cast<std::uint32_t>(guard_.held().size());
  Causes causes;
  causes.by_operator = true;
  causes.release_removals = true;
  settle(std::move(causes));
  reply_ok(in.request, held);
}

void ProvisioningCore::Impl::on(const input::PublishOwnership& in) {
  settle({});
  const auto refuse = [&](ErrorCode code, std::string message) {
    reply(in.request, fail(code, std::move(message)));
  };
  if (in.epoch != options_.epoch) {
    return refuse(ErrorCode::OutOfOrder, "the epoch is another one; take a new snapshot");
  }
  const Availability now = told_availability_.availability;
  if (now != Availability::Available && now != Availability::Draining) {
    return refuse(ErrorCode::ProvisioningUnavailable,
                  "ownership is not accepted while " + std::string(to_string(now)));
  }
  if (in.based_on > make_seq(options_.boot, last_n_)) {
    return refuse(ErrorCode::OutOfOrder, "based_on_seq is ahead of the log");
  }
  if (in.based_on < snapshot_.last_change) {
    return refuse(ErrorCode::OutOfOrder, "the topology changed at " +
                                             std::to_string(snapshot_.last_change.value()) +
                                             ", after based_on_seq; recalculate");
  }
  event::LeaseUpdated updated{in.tick, in.leases};
  Event probe;
  probe.body = updated;
  if (encoded_size_bound(probe) > limits::kMaxEventBytes) {
    return refuse(ErrorCode::LimitExceeded, "the leases of one tick are at most 1 MiB; split them");
  }
  if (auto published = leases_.publish(in.tick, in.leases); !published) {
    reply(in.request, tl::unexpected<ProvisioningError>(std::move(published.error())));
    return;
  }
  publish(std::move(updated));
  reply_ok(in.request, static_cast<std::uint32_t>(in.leases.size()));
}

void ProvisioningCore::Impl::on(const input::Drain& in) {
  if (!draining_) {
    settle({});
    draining_ = true;
    failover_.stop_all();
    notice(effect::Notice::Level::Info, "draining", failover_.active_id(), std::nullopt,
           "the last topology is served until the end; provider answers are refused");
    settle({});
  }
  reply_ok(in.request);
}

// --- the class itself ---------------------------------------------------------------------------

ProvisioningCore::ProvisioningCore(CoreOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
ProvisioningCore::~ProvisioningCore() = default;

Effects ProvisioningCore::step(const Input& input, MonoTime now) { return impl_->step(input, now); }
const TopologySnapshot& ProvisioningCore::snapshot() const { return impl_->snapshot(); }
std::vector<ProviderStatus> ProvisioningCore::providers() const { return impl_->providers(); }
std::optional<ProviderId> ProvisioningCore::pinned() const { return impl_->failover().pinned(); }
std::optional<MonoTime> ProvisioningCore::pinned_until() const {
  return impl_->failover().pinned_until();
}
std::size_t ProvisioningCore::removals_held() const { return impl_->guard().held().size(); }
const BlockTable& ProvisioningCore::blocks() const { return impl_->ledger().visible(); }

}  // namespace rollcall
