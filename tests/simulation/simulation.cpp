#include "tests/simulation/simulation.h"

#include <algorithm>
#include <utility>

namespace rollcall::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr MonoTime kStart{seconds(1000)};
constexpr Duration kTroubled = seconds(900);
constexpr Duration kCalm = seconds(280);  // rollback stand, guard window, backoff, cooldown, twice
constexpr int kProviders = 6;

std::unique_ptr<SimConsumer> consumer(const char* name, Bridge bridge, Oracle& oracle, Dice& dice) {
  return std::make_unique<SimConsumer>(name, bridge, oracle, dice);
}

std::string text_of(const BlockNames& blocks) {
  std::string text = "{";
  for (const auto& [node, life] : blocks) text += " " + node + "#" + life;
  return text + " }";
}

}  // namespace

Simulation::Simulation(std::uint64_t seed, std::ostream* story)
    : dice_(seed),
      time_(kStart),
      calm_from_(kStart + kTroubled),
      world_(dice_, 3 + dice_.below(20)),
      files_(dice_.next()),
      validator_(catalog_, catalog_.context()),
      around_{dice_, time_, world_, backends_, files_, validator_, oracle_} {
  oracle_.tell_story(story);
  if (dice_.chance(0.35)) policy_.mode = TopologyMode::Merge;
  around_.policy.mode = policy_.mode;
  for (int i = 0; i < kProviders; ++i) {
    Backend backend;
    backend.id = "p" + std::to_string(i);
    backend.declares_incarnation = dice_.chance(0.7);
    backend.pushes = dice_.chance(0.4);
    backends_[backend.id] = backend;
  }
  consumers_.push_back(consumer("placement", Bridge::Placement, oracle_, dice_));
  consumers_.push_back(consumer("partition", Bridge::Partition, oracle_, dice_));
  consumers_.push_back(consumer("remoting", Bridge::Remoting, oracle_, dice_));
  consumers_.push_back(consumer("observer", Bridge::Partition, oracle_, dice_));
}

Simulation::~Simulation() {
  for (auto& consumer : consumers_) consumer->disconnect();
}

void Simulation::now_and_then(Duration from, Duration to, std::function<void()> what) {
  time_.in(dice_.between(from, to), [this, from, to, what = std::move(what)] {
    if (!troubled()) return;
    what();
    now_and_then(from, to, what);
  });
}

Outcome Simulation::run() {
  boot();
  while (oracle_.violations().empty() && registered().size() < 3) add_provider();
  for (auto& each : consumers_) schedule_reading(*each);
  now_and_then(milliseconds(300), seconds(8), [this] {
    if (dice_.chance(0.01)) {
      world_.rename_everything();
    } else {
      world_.churn();
    }
  });
  now_and_then(seconds(2), seconds(15), [this] { change_a_mood(); });
  now_and_then(seconds(1), seconds(30), [this] { operate(); });
  now_and_then(seconds(1), seconds(12), [this] { report_a_node(); });
  now_and_then(seconds(1), seconds(12), [this] { publish_ownership(); });
  now_and_then(seconds(10), seconds(60), [this] { trouble_the_disk(); });
  now_and_then(seconds(4), seconds(30), [this] { trouble_a_consumer(); });
  now_and_then(seconds(20), seconds(200), [this] { maybe_crash(); });
  run_until(calm_from_);
  if (oracle_.violations().empty()) make_everything_well();
  run_until(calm_from_ + kCalm);
  if (oracle_.violations().empty()) check_convergence();

  outcome_.violations = oracle_.violations();
  outcome_.events = oracle_.events();
  outcome_.digest = oracle_.digest();
  outcome_.counts = oracle_.counts();
  for (const auto& each : consumers_) outcome_.snapshots += each->snapshots();
  return outcome_;
}

void Simulation::run_until(MonoTime end) {
  while (oracle_.violations().empty() && time_.run_next(end)) {
    if (files_.power_is_off()) crash(true);
  }
}

// --- sidecar ------------------------------------------------------------------------------------

