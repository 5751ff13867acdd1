#include "tests/service/service_fixture.h"

#include <chrono>
#include <cstring>

namespace rollcall::test {
namespace {

constexpr auto kHungProgram = std::chrono::seconds(60);

std::vector<AcceptedProvider> accepted(const std::vector<ProviderDescriptor>& providers) {
  std::vector<AcceptedProvider> all;
  for (const ProviderDescriptor& d : providers) all.push_back({d, false, std::nullopt});
  return all;
}

}  // namespace

void RecordingEncoder::encode(const Event& event, FrameSpace& space) {
  *space.reserve(1) = 'e';
  std::lock_guard lock(mutex_);
  events_.push_back(event);
}

std::vector<Event> RecordingEncoder::events() const {
  std::lock_guard lock(mutex_);
  return events_;
}

ServiceFixture::ServiceFixture() {
  (void)files_.make_directory("/state");
  options_.boot = 3;
  options_.epoch = make_epoch(3, 99);
  options_.seed = 42;
  // Retries at once; silence is never what a test here waits for.
  options_.policy.backoff_initial = std::chrono::milliseconds(1);
  options_.policy.backoff_max = std::chrono::milliseconds(2);
  options_.policy.degraded_after = std::chrono::minutes(5);
  options_.policy.timeout = std::chrono::minutes(10);
  options_.policy.cooldown = std::chrono::milliseconds(1);
}

ServiceFixture::~ServiceFixture() {
  if (service_) service_->stop();
}

void ServiceFixture::start(const std::vector<ProviderDescriptor>& providers, StartWith with) {
  HubOptions hub;
  hub.epoch = options_.epoch;
  hub.first_seq = make_seq(options_.boot, 1);
  hub_ = std::make_unique<WatchHub>(hub, encoder_, snapshots_);
  ProvisioningService::Dependencies deps;
  deps.clock = &clock_;
  deps.hub = hub_.get();
  deps.state = &state_;
  deps.telemetry = &telemetry_;
  deps.make_provider = [this](const ProviderDescriptor& d) { return pool_.make_again(d); };
  service_ = std::make_unique<ProvisioningService>(std::move(deps), options_);
  auto entries = pool_.update(accepted(providers), true);
  ASSERT_TRUE(entries) << entries.error().message;
  input::Start first;
  for (const ProviderEntry& e : *entries) first.providers.push_back(e.spec);
  first.blocks = std::move(with.blocks);
  first.held = std::move(with.held);
  first.cached = std::move(with.cached);
  service_->start(std::move(first), std::move(*entries));
}

void ServiceFixture::set_providers(const std::vector<ProviderDescriptor>& providers) {
  auto entries = pool_.update(accepted(providers));
  ASSERT_TRUE(entries);
  service_->set_providers(std::move(*entries), {}, nullptr);
  ASSERT_TRUE(service_->settle(kHungProgram));
}

void ServiceFixture::wait_for(const std::string& what, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kHungProgram;
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "never happened: " << what;
    std::unique_lock lock(pause_mutex_);
    pause_.wait_for(lock, std::chrono::milliseconds(2));
  }
}

void ServiceFixture::wait_for_members(std::size_t count) {
  wait_for(std::to_string(count) + " members", [&] {
    const auto state = hub_->state();
    return state && state->has_topology && state->members.size() == count && !state->stale;
  });
}

ServiceStatus ServiceFixture::status() {
  auto status = service_->status(kHungProgram);
  EXPECT_TRUE(status) << (status ? "" : status.error().message);
  return status ? *status : ServiceStatus{};
}

ProviderStatus ServiceFixture::provider(const std::string& id) {
  for (const ProviderStatus& p : status().providers)
    if (p.spec.descriptor.id.str() == id) return p;
  ADD_FAILURE() << "no provider " << id;
  return {};
}

Result<effect::ReplyOk> ServiceFixture::ask(Input input) {
  return service_->ask(std::move(input), kHungProgram);
}

}  // namespace rollcall::test
