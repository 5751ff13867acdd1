#include "tests/simulation/sim_stream.h"

#include <set>
#include <utility>
#include <variant>

namespace rollcall::test {

using std::chrono::milliseconds;

namespace {

// What a push stream says instead of the whole list.
ChangeAnswer difference(const MemberMap& known, const ProviderSnapshot& now) {
  ChangeAnswer change;
  change.backend_index = now.backend_index;
  change.times = now.times;
  std::set<NodeId> present;
  for (const ClusterNode& node : now.members) {
    present.insert(node.id);
    const Member* before = known.find(node.id);
    if (before == nullptr || *before->node != node) change.upserts.push_back(node);
  }
  known.for_each([&](const Member& member) {
    if (!present.contains(member.id())) change.removals.push_back(member.id());
  });
  return change;
}

}  // namespace

SimStream::SimStream(ProviderId provider, Backend& backend, const World& world, Timeline& time,
                     Dice& dice, Deliver deliver)
    : provider_(std::move(provider)),
      backend_(backend),
      world_(world),
      time_(time),
      dice_(dice),
      deliver_(std::move(deliver)) {}

SimStream::~SimStream() { *alive_ = false; }

void SimStream::later(Duration wait, std::function<void()> what) {
  time_.in(wait, [alive = alive_, what = std::move(what)] {
    if (*alive) what();
  });
}

void SimStream::start(StreamGeneration generation) {
  running_ = true;
  over_ = false;
  generation_ = generation;
  view_ = ProviderView();
  later(dice_.between(milliseconds(0), milliseconds(50)), [this, generation] { ask(generation); });
}

void SimStream::stop(StreamGeneration generation) {
  if (generation == generation_) running_ = false;
}

void SimStream::resume(StreamGeneration generation, MonoTime not_before) {
  if (generation != generation_) return;
  time_.at(not_before, [this, alive = alive_, generation] {
    if (*alive) ask(generation);
  });
}

void SimStream::ask(StreamGeneration generation) {
  if (!runs(generation) || over_) return;
  const MonoTime began = time_.now();
  if (backend_.mood == Mood::Silent) {
    // Nothing comes back; the stream looks again when the backend may have recovered.
    later(milliseconds(3000), [this, generation] { ask(generation); });
    return;
  }
  later(backend_.latency(dice_), [this, generation, began] { answered(generation, began); });
}

void SimStream::answered(StreamGeneration generation, MonoTime began) {
  // An answer may arrive although its stream was stopped: the core's fence has to hold.
  if (!runs(generation) && dice_.chance(0.5)) return;
  if (over_ && runs(generation)) return;
  const WallTime wall = from_unix_ms(1'790'000'000'000 + to_ms(time_.now().time_since_epoch()));
  ProviderEvent event = backend_.answer(world_, {began, time_.now(), wall}, dice_);
  const bool failed = std::holds_alternative<FailedAnswer>(event);
  const bool ended = std::holds_alternative<Terminated>(event);
  auto report = to_report(generation, std::move(event));
  if (!report) return;
  const bool waits = failed || report->errors_after > 0;
  if (runs(generation)) over_ = ended;
  say(std::move(*report));
  if (waits || ended || !runs(generation)) return;
  later(dice_.between(milliseconds(4000), milliseconds(9000)),
        [this, generation] { ask(generation); });
}

std::optional<ProviderReport> SimStream::to_report(StreamGeneration generation,
                                                   ProviderEvent event) {
  ProviderReport report;
  report.provider = provider_;
  report.generation = generation;
  if (auto* failed = std::get_if<FailedAnswer>(&event)) {
    report.add(*failed);
  } else if (auto* end = std::get_if<Terminated>(&event)) {
    report.add(*end);
  } else if (auto* full = std::get_if<ProviderSnapshot>(&event)) {
    const AnswerTimes times = full->times;
    const std::string index = full->backend_index;
    const std::uint64_t lineage = full->lineage;
    ProviderView stale;
    ProviderView& view = runs(generation) ? view_ : stale;
    const bool as_change = backend_.pushes && view.has_snapshot() && lineage == lineage_ &&
                           backend_.mood != Mood::Garbage;
    lineage_ = lineage;
    Result<void> applied;
    if (as_change) {
      ChangeAnswer change = difference(view.members(), *full);
      applied = view.apply(change);
    } else {
      applied = view.apply(*full);
    }
    if (!applied) {
      report.add(FailedAnswer{applied.error().code, applied.error().message});
    } else {
      report.add(ProviderReport::Answer{view.members(), index, lineage, times});
    }
  } else {
    return std::nullopt;
  }
  return report;
}

void SimStream::say(ProviderReport report) {
  if (slot_) {
    slot_->merge(std::move(report));
    return;
  }
  slot_ = std::move(report);
  // Most of the time the writer is free; sometimes it is busy, and reports merge meanwhile.
  const bool busy = !world_.calm() && dice_.chance(0.05);
  const Duration wait = busy ? dice_.between(milliseconds(0), milliseconds(8000))
                             : dice_.between(milliseconds(0), milliseconds(5));
  later(wait, [this] {
    ProviderReport taken = std::move(*slot_);
    slot_.reset();
    deliver_(taken);
  });
}

}  // namespace rollcall::test
