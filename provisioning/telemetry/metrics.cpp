#include "provisioning/telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <locale>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/limits.h"
#include "provisioning/telemetry/bounded_names.h"
#include "provisioning/telemetry/metric_families.h"

namespace rollcall {
namespace {

// From half a millisecond to half a minute: a decision takes less than the first, a connectivity
// check at most 5 s.
const std::vector<double> kSecondsBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                             0.25,   0.5,   1,      2.5,   5,    10,    30};
constexpr const char* kNone = "none";
constexpr std::string_view kOk = "OK";

double seconds(Duration d) {
  return std::chrono::duration<double>(std::max(d, Duration::zero())).count();
}

std::string code_text(std::optional<ErrorCode> error) {
  return std::string(error ? to_string(*error) : kOk);
}

const MetricInfo& info_of(std::string_view name) {
  const MetricInfo* info = find_metric(name);
  if (info == nullptr) std::abort();
  return *info;
}

// The series of one counter or histogram by their label values, so that they can be dropped again.
template <class Metric>
class Series {
 public:
  Series(prometheus::Registry& registry, std::string_view name)
      : names_(label_names(info_of(name))), family_(family(registry, info_of(name))) {}

  Metric& at(const std::vector<std::string>& values) {
    const auto found = series_.find(values);
    if (found != series_.end()) return *found->second;
    prometheus::Labels labels;
    for (std::size_t i = 0; i < names_.size(); ++i) labels[names_[i]] = values.at(i);
    Metric* made = nullptr;
    if constexpr (std::is_same_v<Metric, prometheus::Histogram>) {
      made = &family_.Add(labels, kSecondsBuckets);
    } else {
      made = &family_.Add(labels);
    }
    series_.emplace(values, made);
    return *made;
  }

  void drop(const std::string& value) {
    for (auto it = series_.begin(); it != series_.end();) {
      if (std::find(it->first.begin(), it->first.end(), value) == it->first.end()) {
        ++it;
      } else {
        family_.Remove(it->second);
        it = series_.erase(it);
      }
    }
  }

 private:
  static prometheus::Family<Metric>& family(prometheus::Registry& registry,
                                            const MetricInfo& info) {
    if constexpr (std::is_same_v<Metric, prometheus::Histogram>) {
      return prometheus::BuildHistogram()
          .Name(std::string(info.name))
          .Help(std::string(info.help))
          .Register(registry);
    } else {
      return prometheus::BuildCounter()
          .Name(std::string(info.name))
          .Help(std::string(info.help))
          .Register(registry);
    }
  }

  const std::vector<std::string> names_;
  prometheus::Family<Metric>& family_;
  std::map<std::vector<std::string>, Metric*> series_;
};

using Counter = Series<prometheus::Counter>;
using Histogram = Series<prometheus::Histogram>;

}  // namespace

class ProvisioningMetrics::Impl {
 public:
  explicit Impl(std::string_view version) : version_(version) {}

  const std::string version_;
  std::mutex mutex_;  // guards everything below, the series look-ups included
  prometheus::Registry registry_;
  Counter events_{registry_, "rollcall_events_total"};
  Counter failovers_{registry_, "rollcall_failovers_total"};
  Counter interruptions_{registry_, "rollcall_stream_interruptions_total"};
  Counter holds_{registry_, "rollcall_validation_holds_total"};
  Counter checks_{registry_, "rollcall_connectivity_checks_total"};
  Counter writes_{registry_, "rollcall_store_writes_total"};
  Counter reloads_{registry_, "rollcall_reloads_total"};
  Counter encoded_{registry_, "rollcall_snapshots_encoded_total"};
  Counter requests_{registry_, "rollcall_requests_total"};
  Counter announce_calls_{registry_, "rollcall_announce_calls_total"};
  Counter announce_missing_{registry_, "rollcall_announce_missing_total"};
  Histogram latency_{registry_, "rollcall_snapshot_latency_seconds"};
  Histogram check_seconds_{registry_, "rollcall_connectivity_check_seconds"};
  Histogram write_seconds_{registry_, "rollcall_store_write_seconds"};
  Histogram encode_seconds_{registry_, "rollcall_snapshot_encode_seconds"};

  BoundedNames providers_{limits::kMaxProviders, [this](const std::string& gone) {
                            for (Counter* counter : {&failovers_, &interruptions_, &holds_,
                                                     &announce_calls_, &announce_missing_}) {
                              counter->drop(gone);
                            }
                          }};
  BoundedNames consumers_{limits::kMetricConsumers};

