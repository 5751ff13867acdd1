// How the registry takes over what others stored in a store that a fleet shares: the whole set, in
// one step, or nothing of it. No backend is asked (R1.4 was whoever accepted the write to see to);
// what does not answer here is for health to say.
#include <utility>

#include "provisioning/registry/registry_proposal.h"

namespace rollcall {

void ProviderRegistry::take_over() {
  if (shared_ == nullptr) return;
  if (!take_turn()) return;  // so many writers that one of them will come by
  adopt();
  end_write();
}

Result<void> ProviderRegistry::catch_up() {
  if (auto turn = take_turn(); !turn) return turn;
  auto fresh = shared_->refresh();
  if (fresh) adopt();
  end_write();
  return fresh;
}

// By the one who has the turn.
void ProviderRegistry::adopt() {
  auto set = shared_->newer();
  if (!set) return shared_->settle();
  if (auto problems = validator_.check_all(set->providers, "providers"); !problems.empty()) {
    shared_->refused(
        fail(ErrorCode::InvalidConfig, "this build does not accept it", std::move(problems))
            .value());
    return;
  }
  const auto base = view();
  auto next = std::make_shared<View>();
  next->revision = set->revision;
  std::vector<ProviderId> released;
  for (ProviderDescriptor& d : set->providers) {
    AcceptedProvider provider;
    const AcceptedProvider* before = find_in(base->providers, d.id);
    if (before != nullptr && !before->descriptor.enabled && d.enabled) released.push_back(d.id);
    if (before != nullptr && same_backend(before->descriptor, d)) {
      provider = *before;
    } else if (const auto seen = observed_on_disk_.find({d.id, backend_digest(d)});
               seen != observed_on_disk_.end()) {
      provider.accepted_unreachable = seen->second.accepted_unreachable;
      provider.missing_capability = seen->second.missing_capability;
    }
    provider.descriptor = std::move(d);
    next->providers.push_back(std::move(provider));
  }
  shared_->taken_over();
  show(std::move(next), released);
}

}  // namespace rollcall
