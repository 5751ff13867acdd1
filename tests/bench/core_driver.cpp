#include "tests/bench/core_driver.h"

#include <utility>
#include <variant>

#include "core/codec/canonical.h"

namespace rollcall::bench {
namespace {

constexpr std::uint64_t kBoot = 1;
const Epoch kCoreEpoch = make_epoch(kBoot, 7);

CoreOptions core_options() {
  CoreOptions options;
  options.boot = kBoot;
  options.epoch = kCoreEpoch;
  options.seed = 1;
  return options;
}

HubOptions hub_options() {
  HubOptions options;
  options.epoch = kCoreEpoch;
  options.first_seq = make_seq(kBoot, 1);
  return options;
}

}  // namespace

Member sample_member(std::size_t number, std::uint32_t weight) {
  ClusterNode node;
  node.id = NodeId("cluster-node-" + std::to_string(number));
  node.host = "10.20." + std::to_string(number / 250 % 250) + "." + std::to_string(number % 250);
  node.port = 7600;
  node.zone = "zone-" + std::to_string(number % 3);
  node.labels = {{"rack", "r" + std::to_string(number % 40)}, {"role", "storage"}};
  node.weight = weight;
  node.incarnation = "0192f3c1";
  return make_member(std::move(node));
}

MemberMap sample_members(std::size_t count) {
  std::vector<Member> members;
  members.reserve(count);
  for (std::size_t i = 0; i < count; ++i) members.push_back(sample_member(i, 1));
  return MemberMap::from(std::move(members));
}

CoreDriver::CoreDriver(const std::vector<std::string>& providers, MemberMap members)
    : members_(std::move(members)),
      core_(core_options()),
      hub_(hub_options(), events_, snapshots_) {
  input::Start start;
  auto priority = static_cast<std::int32_t>(providers.size());
  for (const std::string& id : providers) {
    ProviderSpec spec;
    spec.descriptor.id = ProviderId(id);
    spec.descriptor.kind = "file";
    spec.descriptor.priority = priority--;
    start.providers.push_back(std::move(spec));
  }
  step(start);
  pass(std::chrono::seconds(1));
}

void CoreDriver::step(const Input& input) {
  Effects effects = core_.step(input, now_);
  std::vector<Event> events;
  for (Effect& effect : effects.list) {
    if (auto* publish = std::get_if<effect::Publish>(&effect)) {
      events.push_back(std::move(publish->event));
    } else if (const auto* begin = std::get_if<effect::StartStream>(&effect)) {
      streams_[begin->provider.str()] = begin->generation;
    } else if (const auto* end = std::get_if<effect::StopStream>(&effect)) {
      streams_.erase(end->provider.str());
    }
  }
  hub_.publish(events, std::make_shared<const TopologySnapshot>(core_.snapshot()));
}

Input CoreDriver::answer(const std::string& provider, const MemberMap& view) const {
  ProviderReport report;
  report.provider = ProviderId(provider);
  report.generation = streams_.at(provider);
  report.add(ProviderReport::Answer{view, "", 0, {now_, now_, {}}});
  return input::Answered{std::move(report)};
}

Input CoreDriver::termination(const std::string& provider) const {
  ProviderReport report;
  report.provider = ProviderId(provider);
  report.generation = streams_.at(provider);
  report.add(Terminated{false, ErrorCode::BackendUnavailable, "gone"});
  return input::Answered{std::move(report)};
}

void CoreDriver::pass(Duration d) {
  const MonoTime end = now_ + d;
  while (now_ < end) {
    now_ += std::chrono::seconds(1);
    step(input::Tick{});
    const auto streams = streams_;
    for (const auto& [provider, generation] : streams) step(answer(provider, members_));
  }
}

}  // namespace rollcall::bench
