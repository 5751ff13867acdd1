// ServiceTelemetry: one place that turns what the service does into log lines, operators' events
// and metrics, so that the three never disagree.
//
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/event.h"
#include "core/time.h"
#include "provisioning/control/provider_report.h"
#include "provisioning/control/provisioning_core.h"
#include "provisioning/service/operator_log.h"
#include "provisioning/telemetry/logger.h"
#include "provisioning/telemetry/metrics.h"

namespace rollcall {

class ServiceTelemetry {
 public:
  // All outlive it.
  ServiceTelemetry(const Clock& clock, Logger& logger, ProvisioningMetrics& metrics,
                   OperatorLog& operators);

  void published(const Event& event);
  void notice(const effect::Notice& notice);
  void reported(const ProviderReport& report);
  // Something that the service, the registry or the daemon has to tell by itself. `event`: a stable
  // name.
  void tell(OperatorNotice::Level level, std::string_view event, const ProviderId& provider,
            std::optional<ErrorCode> code, std::string message);

  ProvisioningMetrics& metrics() { return metrics_; }
  Logger& logger() { return logger_; }

 private:
  const Clock& clock_;
  Logger& logger_;
  ProvisioningMetrics& metrics_;
  OperatorLog& operators_;
};

}  // namespace rollcall
