#include "provisioning/fleet/fleet_store.h"

#include <set>
#include <utility>

#include "core/limits.h"
#include "core/text.h"
#include "provisioning/registry/file_provider_store.h"

namespace rollcall {
namespace {

using Level = FleetNews::Level;

constexpr std::size_t kShownProblems = 4;  // of a refused set, in one message

std::string number(Revision revision) { return std::to_string(revision.value()); }

tl::unexpected<WriteOutcome> not_saved(ProvisioningError error, bool unknown = false) {
  return tl::unexpected<WriteOutcome>({unknown, std::move(error)});
}

ProvisioningError conflict(const std::string& where) {
  return {ErrorCode::RevisionConflict,
          "another sidecar has stored a set at " + where + " meanwhile: read it again",
          {},
          0};
}

// Verdicts that a look which a write of ours overtook may come to, without reason.
bool may_be_stale(FleetVerdict verdict) {
  return verdict == FleetVerdict::Gone || verdict == FleetVerdict::Older ||
         verdict == FleetVerdict::Diverged;
}

std::string with_problems(const ProvisioningError& error) {
  std::string text = error.message;
  std::size_t shown = 0;
  for (const Problem& p : error.problems) {
    if (shown++ == kShownProblems) break;
    text += "; " + p.field + ": " + p.value + ", expected " + p.expected;
  }
  return printable(text, limits::kMaxLogTextBytes);
}

}  // namespace

FleetStore::FleetStore(FileSystem& files, const Clock& clock, SharedDocument& document,
                       Options options, std::function<void(const FleetNews&)> tell)
    : files_(files),
      clock_(clock),
      document_(document),
      options_(std::move(options)),
      tell_(std::move(tell)) {}

// --- what is here ---

Result<StoredProviders> FleetStore::load() {
  auto copy = read_fleet_copy(files_, options_.directory);
  if (!copy) return tl::unexpected(std::move(copy.error()));
  StoredProviders own;
  if (!*copy) {
    auto before = read_present_providers(files_, options_.directory, nullptr);
    if (!before) return tl::unexpected(std::move(before.error()));
    if (*before) own.providers = std::move((*before)->providers);
  } else if ((*copy)->key != options_.key) {
    own.providers = std::move((*copy)->set.set.providers);  // of a fleet that was left
    copy->reset();
  }
  own.revision = Revision();
  for (ProviderDescriptor& d : own.providers) d.origin = Origin::Api;
  const std::lock_guard lock(mutex_);
  followed_ = std::move(*copy);
  ++generation_;
  return followed_ ? followed_->set.set : own;
}

// Under the registry's turn.
void FleetStore::copy() {
  std::optional<FleetCopy> now;
  {
    const std::lock_guard lock(mutex_);
    now = followed_;
  }
  if (!now) return;
  now->key = options_.key;
  const auto done = write_fleet_copy(files_, options_.directory, *now);
  bool first_failure = false;
  {
    const std::lock_guard lock(mutex_);
    first_failure = !done && !copy_due_;
    copy_due_ = !done;
  }
  if (!first_failure) return;
  tell({{Level::Error, "state_not_written", done.error().code,
         std::string(kFleetFile) + ": " + done.error().message +
             " (the set is in effect; a restart without the store would not know it)"}});
}

void FleetStore::settle() {
  bool due = false;
  {
    const std::lock_guard lock(mutex_);
    due = copy_due_;
  }
  if (due) copy();
}

// --- what is there ---

SharedVersion FleetStore::known() const {
  const std::lock_guard lock(mutex_);
  return seen_ ? seen_->version : SharedVersion{};
}

std::uint64_t FleetStore::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

FleetStore::Next FleetStore::observe(Result<SharedState> state, std::uint64_t generation) {
  if (!state) {
    lost(state.error());
    return Next::Wait;
  }
  reached();
  return take_in(*state, generation);
}

FleetStore::Next FleetStore::take_in(const SharedState& state, std::uint64_t generation) {
  {
    const std::lock_guard lock(mutex_);
    if (seen_ && seen_->version == state.version) {
      return seen_->offer || copy_due_ ? Next::TakeOver : Next::Wait;
    }
    if (state.version.written != 0 && !state.text) return Next::Again;  // known, and no longer
  }
  Seen next;
  next.version = state.version;
  std::optional<FleetSet> set;
  std::optional<ProvisioningError> trouble;
  if (state.version.written != 0) {
    auto decoded = decode_fleet_document(*state.text);
    if (decoded) {
      set = std::move(*decoded);
      next.revision = set->set.revision;
    } else {
      next.verdict = decoded.error().newer ? FleetVerdict::TooNew : FleetVerdict::Broken;
      trouble = std::move(decoded.error().error);
    }
  }
  std::vector<FleetNews> news;
  bool take_over = false;
  {
    const std::lock_guard lock(mutex_);
    if (!trouble) {
      next.verdict = judge(followed_ ? &*followed_ : nullptr, next.version, set ? &*set : nullptr);
    }
    if (generation != generation_ && may_be_stale(next.verdict)) return Next::Again;
    if (next.verdict == FleetVerdict::Same) followed_->history = next.version.history;
    const FleetRule rule = rule_of(next.verdict);
    take_over = rule.take_over;
    if (take_over) next.offer = std::move(set);
    if (!rule.take_over && !rule.write) {
      ProvisioningError why = trouble_of(next.verdict, next.revision);
      if (trouble) {
        why.code = trouble->code;
        why.message += ": " + trouble->message;
      }
      set_trouble(std::move(why), news);
    } else if (!take_over) {
      set_trouble(std::nullopt, news);
    }
    seen_ = std::move(next);
  }
  tell(news);
  return take_over ? Next::TakeOver : Next::Wait;
}

Result<void> FleetStore::refresh() {
  const MonoTime deadline = clock_.now() + Duration(limits::kFleetLook);
  for (int i = 0; i < limits::kFleetLookAgain; ++i) {
    const std::uint64_t generation = this->generation();
    auto state = document_.look(known(), deadline);
    if (!state) {
      ProvisioningError error = std::move(state.error());
      error.message = options_.where + " can't be reached: " + error.message;
      return tl::unexpected(std::move(error));
    }
    reached();
    if (take_in(*state, generation) != Next::Again) return {};
  }
  return fail(ErrorCode::RevisionConflict,
              "the set at " + options_.where + " keeps changing: try again");
}

// --- taking over ---

std::optional<StoredProviders> FleetStore::newer() {
  const std::lock_guard lock(mutex_);
  offered_.reset();
  if (!seen_ || !seen_->offer) return std::nullopt;
  // A look that was overtaken may have left it: it is judged by what is followed now.
  const FleetVerdict verdict =
      judge(followed_ ? &*followed_ : nullptr, seen_->version, &*seen_->offer);
  if (!rule_of(verdict).take_over) {
    seen_.reset();
    return std::nullopt;
  }
  offered_ = Candidate{seen_->version, *seen_->offer};
  return offered_->set.set;
}

void FleetStore::taken_over() {
  std::vector<FleetNews> news;
  {
    const std::lock_guard lock(mutex_);
    followed_ = FleetCopy{std::move(offered_->set), offered_->version.history, options_.key};
    ++generation_;
    unsure_ = false;  // what was on its way expects the document as it was before this one
    if (seen_ && seen_->version == offered_->version) {
      seen_->verdict = FleetVerdict::Same;
      seen_->offer.reset();
    }
    trouble_.reset();
    news.push_back({Level::Info, "store_followed", std::nullopt,
                    "revision " + number(followed_->set.set.revision) + " of " + options_.where});
  }
  offered_.reset();
  copy();
  tell(news);
}

void FleetStore::refused(const ProvisioningError& why) {
  std::vector<FleetNews> news;
  {
    const std::lock_guard lock(mutex_);
    const bool newest = seen_ && offered_ && seen_->version == offered_->version;
    if (newest) {
      seen_->offer.reset();
      seen_->refused = true;
      ProvisioningError trouble{why.code,
                                "revision " + number(offered_->set.set.revision) + " of " +
                                    options_.where +
                                    " can't be taken over here: " + with_problems(why),
                                {},
                                0};
      set_trouble(std::move(trouble), news);
    }
  }
  offered_.reset();
  tell(news);
}

// --- writing ---

tl::expected<Revision, WriteOutcome> FleetStore::save(
    const std::vector<ProviderDescriptor>& providers, Revision expected) {
  return write(providers, expected, Purpose::Plain);
}

tl::expected<Revision, WriteOutcome> FleetStore::save_over(
    const std::vector<ProviderDescriptor>& providers, Revision expected) {
  return write(providers, expected, Purpose::Over);
}

std::optional<ProvisioningError> FleetStore::obstacle(Revision expected, Purpose purpose) const {
  if (!seen_) {
    return ProvisioningError{ErrorCode::BackendUnavailable,
                             options_.where +
                                 " has not been looked at since a write of it "
                                 "whose outcome is unknown: try again",
                             {},
                             0};
  }
  if (seen_->refused && trouble_) return *trouble_;
  const FleetRule rule = rule_of(seen_->verdict);
  if (rule.take_over || expected != running()) return conflict(options_.where);
  if (purpose == Purpose::Over ? rule.write_on_purpose : rule.write) return std::nullopt;
  return trouble_ ? *trouble_ : trouble_of(seen_->verdict, seen_->revision);
}

tl::expected<Revision, WriteOutcome> FleetStore::write(
    const std::vector<ProviderDescriptor>& providers, Revision expected, Purpose purpose) {
  bool looked = false;
  {
    const std::lock_guard lock(mutex_);
    looked = seen_.has_value();
  }
  if (!looked) {
    if (auto fresh = refresh(); !fresh) return not_saved(std::move(fresh.error()));
  }
  FleetSet next;
  SharedVersion base;
  {
    const std::lock_guard lock(mutex_);
    if (auto reason = obstacle(expected, purpose)) return not_saved(std::move(*reason));
    // That is what is there; unless a write may still be on its way, which only another one keeps
    // out.
    const bool certain = !unsure_ && seen_->verdict == FleetVerdict::Same;
    if (certain && followed_->set.set.providers == providers) return expected;
    if (followed_) {
      next.unknown = followed_->set.unknown;
      next.fleet = followed_->set.fleet;
    }
    if (next.fleet == 0) next.fleet = options_.new_fleet;
    base = seen_->version;
  }
  next.set = {expected.next(), providers};
  std::set<ProviderId> kept;
  for (ProviderDescriptor& d : next.set.providers) {
    d.origin = Origin::Api;
    kept.insert(d.id);
  }
  std::erase_if(next.unknown.records,
                [&](const auto& entry) { return !kept.contains(entry.first); });
  auto text = encode_fleet_document(next);
  if (!text) return not_saved(std::move(text.error()));
  auto swapped = document_.swap(base, *text, clock_.now() + Duration(limits::kFleetSwap));
  if (swapped) return written(std::move(next), *swapped);
  return after_failure(std::move(next), std::move(swapped.error()));
}

Revision FleetStore::written(FleetSet set, const SharedVersion& version) {
  const Revision revision = set.set.revision;
  std::vector<FleetNews> news;
  {
    const std::lock_guard lock(mutex_);
    followed_ = FleetCopy{std::move(set), version.history, options_.key};
    ++generation_;
    seen_ = Seen{version, FleetVerdict::Same, revision, std::nullopt, false};
    unsure_ = false;
    set_trouble(std::nullopt, news);
  }
  reached();
  copy();
  tell(news);
  return revision;
}

// What became of the write is asked at once; what that does not settle is unknown.
tl::expected<Revision, WriteOutcome> FleetStore::after_failure(FleetSet set, SwapFailure failure) {
  if (failure.kind == SwapFailure::Kind::Refused) return not_saved(std::move(failure.error));
  {
    const std::lock_guard lock(mutex_);
    seen_.reset();
  }
  if (failure.kind == SwapFailure::Kind::Changed) return not_saved(conflict(options_.where));
  auto state = document_.look({}, clock_.now() + Duration(limits::kFleetLook));
  if (state && state->text) {
    auto there = decode_fleet_document(*state->text);
    if (there && there->fleet == set.fleet && there->same_set(set)) {
      return written(std::move(set), state->version);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    unsure_ = true;
  }
  ProvisioningError error = std::move(failure.error);
  error.message += " (unknown: whether revision " + number(set.set.revision) + " was stored at " +
                   options_.where +
                   "; it is looked up before the next write, and followed if it was)";
  return not_saved(std::move(error), true);
}

// --- what is said about it ---

ProvisioningError FleetStore::trouble_of(FleetVerdict verdict, std::optional<Revision> seen) const {
  const std::string here = number(running());
  const std::string goes_on = followed_ ? "revision " + here + " goes on running here"
                                        : "this sidecar goes on with what it had by itself";
  const std::string again =
      "; to store a set again on purpose: rollcall providers apply FILE "
      "--prune --revision " +
      here;
  std::string text;
  switch (verdict) {
    case FleetVerdict::Gone:
      text = "there is no set at " + options_.where + " any more: the store lost its state, " +
             goes_on + again;
      break;
    case FleetVerdict::Older:
      text = options_.where + " went back to revision " + number(seen.value_or(Revision())) +
             ": the store was restored from a backup, " + goes_on + again;
      break;
    case FleetVerdict::Diverged:
      text = options_.where +
             " holds another set of the same revision: the store was restored "
             "from a backup and written since, " +
             goes_on + again;
      break;
    case FleetVerdict::Foreign:
      text = options_.where + " is now in another store and of another fleet, " + goes_on +
             "; if it is the right one, stop rollcalld and remove " + options_.directory + "/" +
             std::string(kFleetFile);
      break;
    case FleetVerdict::TooNew:
      text = options_.where + " was written for a later version of rollcalld, " + goes_on;
      return {ErrorCode::StoreCorrupted, std::move(text), {}, 0};
    default:
      text = options_.where + " does not hold a set of providers, " + goes_on + again;
      return {ErrorCode::StoreCorrupted, std::move(text), {}, 0};
  }
  return {ErrorCode::IndexRollback, std::move(text), {}, 0};
}

// With mutex_ held.
void FleetStore::set_trouble(std::optional<ProvisioningError> trouble,
                             std::vector<FleetNews>& news) {
  const bool same =
      trouble.has_value() == trouble_.has_value() &&
      (!trouble || (trouble->code == trouble_->code && trouble->message == trouble_->message));
  if (same) return;
  if (trouble) {
    news.push_back({Level::Error, "store_refused", trouble->code, trouble->message});
  } else {
    news.push_back({Level::Info, "store_followed", std::nullopt,
                    options_.where + " is followed again, revision " + number(running())});
  }
  trouble_ = std::move(trouble);
}

void FleetStore::reached() {
  const MonoTime now = clock_.now();
  const WallTime wall = clock_.wall_now();
  bool back = false;
  {
    const std::lock_guard lock(mutex_);
    back = lost_.has_value();
    lost_.reset();
    contact_ = now;
    contact_at_ = wall;
  }
  if (back) {
    tell({{Level::Info, "store_back", std::nullopt, options_.where + " is reached again"}});
  }
}

void FleetStore::lost(const ProvisioningError& why) {
  if (why.code == ErrorCode::ShuttingDown) return;
  bool first = false;
  Revision revision;
  {
    const std::lock_guard lock(mutex_);
    first = !lost_ || lost_->code != why.code;
    lost_ = why;
    revision = running();
  }
  if (!first) return;
  tell({{Level::Warning, "store_lost", why.code,
         options_.where + " can't be reached: " + why.message + "; revision " + number(revision) +
             " goes on running here, and writes are refused"}});
}

void FleetStore::tell(const std::vector<FleetNews>& news) const {
  if (!tell_) return;
  for (const FleetNews& one : news) tell_(one);
}

StoreStatus FleetStore::status() const {
  const MonoTime now = clock_.now();
  StoreStatus status;
  status.kind = "etcd";
  status.where = options_.where;
  const std::lock_guard lock(mutex_);
  if (seen_) status.seen = seen_->revision ? seen_->revision : Revision();
  if (contact_) {
    status.contact_age = now - *contact_;
    status.contact_at = contact_at_;
  }
  using State = StoreStatus::State;
  if (lost_) {
    status.state = contact_ ? State::Lost : State::Waiting;
    status.trouble = lost_;
  } else if (!contact_) {
    status.state = State::Waiting;
  } else if (trouble_) {
    status.state = State::Refused;
    status.trouble = trouble_;
  } else {
    status.state = State::Following;
  }
  return status;
}

}  // namespace rollcall
