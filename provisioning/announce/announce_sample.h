// What /metrics shows of announcing. A pure function, any thread.
#pragma once

#include <vector>

#include "provisioning/announce/provider_announcement.h"
#include "provisioning/telemetry/metrics.h"

namespace rollcall {

void add_announcements(const std::vector<AnnounceStatus>& status, MetricsSample& sample);

}  // namespace rollcall
