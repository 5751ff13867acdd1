// Simulation, the part of operators and consumers, and what must be true in the end.
#include <algorithm>
#include <utility>

#include "tests/simulation/simulation.h"

namespace rollcall::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<ProviderDescriptor>::iterator find(std::vector<ProviderDescriptor>& set,
                                               const ProviderId& id) {
  return std::find_if(set.begin(), set.end(), [&](const auto& d) { return d.id == id; });
}

}  // namespace

Simulation::Descriptors Simulation::registered() const {
  Descriptors out;
  for (const AcceptedProvider& p : sidecar_->registry().view()->providers) {
    out.push_back(p.descriptor);
  }
  return out;
}

// Every request gets exactly one answer while its sidecar lives; the sidecar sees to that.
void Simulation::ask(const std::function<Input(RequestId)>& make) {
  const RequestId request = sidecar_->next_request();
  sidecar_->on_reply(request, [](const Result<effect::ReplyOk>&) {});
  sidecar_->step(make(request));
}

void Simulation::operate() {
  if (sidecar_ == nullptr) return;
  switch (dice_.below(12)) {
    case 0:
    case 1:
      switch_provider();
      break;
    case 2:
      ask([](RequestId r) { return input::ClearSwitch{r}; });
      break;
    case 3:
      ask([](RequestId r) { return input::ReleaseRemovals{r}; });
      break;
    case 4:
      change_policy();
      break;
    case 5:
      if (dice_.chance(0.1)) ask([](RequestId r) { return input::Drain{r}; });
      break;
    default:
      change_registry();
      break;
  }
}

void Simulation::switch_provider() {
  const ProviderId to("p" + std::to_string(dice_.below(backends_.size())));
  const Duration lasting = dice_.between(seconds(1), seconds(120));
  ask([&](RequestId r) { return input::SwitchTo{r, to, lasting}; });
}

void Simulation::change_policy() {
  policy_.leave_guard.enabled = dice_.chance(0.6);
  policy_.leave_guard.max_share = dice_.chance(0.5) ? 0.2 : 0.5;
  policy_.leave_guard.hold = dice_.between(seconds(10), seconds(60));
  const bool merge = policy_.mode == TopologyMode::Merge;
  if (dice_.chance(0.1)) policy_.mode = merge ? TopologyMode::Failover : TopologyMode::Merge;
  around_.policy.mode = policy_.mode;  // a reload: the next start reads the same configuration
  oracle_.merging(policy_.mode == TopologyMode::Merge);
  sidecar_->step(input::PolicyChanged{policy_});
}

// `call` says whether it succeeded, and with which message it failed.
void Simulation::registry_call(const Descriptors& expected,
                               const std::function<bool(std::string&)>& call) {
  if (sidecar_->draining()) return;  // the admin API refuses
  const Descriptors before = registered();
  std::string message;
  if (call(message)) {
    if (registered() != expected) {
      oracle_.violation(time_.now(), "the registry did something else than it was asked for");
    }
    possible_sets_ = {expected};
    return;
  }
  if (registered() != before) {
    oracle_.violation(time_.now(), "a refused write changed the set");
  }
  if (files_.power_is_off() || message.find("unknown") != std::string::npos) {
    possible_sets_.push_back(expected);
  }
}

void Simulation::change_registry() {
  const Descriptors set = registered();
  if (set.size() < 2 || dice_.chance(0.2)) return add_provider();
  const ProviderDescriptor& one = set[dice_.below(set.size())];
  ProviderRegistry& registry = sidecar_->registry();
  Descriptors expected = set;
  const auto at = find(expected, one.id);
  const auto outcome = [](const auto& result, std::string& message) {
    if (!result) message = result.error().message;
    return result.has_value();
  };
  switch (dice_.below(6)) {
    case 0:
      expected.erase(at);
      registry_call(expected, [&](std::string& message) {
        return outcome(registry.remove(one.id, {}), message);
      });
      break;
    case 1:
      at->enabled = false;
      at->disabled_reason = "because";
      registry_call(expected, [&](std::string& message) {
        return outcome(registry.disable(one.id, "because", {}), message);
      });
      break;
    case 2:
    case 3:
      at->enabled = true;
      at->disabled_reason.clear();
      registry_call(expected, [&](std::string& message) {
        return outcome(registry.enable(one.id, {}), message);
      });
      break;
    case 4:
      apply_set();
      break;
    default:
      update_provider(one);
      break;
  }
}

void Simulation::add_provider() {
  const std::string id = "p" + std::to_string(dice_.below(backends_.size()));
  ProviderDescriptor d = in_memory(id, static_cast<std::int32_t>(dice_.below(5)));
  if (dice_.chance(0.25)) d.standby = Standby::Cold;
  Descriptors expected = registered();
  if (find(expected, d.id) != expected.end()) return;
  expected.push_back(d);
  registry_call(expected, [&](std::string& message) {
    auto added = sidecar_->registry().add(d, {});
    if (!added) message = added.error().message;
    return added.has_value();
  });
}

void Simulation::update_provider(const ProviderDescriptor& old) {
  ProviderDescriptor d = old;
  d.priority = static_cast<std::int32_t>(dice_.below(5));
  if (dice_.chance(0.3)) d.auth.token_file = "/token-" + std::to_string(dice_.below(3));
  Descriptors expected = registered();
  *find(expected, d.id) = d;
  registry_call(expected, [&](std::string& message) {
    auto updated = sidecar_->registry().update(d, {});
    if (!updated) message = updated.error().message;
    return updated.has_value();
  });
}

