// How the registry writes: judge, ask the backends, take a turn, store, show, tell.
#include <algorithm>
#include <utility>

#include "core/limits.h"
#include "core/text.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/registry_proposal.h"

namespace rollcall {

namespace {

bool stores_nothing(const ProviderRegistry::View& base, const std::vector<AcceptedProvider>& next) {
  return descriptors_of(base.providers) == descriptors_of(next);
}

}  // namespace

Result<RegistryChange> ProviderRegistry::write(const RegistryWrite& options, bool ask,
                                               const Propose& propose) {
  auto change = try_write(options, ask, propose);
  if (change || !options.validate_only) return change;
  return RegistryChange{view()->revision, {}, std::move(change.error())};
}

Result<RegistryChange> ProviderRegistry::try_write(const RegistryWrite& options, bool ask,
                                                   const Propose& propose) {
  Checked checked;
  for (int attempt = 0; attempt < limits::kMaxRegistryRetries; ++attempt) {
    std::optional<ProvisioningError> away;  // why a shared store can't be written to now
    if (shared_ != nullptr) {
      if (auto fresh = catch_up(); !fresh) away = std::move(fresh.error());
    }
    const auto base = view();
    if (options.expected_revision && *options.expected_revision != base->revision) {
      return fail(ErrorCode::RevisionConflict,
                  "the set has revision " + std::to_string(base->revision.value()) +
                      ", the write expected " + std::to_string(options.expected_revision->value()) +
                      ": read it again");
    }
    auto proposal = propose(*base);
    if (!proposal) return tl::unexpected(std::move(proposal.error()));
    RegistryChange change{
        base->revision, make_plan(descriptors_of(base->providers), descriptors_of(proposal->next)),
        std::nullopt};
    // What only ends a hold is this sidecar's own affair, and stores nothing.
    const bool own = !proposal->release_holds.empty() && stores_nothing(*base, proposal->next);
    if (away && !own) {
      if (!options.validate_only) return tl::unexpected(std::move(*away));
      change.would_fail = std::move(away);
      return change;
    }
    if (ask) {
      if (auto asked = ask_backends(*base, options, *proposal, checked); !asked) {
        if (!options.validate_only) return tl::unexpected(std::move(asked.error()));
        change.would_fail = std::move(asked.error());
      }
    }
    if (options.validate_only) return change;
    auto turn = begin_write(base);
    if (!turn) return tl::unexpected(std::move(turn.error()));
    if (!*turn) continue;  // judged again against the set of the one who was faster
    auto revision = commit(*base, *proposal, options);
    end_write();
    if (!revision) {
      if (shared_ != nullptr && revision.error().code == ErrorCode::RevisionConflict) continue;
      return tl::unexpected(std::move(revision.error()));
    }
    change.revision = *revision;
    return change;
  }
  return fail(ErrorCode::RevisionConflict,
              "the set kept changing while this write was judged (now revision " +
                  std::to_string(view()->revision.value()) + "): try again");
}

Result<void> ProviderRegistry::ask_backends(const View& base, const RegistryWrite& options,
                                            Proposal& proposal, Checked& checked) const {
  std::vector<ProviderDescriptor> to_ask;
  std::vector<AcceptedProvider*> concerned;
  const auto again = [&](const ProviderId& id) {
    return std::find(proposal.ask_again.begin(), proposal.ask_again.end(), id) !=
           proposal.ask_again.end();
  };
  for (AcceptedProvider& provider : proposal.next) {
    const ProviderDescriptor& d = provider.descriptor;
    const AcceptedProvider* before = find_in(base.providers, d.id);
    const bool changed = before == nullptr || !same_backend(before->descriptor, d);
    if ((!changed && !again(d.id)) || !validator_.is_external(d)) continue;
    concerned.push_back(&provider);
    const auto known = checked.answers.find(d.id);
    if (known == checked.answers.end() || !same_backend(known->second.asked, d))
      to_ask.push_back(d);
  }
  auto answers = validator_.check_connectivity(to_ask);
  for (std::size_t i = 0; i < to_ask.size(); ++i) {
    checked.answers.insert_or_assign(to_ask[i].id,
                                     Checked::Answer{to_ask[i], std::move(answers[i])});
  }

  std::optional<ErrorCode> code;
  std::vector<Problem> unreachable;
  for (AcceptedProvider* provider : concerned) {
    const auto& answer = checked.answers.at(provider->descriptor.id).result;
    const bool soft = options.allow_unreachable || again(provider->descriptor.id);
    if (answer) {
      provider->accepted_unreachable = false;
      provider->missing_capability.reset();
      if (!answer->watch) {
        provider->missing_capability = answer->missing.empty() ? "watching" : answer->missing;
      }
    } else if (answer.error().code == ErrorCode::CapabilityMissing) {
      provider->accepted_unreachable = false;
      provider->missing_capability = answer.error().message;
    } else if (soft) {
      if (!again(provider->descriptor.id)) provider->accepted_unreachable = true;
    } else {
      if (!code) code = answer.error().code;
      unreachable.push_back(
          {"providers." + provider->descriptor.id.str(),
           std::string(to_string(answer.error().code)),
           "a backend that answers (" + printable(answer.error().message, 256) + ")"});
    }
  }
  if (!code) return {};
  return fail(*code,
              "not accepted, because it can't be reached (--allow-unreachable accepts it anyway)",
              std::move(unreachable));
}

Result<Revision> ProviderRegistry::commit(const View& base, const Proposal& proposal,
                                          const RegistryWrite& options) {
  const auto before = descriptors_of(base.providers);
  const auto after = descriptors_of(proposal.next);
  const bool same = proposal.next == base.providers && proposal.release_holds.empty();
  // A shared store is asked even then: it may not have the set that runs here.
  const bool stored = same && !store_unsure_ && shared_ == nullptr;
  if (stored && !observed_unsure_) return base.revision;
  if (auto saved = save_observed(base, proposal); !saved) {
    return tl::unexpected(std::move(saved.error()));
  }
  if (stored) return base.revision;
  auto next = std::make_shared<View>();
  next->revision = base.revision;
  next->providers = proposal.next;
  // After an unknown outcome even "nothing changes" must be stored before it is answered: the disk
  // may hold what an earlier, refused write wanted.
  const bool ends_hold = before == after && !proposal.release_holds.empty();
  if (before != after || store_unsure_ || (shared_ != nullptr && !ends_hold)) {
    const MonoTime began = clock_ != nullptr ? clock_->now() : MonoTime{};
    auto saved = store(after, base.revision, options);
    if (!saved || *saved != base.revision || shared_ == nullptr) {
      tell_stored(kProvidersFile, began, saved ? nullptr : &saved.error());
    }
    if (!saved) {
      // A shared store looks by itself what became of it.
      store_unsure_ = store_unsure_ || (saved.error().unknown && shared_ == nullptr);
      return tl::unexpected(std::move(saved.error().error));
    }
    store_unsure_ = false;
    next->revision = *saved;
    if (same && *saved == base.revision) return base.revision;
  }
  const Revision revision = next->revision;
  show(std::move(next), proposal.release_holds);
  return revision;
}

tl::expected<Revision, WriteOutcome> ProviderRegistry::store(
    const std::vector<ProviderDescriptor>& set, Revision expected, const RegistryWrite& options) {
  // Who names the revision means it.
  if (shared_ != nullptr && options.expected_revision) return shared_->save_over(set, expected);
  return store_.save(set, expected);
}

void ProviderRegistry::show(std::shared_ptr<const View> next,
                            const std::vector<ProviderId>& release_holds) {
  Listener listener;
  {
    const std::lock_guard lock(mutex_);
    view_ = next;
    listener = listener_;
  }
  if (listener) listener(next->providers, next->revision, release_holds);
}

// What was observed of both sets, stored before the set itself: a crash in between leaves entries
// that fit the set that is there, and some that fit none.
Result<void> ProviderRegistry::save_observed(const View& base, const Proposal& proposal) {
  ObservedProviders observed;
  for (const auto* set : {&base.providers, &proposal.next}) {
    for (const AcceptedProvider& p : *set) {
      if (!p.accepted_unreachable && !p.missing_capability) continue;
      observed[{p.descriptor.id, backend_digest(p.descriptor)}] = {p.accepted_unreachable,
                                                                   p.missing_capability};
    }
  }
  // The same backend, observed anew: the new set's word counts.
  for (const AcceptedProvider& p : proposal.next) {
    if (p.accepted_unreachable || p.missing_capability) continue;
    observed.erase({p.descriptor.id, backend_digest(p.descriptor)});
  }
  if (state_ == nullptr || (observed == observed_on_disk_ && !observed_unsure_)) return {};
  const MonoTime began = clock_ != nullptr ? clock_->now() : MonoTime{};
  auto saved = state_->save_observed(observed);
  if (!saved) {
    observed_unsure_ = observed_unsure_ || saved.error().unknown;
    const WriteOutcome failure{saved.error().unknown, saved.error()};
    tell_stored(kObservedFile, began, &failure);
    return tl::unexpected(std::move(saved.error()));
  }
  observed_unsure_ = false;
  tell_stored(kObservedFile, began, nullptr);
  observed_on_disk_ = std::move(observed);
  return {};
}

void ProviderRegistry::tell_stored(std::string_view file, MonoTime began,
                                   const WriteOutcome* failure) const {
  if (on_stored_) on_stored_(file, failure, clock_->now() - began);
}

Result<bool> ProviderRegistry::begin_write(const std::shared_ptr<const View>& base) {
  if (auto turn = take_turn(); !turn) return tl::unexpected(std::move(turn.error()));
  if (view() == base) return true;
  end_write();
  return false;
}

Result<void> ProviderRegistry::take_turn() {
  std::unique_lock lock(mutex_);
  if (waiting_ >= limits::kMaxRegistryWriters) {
    return fail(ErrorCode::LimitExceeded, "too many writes wait for the store: try again");
  }
  ++waiting_;
  write_ended_.wait(lock, [&] { return !writing_; });
  --waiting_;
  writing_ = true;
  return {};
}

void ProviderRegistry::end_write() {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  write_ended_.notify_all();
}

}  // namespace rollcall
