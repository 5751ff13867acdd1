#include "provisioning/registry/provider_registry.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"
#include "core/text.h"
#include "provisioning/registry/registry_proposal.h"

namespace rollcall {

namespace {

using View = ProviderRegistry::View;

tl::unexpected<ProvisioningError> not_found(const ProviderId& id) {
  return fail(ErrorCode::NotFound, "there is no provider " + printable(id.str(), 128));
}

tl::unexpected<ProvisioningError> owned_by_config(const ProviderId& id) {
  return fail(ErrorCode::PermissionDenied,
              "provider " + id.str() +
                  " comes from the configuration: change `providers:` there and send SIGHUP");
}

tl::unexpected<ProvisioningError> too_many(std::size_t count) {
  return fail(ErrorCode::LimitExceeded, "the set would hold " + std::to_string(count) +
                                            " providers, at most " +
                                            std::to_string(limits::kMaxProviders) + " are allowed");
}

// Replaces `place` by `d`; what was observed of another backend is void.
void replace(AcceptedProvider& place, ProviderDescriptor d, std::vector<ProviderId>& released) {
  if (!place.descriptor.enabled && d.enabled) released.push_back(d.id);
  if (!same_backend(place.descriptor, d)) place = AcceptedProvider{};
  place.descriptor = std::move(d);
}

// What an operator submits does not say who owns it, nor why it was disabled.
void normalise(ProviderDescriptor& d, const AcceptedProvider* existing) {
  d.origin = Origin::Api;
  d.disabled_reason =
      !d.enabled && existing != nullptr ? existing->descriptor.disabled_reason : std::string();
}

bool same_wish(ProviderDescriptor a, ProviderDescriptor b) {
  a.origin = b.origin;
  a.disabled_reason = b.disabled_reason;
  return a == b;
}

}  // namespace

// --- reading ---

ProviderRegistry::ProviderRegistry(ProviderStore& store, StateFiles* state,
                                   const ProviderValidator& validator)
    : store_(store), state_(state), validator_(validator), view_(std::make_shared<View>()) {}

Result<std::unique_ptr<ProviderRegistry>> ProviderRegistry::open(
    ProviderStore& store, StateFiles* state, const ProviderValidator& validator) {
  auto stored = store.load();
  if (!stored) return tl::unexpected(std::move(stored.error()));
  if (auto problems = validator.check_all(stored->providers, "providers"); !problems.empty()) {
    return fail(ErrorCode::InvalidConfig,
                "the stored providers are not ones that this build accepts (run the version that "
                "stored them)",
                std::move(problems));
  }
  std::unique_ptr<ProviderRegistry> registry(new ProviderRegistry(store, state, validator));
  if (state != nullptr) {
    auto observed = state->load_observed();
    if (!observed) return tl::unexpected(std::move(observed.error()));
    // It counts only once it is certainly on the disk, as what the store has read.
    if (*observed) {
      if (auto settled = state->save_observed(**observed); !settled) {
        return tl::unexpected<ProvisioningError>(std::move(settled.error()));
      }
    }
    registry->observed_on_disk_ = std::move(*observed).value_or(ObservedProviders());
  }
  auto view = std::make_shared<View>();
  view->revision = stored->revision;
  for (ProviderDescriptor& d : stored->providers) {
    AcceptedProvider provider;
    const auto seen = registry->observed_on_disk_.find({d.id, backend_digest(d)});
    if (seen != registry->observed_on_disk_.end()) {
      provider.accepted_unreachable = seen->second.accepted_unreachable;
      provider.missing_capability = seen->second.missing_capability;
    }
    provider.descriptor = std::move(d);
    view->providers.push_back(std::move(provider));
  }
  registry->view_ = std::move(view);
  return registry;
}

Result<std::unique_ptr<ProviderRegistry>> ProviderRegistry::open(
    SharedProviderStore& store, StateFiles* state, const ProviderValidator& validator) {
  auto registry = open(static_cast<ProviderStore&>(store), state, validator);
  if (registry) (*registry)->shared_ = &store;
  return registry;
}

void ProviderRegistry::set_listener(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void ProviderRegistry::set_on_stored(const Clock& clock, OnStored on_stored) {
  clock_ = &clock;
  on_stored_ = std::move(on_stored);
}

std::shared_ptr<const ProviderRegistry::View> ProviderRegistry::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

std::optional<AcceptedProvider> ProviderRegistry::find(const ProviderId& id) const {
  const auto present = view();
  const AcceptedProvider* found = find_in(present->providers, id);
  return found != nullptr ? std::optional<AcceptedProvider>(*found) : std::nullopt;
}

// --- what each write wants ---

Result<RegistryChange> ProviderRegistry::add(ProviderDescriptor d, const RegistryWrite& options) {
  return write(options, true, [&](const View& base) -> Result<Proposal> {
    const bool taken = find_in(base.providers, d.id) != nullptr;
    normalise(d, nullptr);
    if (auto problems = validator_.check(d, "provider"); !problems.empty()) {
      if (taken) problems.push_back({"provider.id", d.id.str(), "an id that is not taken"});
      return fail(ErrorCode::InvalidConfig, "the descriptor is refused", std::move(problems));
    }
    if (taken) {
      return fail(ErrorCode::DuplicateName, "the provider is there already and stays as it is",
                  {{"provider.id", d.id.str(), "an id that is not taken"}});
    }
    if (base.providers.size() >= limits::kMaxProviders) return too_many(base.providers.size() + 1);
    Proposal proposal{base.providers, {}, {}};
    proposal.next.push_back({d, false, std::nullopt});
    return proposal;
  });
}

Result<RegistryChange> ProviderRegistry::update(ProviderDescriptor d,
                                                const RegistryWrite& options) {
  return write(options, true, [&](const View& base) -> Result<Proposal> {
    const AcceptedProvider* existing = find_in(base.providers, d.id);
    if (options.keep_enabled && existing != nullptr) d.enabled = existing->descriptor.enabled;
    normalise(d, existing);
    if (auto problems = validator_.check(d, "provider"); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "the descriptor is refused", std::move(problems));
    }
    if (existing == nullptr) return not_found(d.id);
    if (existing->descriptor.origin == Origin::Config) return owned_by_config(d.id);
    Proposal proposal{base.providers, {}, {}};
    replace(*find_in(proposal.next, d.id), d, proposal.release_holds);
    return proposal;
  });
}

Result<RegistryChange> ProviderRegistry::remove(const ProviderId& id,
                                                const RegistryWrite& options) {
  return write(options, false, [&](const View& base) -> Result<Proposal> {
    const AcceptedProvider* existing = find_in(base.providers, id);
    if (existing == nullptr) return not_found(id);
    if (existing->descriptor.origin == Origin::Config) return owned_by_config(id);
    Proposal proposal{base.providers, {}, {}};
    std::erase_if(proposal.next, [&](const auto& p) { return p.descriptor.id == id; });
    return proposal;
  });
}

Result<RegistryChange> ProviderRegistry::enable(const ProviderId& id,
                                                const RegistryWrite& options) {
  return write(options, true, [&](const View& base) -> Result<Proposal> {
    const AcceptedProvider* existing = find_in(base.providers, id);
    if (existing == nullptr) return not_found(id);
    Proposal proposal{base.providers, {id}, {}};
    if (existing->missing_capability || existing->accepted_unreachable) {
      proposal.ask_again.push_back(id);
    }
    if (existing->descriptor.enabled) return proposal;  // only its hold is cleared
    if (existing->descriptor.origin == Origin::Config) return owned_by_config(id);
    ProviderDescriptor& d = find_in(proposal.next, id)->descriptor;
    d.enabled = true;
    d.disabled_reason.clear();
    return proposal;
  });
}

Result<RegistryChange> ProviderRegistry::disable(const ProviderId& id, std::string reason,
                                                 const RegistryWrite& options) {
  return write(options, false, [&](const View& base) -> Result<Proposal> {
    const AcceptedProvider* existing = find_in(base.providers, id);
    if (existing == nullptr) return not_found(id);
    if (existing->descriptor.origin == Origin::Config) return owned_by_config(id);
    Proposal proposal{base.providers, {}, {}};
    ProviderDescriptor& d = find_in(proposal.next, id)->descriptor;
    d.enabled = false;
    d.disabled_reason = reason;
    if (auto problems = validate_descriptor(d, "provider"); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "the reason is refused", std::move(problems));
    }
    return proposal;
  });
}

