#include "bridges/admin/admin_actions.h"

#include <utility>

#include "bridges/admin/admin_messages.h"
#include "core/codec/object_reader.h"
#include "core/limits.h"

namespace rollcall {
namespace {

template <class Request>
RegistryWrite write_options(const Request& r) {
  RegistryWrite write;
  if constexpr (requires { r.validate_only(); }) write.validate_only = r.validate_only();
  if constexpr (requires { r.allow_unreachable(); })
    write.allow_unreachable = r.allow_unreachable();
  if constexpr (requires { r.prune(); }) write.prune = r.prune();
  if (r.has_expected_revision()) write.expected_revision = Revision(r.expected_revision());
  return write;
}

}  // namespace

Result<void> AdminActions::refuse_while_draining() const {
  const auto state = c_.hub->state();
  if (state && state->draining)
    return fail(ErrorCode::ShuttingDown, "the sidecar is draining and accepts no changes");
  return {};
}

Result<v1::ProviderResponse> AdminActions::finish(Result<RegistryChange> change,
                                                  Time at_most) const {
  if (!change) return tl::unexpected(std::move(change.error()));
  // The answer means that the change is in effect, not only that it is stored.
  c_.service->settle(at_most);
  v1::ProviderResponse out;
  out.set_revision(change->revision.value());
  if (change->would_fail) fill_refusal(*change->would_fail, out);
  return out;
}

template <class Write>
Result<v1::ProviderResponse> AdminActions::write_one(const v1::Provider& message,
                                                     const RegistryWrite& write, Time at_most,
                                                     Write&& act) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  ProblemList problems;
  ProviderDescriptor d = descriptor_from(message, "", problems);
  if (problems.empty()) return finish(act(std::move(d)), at_most);
  // With what the registry would have found, so that all is named at once (R1.1).
  problems.add_all(c_.validator->check(d, ""));
  auto refusal = problems.fail(ErrorCode::InvalidConfig, "the provider was refused");
  if (!write.validate_only) return refusal;
  v1::ProviderResponse out;
  out.set_revision(c_.registry->view()->revision.value());
  fill_refusal(refusal.value(), out);
  return out;
}

Result<v1::ProviderResponse> AdminActions::run(const v1::RegisterProviderRequest& r, Time at_most) {
  const RegistryWrite write = write_options(r);
  return write_one(r.provider(), write, at_most,
                   [&](ProviderDescriptor d) { return c_.registry->add(std::move(d), write); });
}

Result<v1::ProviderResponse> AdminActions::run(const v1::UpdateProviderRequest& r, Time at_most) {
  RegistryWrite write = write_options(r);
  // Whether it is enabled, and why not, is Enable's and Disable's to say unless the request does.
  write.keep_enabled = !r.provider().has_enabled();
  return write_one(r.provider(), write, at_most,
                   [&](ProviderDescriptor d) { return c_.registry->update(std::move(d), write); });
}

Result<v1::ProviderResponse> AdminActions::run(const v1::RemoveProviderRequest& r, Time at_most) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  return finish(c_.registry->remove(ProviderId(r.id()), write_options(r)), at_most);
}

Result<v1::ProviderResponse> AdminActions::run(const v1::EnableProviderRequest& r, Time at_most) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  return finish(c_.registry->enable(ProviderId(r.id()), write_options(r)), at_most);
}

Result<v1::ProviderResponse> AdminActions::run(const v1::DisableProviderRequest& r, Time at_most) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  return finish(c_.registry->disable(ProviderId(r.id()), r.reason(), write_options(r)), at_most);
}

Result<v1::ApplyProvidersResponse> AdminActions::run(const v1::ApplyProvidersRequest& r,
                                                     Time at_most) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  // A set above kMaxProviders is told all its problems, but 4 MiB may hold two million of them.
  if (static_cast<std::size_t>(r.providers_size()) > limits::kMaxJudgedProviders) {
    return fail(ErrorCode::LimitExceeded, "there are far too many providers",
                {{"providers", std::to_string(r.providers_size()) + " providers",
                  "at most " + std::to_string(limits::kMaxProviders)}});
  }
  ProblemList problems;
  std::vector<ProviderDescriptor> set;
  for (int i = 0; i < r.providers_size(); ++i)
    set.push_back(
        descriptor_from(r.providers(i), "providers[" + std::to_string(i) + "]", problems));
  v1::ApplyProvidersResponse out;
  if (!problems.empty()) {
    problems.add_all(c_.validator->check_all(set, "providers"));
    auto refusal = problems.fail(ErrorCode::InvalidConfig, "the set of providers was refused");
    if (!r.validate_only()) return refusal;
    out.set_revision(c_.registry->view()->revision.value());
    fill_refusal(refusal.value(), out);
    return out;
  }
  auto change = c_.registry->apply(std::move(set), write_options(r));
  if (!change) return tl::unexpected(std::move(change.error()));
  c_.service->settle(at_most);
  out.set_revision(change->revision.value());
  for (const PlanStep& step : change->plan) fill(step, *out.add_plan());
  if (change->would_fail) fill_refusal(*change->would_fail, out);
  return out;
}

