// What /metrics shows of one moment, put together from what the service, the hub and the registry
// say.
//
// Threads: a pure function of its arguments.
#pragma once

#include <cstddef>
#include <vector>

#include "core/ids.h"
#include "core/time.h"
#include "provisioning/hub/watch_hub.h"
#include "provisioning/registry/store_status.h"
#include "provisioning/service/provisioning_service.h"
#include "provisioning/telemetry/metrics.h"

namespace rollcall {

struct SampleSources {
  const ServiceStatus* status = nullptr;  // never null
  HubStats hub;
  std::vector<ConsumerStatus> consumers;
  Revision revision;
  StoreStatus store;
  std::size_t commands_queued = 0;
  Duration uptime{};
};

MetricsSample make_sample(const SampleSources& sources);

}  // namespace rollcall
