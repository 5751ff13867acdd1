// HubThreads: the two threads behind a WatchHub, fan-out (wakes subscribers, ticks once a second)
// and encoder (snapshots). Stopped and joined by stop() or the destructor, before the hub goes.
//
// The encoder rests three times as long as its last encoding took, at most kEncoderRestMax: asking
// for fresh snapshots of a large, changing cluster without end may use a quarter of one processor.
#pragma once

#include <functional>
#include <thread>

#include "core/time.h"
#include "provisioning/hub/watch_hub.h"

namespace rollcall {

class HubThreads {
 public:
  // `on_encoded` (may be empty) gets the time that each snapshot encoding took, on the encoder
  // thread.
  HubThreads(WatchHub& hub, const Clock& clock, std::function<void(Duration)> on_encoded = {});
  ~HubThreads();
  HubThreads(const HubThreads&) = delete;
  HubThreads& operator=(const HubThreads&) = delete;
  void stop();  // idempotent

 private:
  void run_fan_out();
  void run_encoder();

  WatchHub& hub_;
  const Clock& clock_;
  const std::function<void(Duration)> on_encoded_;
  std::atomic<bool> stopping_{false};
  std::thread fan_out_;
  std::thread encoder_;
};

}  // namespace rollcall
