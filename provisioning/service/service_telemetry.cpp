#include "provisioning/service/service_telemetry.h"

#include <utility>
#include <variant>

namespace rollcall {
namespace {

using Level = OperatorNotice::Level;

LogLevel log_level(Level level) {
  switch (level) {
    case Level::Info:
      return LogLevel::Info;
    case Level::Warning:
      return LogLevel::Warning;
    case Level::Error:
      return LogLevel::Error;
  }
  return LogLevel::Error;
}

Level level_of(effect::Notice::Level level) {
  switch (level) {
    case effect::Notice::Level::Info:
      return Level::Info;
    case effect::Notice::Level::Warning:
      return Level::Warning;
    case effect::Notice::Level::Error:
      return Level::Error;
  }
  return Level::Error;
}

// Published events that an operator sees as lines. The core has notices of its own about providers;
// the rest is traffic, and counted.
struct Line {
  Level level = Level::Info;
  ProviderId provider;
  std::string message;
};

struct LineOf {
  std::optional<Line> operator()(const event::AvailabilityChanged& e) const {
    const bool good = e.availability == Availability::Available && !e.stale;
    return Line{good ? Level::Info : Level::Warning,
                {},
                std::string(to_string(e.availability)) + (e.stale ? ", stale" : "") +
                    (e.placement_paused ? ", placement paused" : "") + ": " + e.reason};
  }
  std::optional<Line> operator()(const event::Reset& e) const {
    return Line{Level::Info, e.provider_id,
                "a change too large to log; every subscriber gets a snapshot"};
  }
  template <class Other>
  std::optional<Line> operator()(const Other&) const {
    return std::nullopt;
  }
};

}  // namespace

ServiceTelemetry::ServiceTelemetry(const Clock& clock, Logger& logger, ProvisioningMetrics& metrics,
                                   OperatorLog& operators)
    : clock_(clock), logger_(logger), metrics_(metrics), operators_(operators) {}

void ServiceTelemetry::published(const Event& event) {
  metrics_.event_published(event);
  if (auto line = std::visit(LineOf{}, event.body)) {
    tell(line->level, event_name(event), line->provider, std::nullopt, std::move(line->message));
  } else {
    logger_.debug("event", {{"event_kind", event_name(event)}, {"seq", event.seq_no.value()}});
  }
}

void ServiceTelemetry::notice(const effect::Notice& notice) {
  if (notice.event == "provider_held") metrics_.validation_hold(notice.provider);
  // The stream's own failures were counted when they were reported; that an answer is only partial
  // is the core's finding.
  if (notice.event == "answer_partial" && notice.code)
    metrics_.stream_interrupted(notice.provider, to_string(*notice.code));
  tell(level_of(notice.level), notice.event, notice.provider, notice.code, notice.message);
}

void ServiceTelemetry::reported(const ProviderReport& report) {
  if (report.last_error) {
    for (std::uint32_t i = 0; i < report.errors_before + report.errors_after; ++i)
      metrics_.stream_interrupted(report.provider, to_string(*report.last_error));
    // What is followed by nothing better the core tells as well.
    const LogLevel level = report.errors_after > 0 ? LogLevel::Debug : LogLevel::Warning;
    logger_.log(level, "provider_answer_failed",
                {{"provider", report.provider.str()},
                 {"code", to_string(*report.last_error)},
                 {"message", report.last_error_detail}});
  }
  if (report.terminated) {
    const Terminated& t = *report.terminated;
    const std::string_view code = t.ended ? std::string_view("ENDED") : to_string(t.code);
    metrics_.stream_interrupted(report.provider, code);
    logger_.debug("provider_stream_over",
                  {{"provider", report.provider.str()}, {"code", code}, {"message", t.reason}});
  }
}

void ServiceTelemetry::tell(OperatorNotice::Level level, std::string_view event,
                            const ProviderId& provider, std::optional<ErrorCode> code,
                            std::string message) {
  logger_.log(log_level(level), event,
              {{"provider", provider.str()},
               {"code", code ? to_string(*code) : std::string_view()},
               {"message", message}});
  OperatorNotice n;
  n.at = clock_.wall_now();
  n.level = level;
  n.event = std::string(event);
  n.provider = provider;
  n.code = code;
  n.message = std::move(message);
  operators_.append(std::move(n));
}

}  // namespace rollcall