// The whole set at once: some stay, some change, some are new, the rest goes (R5.4).
void Simulation::apply_set() {
  Descriptors set;
  Descriptors expected = registered();
  for (const auto& [id, backend] : backends_) {
    if (!dice_.chance(0.5)) continue;
    set.push_back(in_memory(id, static_cast<std::int32_t>(dice_.below(5))));
  }
  if (set.empty()) return;
  std::erase_if(expected,
                [&](const ProviderDescriptor& d) { return find(set, d.id) == set.end(); });
  for (ProviderDescriptor& d : set) {
    const auto at = find(expected, d.id);
    if (at == expected.end()) {
      expected.push_back(d);
    } else {
      *at = d;
    }
  }
  RegistryWrite write;
  write.prune = true;
  registry_call(expected, [&](std::string& message) {
    auto applied = sidecar_->registry().apply(set, write);
    if (!applied) message = applied.error().message;
    return applied.has_value();
  });
}

void Simulation::report_a_node() {
  if (sidecar_ == nullptr) return;
  auto it = world_.members().begin();
  std::advance(it, static_cast<std::ptrdiff_t>(dice_.below(world_.members().size())));
  NodeId node = it->second.id;
  if (dice_.chance(0.1)) node = NodeId("node-" + std::to_string(dice_.below(100)));
  const std::string life = dice_.chance(0.7) ? "" : it->second.incarnation;
  const auto& blocks = sidecar_->core().blocks();
  if (!blocks.empty() && dice_.chance(0.5)) {
    auto block = blocks.begin();
    std::advance(block, static_cast<std::ptrdiff_t>(dice_.below(blocks.size())));
    node = block->first;
    ask([&](RequestId r) { return input::Recover{r, node, ""}; });
  } else {
    ask([&](RequestId r) { return input::Quarantine{r, node, life}; });
  }
}

void Simulation::publish_ownership() {
  if (sidecar_ == nullptr) return;
  const client::TopologyView& view = consumers_.front()->replica().view();
  if (!view.has_topology()) return;
  input::PublishOwnership in;
  in.epoch = view.position.epoch;
  in.tick = dice_.chance(0.9) ? ++lease_tick_ : lease_tick_;
  in.based_on = view.position.seq_no;
  view.members.for_each([&](const Member& member) {
    if (dice_.chance(0.2))
      in.leases.push_back({"part-" + member.id().str(), member.id(), 1, 0, ""});
  });
  ask([&](RequestId r) {
    in.request = r;
    return in;
  });
}

// --- the end ------------------------------------------------------------------------------------

void Simulation::make_everything_well() {
  world_.calm_down();
  files_.stop_failing();
  asleep_until_.clear();
  for (auto& [id, backend] : backends_) backend.set_mood(Mood::Normal, world_, dice_);
  if (sidecar_ != nullptr && sidecar_->draining()) crash(false);
  const std::function<void()> operate_well = [this] {
    if (sidecar_ == nullptr) {
      time_.in(seconds(1), [this] { make_everything_well(); });
      return;
    }
    if (registered().size() < 2) add_provider();
    if (registered().empty()) add_provider();
    for (const ProviderDescriptor& d : registered()) {
      if (!sidecar_->registry().enable(d.id, {})) {
        oracle_.violation(time_.now(), "a provider can't be enabled though the disk is well");
      }
    }
    ask([](RequestId r) { return input::ClearSwitch{r}; });
  };
  operate_well();
}

void Simulation::check_members(const TopologySnapshot& now) {
  const Backend& source = backends_[now.active.str()];
  Members expected = world_.members();
  now.members.for_each([&](const Member& member) {
    const auto it = expected.find(member.id().str());
    if (it == expected.end()) {
      oracle_.violation(time_.now(), member.id().str() + " is still a member");
      return;
    }
    ClusterNode node = it->second;
    // What isn't declared is kept from whoever declared it last.
    if (!source.declares_incarnation || node.incarnation.empty()) {
      node.incarnation = member.node->incarnation;
    }
    if (node != *member.node) oracle_.violation(time_.now(), it->first + " is out of date");
    expected.erase(it);
  });
  for (const auto& [id, node] : expected) {
    oracle_.violation(time_.now(), id + " did not become a member");
  }
}

void Simulation::check_convergence() {
  const MonoTime end = time_.now();
  if (sidecar_ == nullptr) return oracle_.violation(end, "there is no sidecar in the end");
  const TopologySnapshot& now = sidecar_->core().snapshot();
  if (now.availability != Availability::Available || now.stale) {
    oracle_.violation(end, "not available in the end: " + now.availability_reason);
  }
  const Descriptors set = registered();
  const ProviderDescriptor* best = nullptr;
  for (const ProviderDescriptor& d : set) {
    if (best == nullptr || d.priority > best->priority) best = &d;
  }
  if (best == nullptr || now.active != best->id) {
    oracle_.violation(end, "the active provider is not the best one: " + now.active.str());
  }
  check_members(now);
  if (sidecar_->core().removals_held() != 0) oracle_.violation(end, "removals are held for ever");
  if (sidecar_->open_requests() != 0) oracle_.violation(end, "a request was never answered");
  for (const auto& each : consumers_) {
    const client::TopologyView& view = each->replica().view();
    if (view.phase != client::Phase::Following || view.position.seq_no != now.seq_no ||
        view.members.hash() != now.hash() || view.availability != now.availability ||
        view.provider_id != now.active) {
      oracle_.violation(end, each->name() + " did not converge (" +
                                 std::string(client::to_string(view.phase)) + ")");
    }
  }
}

}  // namespace rollcall::test