Result<RegistryChange> ProviderRegistry::apply(std::vector<ProviderDescriptor> set,
                                               const RegistryWrite& options) {
  return write(options, true, [&](const View& base) -> Result<Proposal> {
    for (ProviderDescriptor& d : set) normalise(d, find_in(base.providers, d.id));
    if (auto problems = validator_.check_all(set, "providers"); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "the set is refused", std::move(problems));
    }
    Proposal proposal{base.providers, {}, {}};
    for (const ProviderDescriptor& d : set) {
      AcceptedProvider* place = find_in(proposal.next, d.id);
      if (place == nullptr) {
        proposal.next.push_back({d, false, std::nullopt});
      } else if (place->descriptor.origin == Origin::Config) {
        if (!same_wish(d, place->descriptor)) return owned_by_config(d.id);
      } else {
        replace(*place, d, proposal.release_holds);
      }
    }
    if (options.prune) {
      std::erase_if(proposal.next, [&](const AcceptedProvider& p) {
        return p.descriptor.origin == Origin::Api &&
               std::none_of(set.begin(), set.end(),
                            [&](const auto& d) { return d.id == p.descriptor.id; });
      });
    }
    if (proposal.next.size() > limits::kMaxProviders) return too_many(proposal.next.size());
    return proposal;
  });
}

