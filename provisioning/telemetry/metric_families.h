// What is turned into Prometheus families at a scrape; private to this folder (prometheus-cpp is
// known to nobody else).
//
// Pure functions but for process_families(), which reads /proc. Any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "provisioning/telemetry/metrics.h"

namespace rollcall {

// Null: there is no such metric.
const MetricInfo* find_metric(std::string_view name);

// A gauge or counter family of the reference; aborts on a name that is not in it (our mistake).
class FamilyBuilder {
 public:
  explicit FamilyBuilder(std::string_view name);
  // Values of the labels in the order of the reference.
  FamilyBuilder& add(double value, const std::vector<std::string>& labels = {});
  prometheus::MetricFamily take() && { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
  std::vector<std::string> label_names_;
};

std::vector<std::string> label_names(const MetricInfo& info);

// Everything that *is*. `consumer_label` bounds the names of consumers.
std::vector<prometheus::MetricFamily> sample_families(
    const MetricsSample& sample, std::string_view version,
    const std::function<std::string(const std::string&)>& consumer_label);

// process_*; families whose source can't be read are left out.
std::vector<prometheus::MetricFamily> process_families();

}  // namespace rollcall
