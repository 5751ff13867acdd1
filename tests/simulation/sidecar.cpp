#include "tests/simulation/sidecar.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/codec/canonical.h"

namespace rollcall::test {
namespace {

using std::chrono::milliseconds;
constexpr std::int64_t kWallAtZero = 1'790'000'000'000;

}  // namespace

BlockNames names_of(const BlockTable& blocks) {
  BlockNames names;
  for (const auto& [id, block] : blocks) {
    names[id.str()] = block.incarnation + (block.recovering ? " recovering" : "");
  }
  return names;
}

Sidecar::Sidecar(Surroundings& around, StateDirectory directory)
    : around_(around),
      directory_(std::move(directory)),
      state_(around.files, directory_.path()),
      store_(around.files, directory_.path()) {}

Sidecar::~Sidecar() {
  *alive_ = false;
  streams_.clear();
}

WallTime Sidecar::wall(MonoTime at) const {
  return from_unix_ms(kWallAtZero + to_ms(at.time_since_epoch()));
}

void Sidecar::later(Duration wait, std::function<void()> what) {
  around_.time.in(wait, [alive = alive_, what = std::move(what)] {
    if (*alive) what();
  });
}

Result<std::unique_ptr<Sidecar>> Sidecar::boot(Surroundings& around, std::uint64_t seed) {
  auto directory = StateDirectory::open(around.files, "/state", "simulated");
  if (!directory) return tl::unexpected<ProvisioningError>(std::move(directory.error()));
  std::unique_ptr<Sidecar> sidecar(new Sidecar(around, std::move(*directory)));
  if (auto opened = sidecar->open(seed); !opened) {
    return tl::unexpected<ProvisioningError>(std::move(opened.error()));
  }
  return sidecar;
}

Result<void> Sidecar::open(std::uint64_t seed) {
  const auto failed = [](ProvisioningError error) {
    return tl::unexpected<ProvisioningError>(std::move(error));
  };
  auto boot = state_.next_boot();
  if (!boot) return failed(std::move(boot.error()));
  auto registry = ProviderRegistry::open(store_, &state_, around_.validator);
  if (!registry) return failed(std::move(registry.error()));
  registry_ = std::move(*registry);
  auto blocks = state_.load_blocks();
  if (!blocks) return failed(std::move(blocks.error()));
  auto holds = state_.load_holds();
  if (!holds) return failed(std::move(holds.error()));
  auto topology = state_.load_topology();
  if (!topology) return failed(std::move(topology.error()));

  // What was read counts only once it is certainly on the disk, as in the daemon.
  if (auto settled = state_.save_blocks(*blocks); !settled) return failed(settled.error());
  if (auto settled = state_.save_holds(*holds); !settled) return failed(settled.error());

  const MonoTime now = around_.time.now();
  loaded_blocks_ = names_of(*blocks);
  input::Start start;
  for (auto& [id, block] : *blocks) block.expires_mono = now + (block.expires_at - wall(now));
  start.blocks = std::move(*blocks);
  start.held = std::move(*holds);
  if (*topology) {
    CachedTopology cached;
    cached.members = (*topology)->members;
    cached.observed_at = (*topology)->observed_at;
    cached.age = std::max(Duration::zero(), Duration(wall(now) - cached.observed_at));
    cached.provider = (*topology)->provider;
    start.cached = std::move(cached);
  }
  start.providers = specs();

  CoreOptions options;
  options.boot = *boot;
  options.epoch = make_epoch(*boot, static_cast<std::uint32_t>(seed));
  options.seed = seed;
  options.log_bytes = kSimLogBytes;
  options.policy = around_.policy;
  core_ = std::make_unique<ProvisioningCore>(options);
  HubOptions hub;
  hub.epoch = options.epoch;
  hub.first_seq = make_seq(*boot, 1);
  hub.log_bytes = kSimLogBytes;
  hub.block_bytes = kSimBlockBytes;
  hub_ = std::make_unique<WatchHub>(hub, event_encoder_, snapshot_encoder_);
  registry_->set_listener([this](const std::vector<AcceptedProvider>&, Revision,
                                 const std::vector<ProviderId>& holds_to_release) {
    release_holds_ = holds_to_release;
    around_.oracle.providers_are(registered(false), registered(true));
    step(input::ProvidersChanged{specs(), release_holds_, std::nullopt});
  });

  // The oracle needs what is served from the cache: the members with their blocks, as loaded.
  const BlockTable shown = start.blocks;
  std::vector<Member> cached;
  if (start.cached) {
    start.cached->members.for_each([&](const Member& m) {
      const auto block = shown.find(m.id());
      const bool blocked = block != shown.end() &&
                           (block->second.incarnation.empty() || m.node->incarnation.empty() ||
                            block->second.incarnation == m.node->incarnation);
      cached.push_back(with_blocked(m, blocked));
    });
  }
  around_.oracle.merging(options.policy.mode == TopologyMode::Merge);
  around_.oracle.booted(options.epoch, *boot, MemberMap::from(std::move(cached)));
  step(std::move(start));
  return {};
}

std::set<ProviderId> Sidecar::registered(bool only_enabled) const {
  std::set<ProviderId> ids;
  for (const AcceptedProvider& p : registry_->view()->providers) {
    if (p.descriptor.enabled || !only_enabled) ids.insert(p.descriptor.id);
  }
  return ids;
}

std::vector<ProviderSpec> Sidecar::specs() const {
  std::vector<ProviderSpec> specs;
  for (const AcceptedProvider& accepted : registry_->view()->providers) {
    ProviderSpec spec;
    spec.descriptor = accepted.descriptor;
    spec.attest_interval = std::chrono::seconds(10);
    spec.missing_capability = accepted.missing_capability;
    spec.accepted_unreachable = accepted.accepted_unreachable;
    specs.push_back(std::move(spec));
  }
  return specs;
}

void Sidecar::tick() {
  if (next_tick_ && *next_tick_ <= around_.time.now()) step(input::Tick{});
}

void Sidecar::deliver(const ProviderReport& report) {
  const auto stream = streams_.find(report.provider);
  const bool current = stream != streams_.end() && stream->second->runs(report.generation);
  if (current && !draining()) around_.oracle.told(report);
  step(input::Answered{report});
}

void Sidecar::step(const Input& input) {
  if (stepping_) around_.oracle.violation(around_.time.now(), "a step within a step");
  stepping_ = true;
  const MonoTime now = around_.time.now();
  const Effects effects = core_->step(input, now);
  if (effects.next_tick && *effects.next_tick <= now) {
    around_.oracle.violation(now, "the next tick makes no progress");
  }
  next_tick_ = effects.next_tick;
  if (next_tick_) {
    around_.time.at(*next_tick_, [this, alive = alive_] {
      if (*alive) tick();
    });
  }
  stepping_ = false;
  carry_out(effects);
  hub_->poll(now);
}

void Sidecar::carry_out(const Effects& effects) {
  std::vector<Event> events;
  for (const Effect& effect : effects.list) {
    if (const auto* published = std::get_if<effect::Publish>(&effect)) {
      events.push_back(published->event);
    }
  }
  around_.oracle.stepped(events, core_->snapshot(), around_.time.now());
  hub_->publish(events, std::make_shared<const TopologySnapshot>(core_->snapshot()));

  for (const Effect& effect : effects.list) {
    if (const auto* start = std::get_if<effect::StartStream>(&effect)) {
      auto& stream = streams_[start->provider];
      if (stream == nullptr) {
        Backend& backend = around_.backends[start->provider.str()];
        stream = std::make_unique<SimStream>(start->provider, backend, around_.world, around_.time,
                                             around_.dice,
                                             [this](const ProviderReport& r) { deliver(r); });
      }
      stream->start(start->generation);
    } else if (const auto* stop = std::get_if<effect::StopStream>(&effect)) {
      streams_[stop->provider]->stop(stop->generation);
    } else if (const auto* resume = std::get_if<effect::ResumeStream>(&effect)) {
      streams_[resume->provider]->resume(resume->generation, resume->not_before);
    } else if (const auto* save = std::get_if<effect::SaveBlocks>(&effect)) {
      carry_out(*save);
    } else if (const auto* holds = std::get_if<effect::SaveHolds>(&effect)) {
      save_holds(holds->held);
    } else if (std::holds_alternative<effect::TopologyConfirmed>(effect)) {
      save_topology();
    } else if (const auto* reply = std::get_if<effect::Reply>(&effect)) {
      const auto it = waiting_.find(reply->request.value());
      if (it == waiting_.end()) {
        around_.oracle.violation(around_.time.now(), "a reply that nobody waits for");
        continue;
      }
      auto done = std::move(it->second);
      waiting_.erase(it);
      done(reply->result);
    }
  }
}

void Sidecar::carry_out(const effect::SaveBlocks& save) {
  BlockTable table = save.blocks;
  const MonoTime now = around_.time.now();
  for (auto& [id, block] : table) {
    block.expires_at =
        wall(now) + std::chrono::duration_cast<milliseconds>(block.expires_mono - now);
  }
  attempted_.push_back(table);
  later(around_.dice.between(milliseconds(0), milliseconds(200)),
        [this, version = save.version, table = std::move(table)] {
          auto saved = state_.save_blocks(table);
          if (saved) attempted_.clear();
          input::BlocksSaved done{version, std::nullopt};
          if (!saved) done.error = saved.error();
          step(done);
        });
}

std::vector<BlockNames> Sidecar::possible_blocks() const {
  std::vector<BlockNames> possible{names_of(core_->blocks())};
  for (const BlockTable& table : attempted_) possible.push_back(names_of(table));
  return possible;
}

void Sidecar::save_holds(std::vector<ProviderId> held) {
  if (state_.save_holds(held)) return;
  later(milliseconds(5000), [this] {
    std::vector<ProviderId> now_held;
    for (const ProviderStatus& status : core_->providers()) {
      if (status.held) now_held.push_back(status.spec.descriptor.id);
    }
    save_holds(std::move(now_held));
  });
}

void Sidecar::save_topology() {
  if (topology_save_due_) return;
  topology_save_due_ = true;
  later(std::chrono::seconds(5), [this] {
    topology_save_due_ = false;
    const TopologySnapshot& now = core_->snapshot();
    (void)state_.save_topology({now.members, now.observed_at, now.active});
  });
}

}  // namespace rollcall::test
