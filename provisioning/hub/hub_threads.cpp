#include "provisioning/hub/hub_threads.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace rollcall {

HubThreads::HubThreads(WatchHub& hub, const Clock& clock, std::function<void(Duration)> on_encoded)
    : hub_(hub), clock_(clock), on_encoded_(std::move(on_encoded)) {
  fan_out_ = std::thread([this] { run_fan_out(); });
  encoder_ = std::thread([this] { run_encoder(); });
}

HubThreads::~HubThreads() { stop(); }

void HubThreads::stop() {
  stopping_.store(true);
  hub_.stop_waiting();
  if (fan_out_.joinable()) fan_out_.join();
  if (encoder_.joinable()) encoder_.join();
}

void HubThreads::run_fan_out() {
  MonoTime next_tick = clock_.now() + limits::kHubTick;
  while (!stopping_.load()) {
    const MonoTime now = clock_.now();
    if (now >= next_tick) {
      hub_.tick(now);
      next_tick = now + limits::kHubTick;
    }
    hub_.wait_for_fan_out(std::min<Duration>(next_tick - now, limits::kHubTick));
    hub_.fan_out();
  }
}

void HubThreads::run_encoder() {
  while (!stopping_.load()) {
    hub_.wait_for_encoding(limits::kHubTick);
    const MonoTime began = clock_.now();
    if (!hub_.encode_pending()) continue;
    const Duration took = clock_.now() - began;
    if (on_encoded_) on_encoded_(took);
    hub_.rest(std::min<Duration>(3 * took, limits::kEncoderRestMax));
  }
}

}  // namespace rollcall
