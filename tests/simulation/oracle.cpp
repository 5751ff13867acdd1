#include "tests/simulation/oracle.h"

#include <ostream>

#include "tests/control/script_text.h"

namespace rollcall::test {
namespace {

constexpr Duration kStand = std::chrono::seconds(60);

bool contains_all(const MemberMap& all, const MemberMap& some) {
  bool yes = true;
  some.for_each([&](const Member& m) { yes = yes && all.find(m.id()) != nullptr; });
  return yes;
}

std::string kind_of(const Event& event) {
  std::string kind(event_name(event));
  if (const auto* e = std::get_if<event::ProviderChanged>(&event.body)) {
    kind += " " + std::string(to_string(e->reason));
  } else if (const auto* e = std::get_if<event::AvailabilityChanged>(&event.body)) {
    kind += " " + std::string(to_string(e->availability));
  } else if (const auto* e = std::get_if<event::HealthWarning>(&event.body)) {
    kind += " " + std::string(to_string(e->advice));
  } else if (const auto* e = std::get_if<event::RemoteTopology>(&event.body)) {
    kind += " " + std::string(to_string(e->kind));
  }
  return kind;
}

bool same_content(const MemberMap& a, const MemberMap& b) {
  return a.size() == b.size() && a.hash() == b.hash();
}

std::string in_seconds(MonoTime now) { return format_seconds(now.time_since_epoch()); }

}  // namespace

void Oracle::violation(MonoTime now, const std::string& what) {
  violations_.push_back("at " + in_seconds(now) + ": " + what);
}

void Oracle::booted(Epoch epoch, std::uint64_t boot, const MemberMap& members) {
  if (story_ != nullptr) *story_ << "boot " << boot << " with " << members.size() << " members\n";
  if (boot <= boot_) violation(MonoTime(), "the boot counter did not rise");
  if (epoch == epoch_) violation(MonoTime(), "the epoch was used before");
  boot_ = boot;
  epoch_ = epoch;
  first_ = true;
  model_ = members;
  beliefs_.clear();
  former_.clear();
}

void Oracle::told(const ProviderReport& report) {
  if (!report.answer) return;
  const ProviderReport::Answer& answer = *report.answer;
  if (story_ != nullptr) {
    *story_ << in_seconds(answer.times.complete) << " " << report.provider.str() << " answers "
            << answer.view.size() << " members, lineage " << answer.lineage << "\n";
  }
  auto [it, fresh] = beliefs_.try_emplace(report.provider);
  Belief& belief = it->second;
  const bool broke = !fresh && answer.lineage > belief.lineage;
  belief.lineage = answer.lineage;
  if (broke) {
    belief.doubted = true;
    belief.candidate = answer.view;
    belief.since = answer.times.complete;
  }
  if (belief.doubted && belief.view && !contains_all(answer.view, *belief.view)) {
    if (!same_content(belief.candidate, answer.view)) {
      belief.candidate = answer.view;
      belief.since = answer.times.complete;
    }
    if (answer.times.complete - belief.since < kStand) return;
  }
  belief.doubted = false;
  belief.counts = true;
  belief.view = answer.view;
}

void Oracle::merging(bool yes) {
  if (yes && !merging_) {
    // Who is Unreachable now counts only once it answers again; the oracle does not know who that
    // is.
    for (auto& [provider, belief] : beliefs_) belief.counts = false;
  }
  merging_ = yes;
}

void Oracle::providers_are(const std::set<ProviderId>& ids, const std::set<ProviderId>& enabled) {
  for (auto& [provider, belief] : beliefs_) {
    belief.counts = belief.counts && enabled.contains(provider);
  }
  std::erase_if(beliefs_, [&](const auto& entry) {
    const bool gone = !ids.contains(entry.first);
    if (gone && entry.second.view) former_.push_back(*entry.second.view);
    return gone;
  });
}

void Oracle::check_sequence(const Event& event, MonoTime now) {
  const std::uint64_t n = event.seq_no.value() & ((std::uint64_t{1} << kSeqBootShift) - 1);
  if (event.seq_no <= last_) violation(now, "a sequence number was repeated or went back");
  if (event.seq_no.value() >> kSeqBootShift != boot_) violation(now, "seq_no of another boot");
  if (event.epoch != epoch_) violation(now, "an event of another epoch");
  if (first_ && n != 1) violation(now, "an epoch does not begin with 1");
  if (first_ && !std::holds_alternative<event::AvailabilityChanged>(event.body)) {
    violation(now, "an epoch does not begin with availability_changed");
  }
  if (!first_ && event.seq_no != last_.next()) violation(now, "a sequence number was skipped");
  first_ = false;
  last_ = event.seq_no;
}

// Real differences only: nobody joins who is there, nobody leaves who isn't, a change changes.
void Oracle::check_delta(const event::Delta& delta, MonoTime now) {
  if (delta.invalidates_hash != model_.hash()) violation(now, "a delta invalidates another hash");
  std::map<NodeId, std::string> left;
  for (const LeftMember& member : delta.left) {
    const Member* known = model_.find(member.id);
    if (known == nullptr || known->node->incarnation != member.incarnation) {
      violation(now, "who left was no member: " + member.id.str());
    }
    left[member.id] = member.incarnation;
    model_ = model_.without(member.id);
  }
  for (const Member& member : delta.joined) {
    if (model_.find(member.id()) != nullptr) {
      violation(now, "who joined was a member: " + member.id().str());
    }
    const auto former = left.find(member.id());
    if (former != left.end() && former->second == member.node->incarnation) {
      violation(now, "left and joined in the same incarnation: " + member.id().str());
    }
    model_ = model_.with(member);
  }
  for (const Member& member : delta.changed) {
    const Member* known = model_.find(member.id());
    if (known == nullptr || *known == member) {
      violation(now, "a change that changes nothing: " + member.id().str());
    } else if (!known->node->incarnation.empty() &&
               known->node->incarnation != member.node->incarnation) {
      violation(now, "another incarnation is no mere change: " + member.id().str());
    }
    model_ = model_.with(member);
  }
  if (delta.left.empty() && delta.joined.empty() && delta.changed.empty()) {
    violation(now, "an empty delta");
  }
}

// Whoever went is missing in a confirmed answer of the active provider. Merged: in that of every
// provider that said anything, and of one at least.
void Oracle::check_removals(const std::set<std::string>& removed, const TopologySnapshot& after,
                            MonoTime now) {
  for (const std::string& id : removed) {
    bool confirmed = false;
    for (const auto& [provider, belief] : beliefs_) {
      const bool listed = belief.counts && belief.view && belief.view->find(NodeId(id)) != nullptr;
      if (merging_ && listed) violation(now, provider.str() + " still lists " + id);
      if (!merging_ && !after.active.empty() && provider != after.active) continue;
      confirmed = confirmed || (belief.view && belief.view->find(NodeId(id)) == nullptr);
    }
    // A removal that was held may be released by an operator when its provider is gone.
    for (const MemberMap& view : former_) {
      confirmed =
          confirmed || ((merging_ || after.active.empty()) && view.find(NodeId(id)) == nullptr);
    }
    if (!confirmed) violation(now, "no confirmed answer removed " + id);
  }
}

void Oracle::stepped(const std::vector<Event>& events, const TopologySnapshot& after,
                     MonoTime now) {
  const MemberMap before = model_;
  for (const Event& event : events) {
    ++events_;
    if (story_ != nullptr) *story_ << in_seconds(now) << " " << format_event(event) << "\n";
    ++counts_[kind_of(event)];
    check_sequence(event, now);
    if (const auto* delta = std::get_if<event::Delta>(&event.body)) check_delta(*delta, now);
    if (std::holds_alternative<event::Reset>(event.body)) {
      model_ = after.members;
      // Its successors in the same step carry the same hash.
    }
    if (event.snapshot_hash != model_.hash()) violation(now, "an event proves another topology");
    hashes_[{event.epoch.value(), event.seq_no.value()}] = event.snapshot_hash;
    for (const char c : format_event(event)) {
      digest_ = digest_ * 1099511628211u + static_cast<unsigned char>(c);
    }
    digest_ += event.seq_no.value();
  }
  if (model_.hash() != after.hash()) violation(now, "the deltas don't lead to the topology");
  if (events.empty()) return;
  if (after.seq_no != last_) violation(now, "the snapshot is of another place");
  std::set<std::string> removed;
  for (const Member& member : MemberMap::diff(before, after.members).removed) {
    removed.insert(member.id().str());
  }
  check_removals(removed, after, now);
}

std::optional<std::uint64_t> Oracle::hash_at(Epoch epoch, SeqNo seq) const {
  const auto it = hashes_.find({epoch.value(), seq.value()});
  if (it == hashes_.end()) return std::nullopt;
  return it->second;
}

}  // namespace rollcall::test
