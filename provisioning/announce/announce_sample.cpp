#include "provisioning/announce/announce_sample.h"

namespace rollcall {

void add_announcements(const std::vector<AnnounceStatus>& status, MetricsSample& sample) {
  for (std::size_t i = 1; i <= kAnnounceStates; ++i) {
    sample.announce_states.push_back(to_string(static_cast<AnnounceState>(i)));
  }
  for (const AnnounceStatus& one : status) {
    sample.announcements.push_back({one.provider, to_string(one.state), one.last_success});
  }
}

}  // namespace rollcall