void Simulation::boot() {
  if (sidecar_ != nullptr) return;
  auto booted = Sidecar::boot(around_, dice_.next());
  if (files_.power_is_off()) files_.power_cut();
  if (!booted) {
    if (booted.error().code != ErrorCode::StoreIo) {
      oracle_.violation(time_.now(), "the sidecar can't start: " + booted.error().message);
      return;
    }
    files_.process_death();
    if (dice_.chance(0.5)) files_.stop_failing();
    time_.in(dice_.between(milliseconds(200), seconds(3)), [this] { boot(); });
    return;
  }
  sidecar_ = std::move(*booted);
  lease_tick_ = 0;
  ++outcome_.boots;
  check_loaded();
}

void Simulation::check_loaded() {
  Descriptors loaded = registered();
  if (std::find(possible_sets_.begin(), possible_sets_.end(), loaded) == possible_sets_.end()) {
    oracle_.violation(time_.now(), "the stored providers are not those that were accepted");
  }
  possible_sets_ = {std::move(loaded)};
  const BlockNames& blocks = sidecar_->loaded_blocks();
  if (std::find(possible_blocks_.begin(), possible_blocks_.end(), blocks) ==
      possible_blocks_.end()) {
    std::string what = "the stored blocks are not those that were acknowledged: " + text_of(blocks);
    for (const BlockNames& possible : possible_blocks_) what += " or rather " + text_of(possible);
    oracle_.violation(time_.now(), what);
  }
  possible_blocks_ = {blocks};
}

void Simulation::crash(bool power) {
  for (auto& each : consumers_) each->disconnect();
  if (sidecar_ != nullptr) {
    possible_blocks_ = sidecar_->possible_blocks();
    sidecar_.reset();
  }
  if (power) {
    files_.power_cut();
  } else {
    files_.process_death();
  }
  time_.in(dice_.between(milliseconds(50), seconds(20)), [this] { boot(); });
}

// --- misfortunes --------------------------------------------------------------------------------

void Simulation::change_a_mood() {
  auto it = backends_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(dice_.below(backends_.size())));
  const bool well = dice_.chance(0.45);
  const auto mood = well ? Mood::Normal : static_cast<Mood>(dice_.below(kMoods));
  // Emptiness is the gravest thing that a backend can say: not too often.
  if (mood == Mood::Empty && dice_.chance(0.5)) return;
  it->second.set_mood(mood, world_, dice_);
}

void Simulation::trouble_the_disk() {
  if (sidecar_ == nullptr) return;
  switch (dice_.below(4)) {
    case 0:
      files_.fail_nth(FileCall::Any, 1 + dice_.below(12));
      break;
    case 1:
      files_.fail_with_probability(FileCall::WriteSynced, 0.5);
      break;
    case 2:
      files_.fail_with_probability(FileCall::SyncDirectory, 0.5);
      break;
    default:
      files_.stop_failing();
      break;
  }
}

void Simulation::trouble_a_consumer() {
  SimConsumer& each = *consumers_[dice_.below(consumers_.size())];
  switch (dice_.below(5)) {
    case 0:
      each.disconnect();
      break;
    case 1:
      each.save_state();
      break;
    case 2:
      each.restart();
      break;
    default:
      asleep_until_[&each] = time_.now() + dice_.between(seconds(5), seconds(60));
      break;
  }
}

void Simulation::maybe_crash() {
  if (sidecar_ == nullptr) return;
  switch (dice_.below(3)) {
    case 0:
      crash(false);
      break;
    case 1:
      crash(true);
      break;
    default:
      files_.cut_power_at(1 + dice_.below(15));
      break;  // in the middle of a write
  }
}

void Simulation::schedule_reading(SimConsumer& consumer) {
  time_.in(dice_.between(milliseconds(20), milliseconds(900)), [this, &consumer] {
    let_read(consumer);
    schedule_reading(consumer);
  });
}

void Simulation::let_read(SimConsumer& consumer) {
  if (sidecar_ == nullptr || asleep_until_[&consumer] > time_.now()) return;
  WatchHub& hub = sidecar_->hub();
  hub.poll(time_.now());
  if (!consumer.connected()) {
    if (dice_.chance(0.3)) consumer.connect(hub, time_.now());
    return;
  }
  consumer.read(hub, 1 + static_cast<int>(dice_.below(4)), time_.now());
}

}  // namespace rollcall::test