Result<v1::ListProvidersResponse> AdminActions::run(const v1::ListProvidersRequest&, Time at_most) {
  auto status = c_.service->status(at_most);
  if (!status) return tl::unexpected(std::move(status.error()));
  v1::ListProvidersResponse out;
  std::uint32_t order = 0;
  for (const ProviderStatus& p : status->providers)
    fill(p, status->at, order++, *out.add_providers());
  out.set_revision(c_.registry->view()->revision.value());
  return out;
}

Result<v1::ProviderState> AdminActions::run(const v1::GetProviderRequest& r, Time at_most) {
  auto status = c_.service->status(at_most);
  if (!status) return tl::unexpected(std::move(status.error()));
  std::uint32_t order = 0;
  for (const ProviderStatus& p : status->providers) {
    if (p.spec.descriptor.id.str() == r.id()) {
      v1::ProviderState out;
      fill(p, status->at, order, out);
      return out;
    }
    ++order;
  }
  return fail(ErrorCode::NotFound, "there is no provider of this id; `rollcall providers list`",
              {{"id", r.id().substr(0, limits::kMaxProblemValueBytes), "a registered provider"}});
}

Result<v1::GetMemberResponse> AdminActions::run(const v1::GetMemberRequest& r, Time at_most) {
  auto status = c_.service->status(at_most);
  if (!status) return tl::unexpected(std::move(status.error()));
  v1::GetMemberResponse out;
  fill(*status, NodeId(r.node_id()), out);
  if (out.has_node() || out.listings_size() > 0) return out;
  return fail(ErrorCode::NotFound, "no provider lists a node of this id; `rollcall members`",
              {{"node_id", r.node_id().substr(0, limits::kMaxProblemValueBytes), "a member"}});
}

Result<v1::ListKindsResponse> AdminActions::run(const v1::ListKindsRequest&, Time) {
  v1::ListKindsResponse out;
  for (const ProviderFactory* factory : c_.catalog->all()) fill(factory->info(), *out.add_kinds());
  return out;
}

void AdminActions::add_notes(const ServiceStatus& status, v1::GetStatusResponse& out) const {
  for (const ProviderStatus& p : status.providers) {
    const std::string& id = p.spec.descriptor.id.str();
    if (p.held)
      out.add_notes("provider " + id + " is held back: " + p.held_reason +
                    "; enable it when its answers are right again");
    if (p.spec.missing_capability)
      out.add_notes("provider " + id + " is never activated: " + *p.spec.missing_capability);
    if (p.spec.accepted_unreachable && !p.ever_answered)
      out.add_notes("provider " + id + " was accepted unreachable and has not answered yet");
  }
  const v1::StoreState& store = out.store();
  if (store.state() == "refused") {
    out.add_notes("the fleet's providers are not followed: " + store.error());
  } else if (store.state() == "lost" || store.state() == "waiting") {
    out.add_notes(store.where() + " is out of reach" +
                  (store.error().empty() ? "" : ": " + store.error()) +
                  "; what runs here goes on, and writes are refused");
  }
  if (status.removals_held > 0)
    out.add_notes(std::to_string(status.removals_held) + " removals are held by the leave guard");
  if (status.topology.stale && status.topology.has_topology)
    out.add_notes("the topology is stale: no provider confirms it now");
  if (status.abandoned_streams > 0)
    out.add_notes(std::to_string(status.abandoned_streams) +
                  " provider threads never came back; a restart clears them");
}

Result<v1::GetStatusResponse> AdminActions::run(const v1::GetStatusRequest&, Time at_most) {
  auto status = c_.service->status(at_most);
  if (!status) return tl::unexpected(std::move(status.error()));
  v1::GetStatusResponse out;
  fill(*status, out);
  out.set_version(c_.version);
  out.set_cluster(c_.hub->cluster());
  out.set_revision(c_.registry->view()->revision.value());
  out.set_uptime_ms(static_cast<std::uint64_t>(to_ms(c_.clock->now() - c_.started)));
  for (const ConsumerStatus& consumer : c_.hub->consumers()) fill(consumer, *out.add_consumers());
  if (c_.announcing != nullptr) {
    for (const AnnounceStatus& announcement : c_.announcing->status()) {
      fill(announcement, c_.clock->now(), *out.add_announcements());
    }
  }
  if (c_.store) fill(c_.store(), *out.mutable_store());
  add_notes(*status, out);
  return out;
}