  std::string provider(const ProviderId& id) {
    return id.empty() ? std::string(kNone) : providers_.label(id.str());
  }
};

ProvisioningMetrics::ProvisioningMetrics(std::string_view version)
    : impl_(std::make_unique<Impl>(version)) {
  // Series whose labels are known from the start begin at 0, so that the first event is a rise.
  for (const char* event :
       {"delta", "reset", "remote_topology", "provider_changed", "stream_terminated",
        "availability_changed", "health_warning", "lease_updated"}) {
    impl_->events_.at({event});
  }
  for (const char* outcome : {"ok", "refused"}) impl_->reloads_.at({outcome});
  impl_->encoded_.at({});
  for (Histogram* histogram : {&impl_->latency_, &impl_->check_seconds_, &impl_->encode_seconds_}) {
    histogram->at({});
  }
}

ProvisioningMetrics::~ProvisioningMetrics() = default;

void ProvisioningMetrics::snapshot_latency(Duration latency) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->latency_.at({}).Observe(seconds(latency));
}

void ProvisioningMetrics::event_published(const Event& event) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->events_.at({std::string(event_name(event))}).Increment();
  const auto* changed = std::get_if<event::ProviderChanged>(&event.body);
  if (changed == nullptr) return;
  const std::string from = impl_->provider(changed->from);
  const std::string to = impl_->provider(changed->to);
  impl_->failovers_.at({from, to, std::string(to_string(changed->reason))}).Increment();
}

void ProvisioningMetrics::stream_interrupted(const ProviderId& provider, std::string_view code) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->interruptions_.at({impl_->provider(provider), std::string(code)}).Increment();
}

void ProvisioningMetrics::validation_hold(const ProviderId& provider) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->holds_.at({impl_->provider(provider)}).Increment();
}

void ProvisioningMetrics::connectivity_checked(std::optional<ErrorCode> error, Duration took) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->checks_.at({code_text(error)}).Increment();
  impl_->check_seconds_.at({}).Observe(seconds(took));
}

void ProvisioningMetrics::store_written(std::string_view file, StoreOutcome outcome,
                                        Duration took) {
  const char* text = outcome == StoreOutcome::Ok       ? "ok"
                     : outcome == StoreOutcome::Failed ? "failed"
                                                       : "unknown";
  const std::lock_guard lock(impl_->mutex_);
  impl_->writes_.at({std::string(file), text}).Increment();
  impl_->write_seconds_.at({std::string(file)}).Observe(seconds(took));
}

void ProvisioningMetrics::reloaded(bool ok) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->reloads_.at({ok ? "ok" : "refused"}).Increment();
}

void ProvisioningMetrics::snapshot_encoded(Duration took) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->encoded_.at({}).Increment();
  impl_->encode_seconds_.at({}).Observe(seconds(took));
}

void ProvisioningMetrics::request(std::string_view method, std::optional<ErrorCode> error) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->requests_.at({std::string(method), code_text(error)}).Increment();
}

void ProvisioningMetrics::announce_call(const ProviderId& provider, std::string_view call,
                                        std::optional<ErrorCode> error) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->announce_calls_.at({impl_->provider(provider), std::string(call), code_text(error)})
      .Increment();
}

void ProvisioningMetrics::announce_missing(const ProviderId& provider) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->announce_missing_.at({impl_->provider(provider)}).Increment();
}

std::string ProvisioningMetrics::expose(const MetricsSample& sample) {
  std::vector<prometheus::MetricFamily> families;
  {
    const std::lock_guard lock(impl_->mutex_);
    std::set<std::string> providers;
    for (const auto& p : sample.providers) providers.insert(p.id.str());
    impl_->providers_.set_living(std::move(providers));
    std::set<std::string> consumers;
    for (const auto& c : sample.consumers) consumers.insert(c.consumer_id);
    impl_->consumers_.set_living(std::move(consumers));
    families = sample_families(sample, impl_->version_, [&](const std::string& consumer) {
      return impl_->consumers_.label(consumer);
    });
    for (auto& family : impl_->registry_.Collect()) families.push_back(std::move(family));
  }
  for (auto& family : process_families()) families.push_back(std::move(family));
  std::erase_if(families, [](const auto& family) { return family.metric.empty(); });
  std::sort(families.begin(), families.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::ostringstream out;
  out.imbue(std::locale::classic());
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

}  // namespace rollcall