Result<RegistryChange> ProviderRegistry::apply_config(std::vector<ProviderDescriptor> set,
                                                      When when, bool allow_unreachable) {
  for (ProviderDescriptor& d : set) {
    d.origin = Origin::Config;
    d.disabled_reason.clear();
  }
  RegistryWrite options;
  options.allow_unreachable = allow_unreachable;
  return write(options, when == When::Reload, [&](const View& base) -> Result<Proposal> {
    if (auto problems = validator_.check_all(set, "providers"); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "the configured providers are refused",
                  std::move(problems));
    }
    std::vector<Problem> taken;
    Proposal proposal{base.providers, {}, {}};
    std::erase_if(proposal.next, [&](const AcceptedProvider& p) {
      return p.descriptor.origin == Origin::Config &&
             std::none_of(set.begin(), set.end(),
                          [&](const auto& d) { return d.id == p.descriptor.id; });
    });
    for (std::size_t i = 0; i < set.size(); ++i) {
      AcceptedProvider* place = find_in(proposal.next, set[i].id);
      if (place == nullptr) {
        proposal.next.push_back({set[i], false, std::nullopt});
      } else if (place->descriptor.origin == Origin::Api) {
        taken.push_back({"providers[" + std::to_string(i) + "].id", set[i].id.str(),
                         "an id that was not registered through the API (remove it there first)"});
      } else {
        replace(*place, set[i], proposal.release_holds);
      }
    }
    if (!taken.empty()) {
      return fail(ErrorCode::DuplicateName,
                  "the configuration names providers that are not its own", std::move(taken));
    }
    if (proposal.next.size() > limits::kMaxProviders) return too_many(proposal.next.size());
    return proposal;
  });
}

Result<RegistryChange> ProviderRegistry::seed_default() {
  return write({}, false, [&](const View& base) -> Result<Proposal> {
    Proposal proposal{base.providers, {}, {}};
    if (base.revision != Revision() || !base.providers.empty()) return proposal;
    ProviderDescriptor d;
    d.id = ProviderId("default");
    d.kind = "in-memory";
    if (auto problems = validator_.check(d, "provider"); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "the embedded default is refused", std::move(problems));
    }
    proposal.next.push_back({std::move(d), false, std::nullopt});
    return proposal;
  });
}

}  // namespace rollcall