Result<v1::SwitchProviderResponse> AdminActions::run(const v1::SwitchProviderRequest& r,
                                                     Time at_most) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  constexpr auto longest =
      std::chrono::duration_cast<std::chrono::milliseconds>(limits::kSwitchMax);
  if (r.for_ms() > static_cast<std::uint64_t>(longest.count()))
    return fail(ErrorCode::InvalidConfig, "a switch lasts at most 24 hours",
                {{"for_ms", std::to_string(r.for_ms()), "at most 86400000"}});
  const Duration lasts = r.for_ms() == 0 ? Duration(limits::kSwitchDefault)
                                         : Duration(std::chrono::milliseconds(r.for_ms()));
  auto reply = c_.service->ask(input::SwitchTo{{}, ProviderId(r.id()), lasts}, at_most);
  if (!reply) return tl::unexpected(std::move(reply.error()));
  v1::SwitchProviderResponse out;
  out.set_active_provider(reply->active.str());
  return out;
}

Result<v1::SwitchProviderResponse> AdminActions::run(const v1::ClearSwitchRequest&, Time at_most) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  auto reply = c_.service->ask(input::ClearSwitch{}, at_most);
  if (!reply) return tl::unexpected(std::move(reply.error()));
  v1::SwitchProviderResponse out;
  out.set_active_provider(reply->active.str());
  return out;
}

Result<v1::ReleaseRemovalsResponse> AdminActions::run(const v1::ReleaseRemovalsRequest&,
                                                      Time at_most) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  auto reply = c_.service->ask(input::ReleaseRemovals{}, at_most);
  if (!reply) return tl::unexpected(std::move(reply.error()));
  v1::ReleaseRemovalsResponse out;
  out.set_released(reply->count);
  return out;
}

Result<ProviderId> AdminActions::member_provider(const std::string& wanted) const {
  if (!wanted.empty()) return ProviderId(wanted);
  const std::vector<ProviderId> candidates = c_.pool->with_registrar();
  if (candidates.size() == 1) return candidates.front();
  if (candidates.empty())
    return fail(ErrorCode::NotFound, "there is no in-memory provider to join; register one");
  return fail(ErrorCode::InvalidConfig,
              "there are " + std::to_string(candidates.size()) + " in-memory providers",
              {{"provider_id", "", "the id of one of them"}});
}

Result<v1::MemberResponse> AdminActions::run(const v1::JoinMemberRequest& r, Time) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  ProblemList problems;
  const ClusterNode node = node_from(r.node(), problems);
  if (!problems.empty()) return problems.fail(ErrorCode::InvalidConfig, "the member was refused");
  auto id = member_provider(r.provider_id());
  if (!id) return tl::unexpected(std::move(id.error()));
  const auto provider = c_.pool->find(*id);
  if (!provider) return fail(ErrorCode::NotFound, "there is no provider " + id->str());
  if (provider->registrar() == nullptr)
    return fail(
        ErrorCode::CapabilityMissing,
        "members of " + id->str() + " come from its backend; only in-memory ones are joined");
  if (auto joined = provider->registrar()->join(node); !joined)
    return tl::unexpected(std::move(joined.error()));
  v1::MemberResponse out;
  out.set_provider_id(id->str());
  return out;
}

Result<v1::MemberResponse> AdminActions::run(const v1::LeaveMemberRequest& r, Time) {
  if (auto open = refuse_while_draining(); !open) return tl::unexpected(open.error());
  auto id = member_provider(r.provider_id());
  if (!id) return tl::unexpected(std::move(id.error()));
  const auto provider = c_.pool->find(*id);
  if (!provider) return fail(ErrorCode::NotFound, "there is no provider " + id->str());
  if (provider->registrar() == nullptr)
    return fail(
        ErrorCode::CapabilityMissing,
        "members of " + id->str() + " leave at its backend; only in-memory ones leave here");
  if (auto left = provider->registrar()->leave(NodeId(r.node_id())); !left)
    return tl::unexpected(std::move(left.error()));
  v1::MemberResponse out;
  out.set_provider_id(id->str());
  return out;
}

Result<v1::DrainResponse> AdminActions::run(const v1::DrainRequest&, Time) {
  c_.drain();
  return v1::DrainResponse{};
}

}  // namespace rollcall
