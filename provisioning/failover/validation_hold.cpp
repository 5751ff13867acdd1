#include "provisioning/failover/validation_hold.h"

#include <algorithm>
#include <utility>

namespace rollcall {

void ValidationHold::hold(std::string reason) {
  held_ = true;
  reason_ = std::move(reason);
  failures_.clear();
}

void ValidationHold::release() {
  held_ = false;
  reason_.clear();
  failures_.clear();
}

bool ValidationHold::failed(std::uint32_t count, int allowed, Duration window, MonoTime now) {
  if (held_ || count == 0) return false;
  const auto limit = static_cast<std::size_t>(std::max(1, allowed));
  while (!failures_.empty() && now - failures_.front() > window) failures_.pop_front();
  for (std::uint32_t i = 0; i < count && failures_.size() < limit; ++i) failures_.push_back(now);
  if (failures_.size() < limit) return false;
  hold(std::to_string(limit) + " invalid answers within " + std::to_string(to_ms(window) / 1000) +
       " s");
  return true;
}

}  // namespace rollcall
