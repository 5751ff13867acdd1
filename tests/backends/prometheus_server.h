// A real Prometheus server on loopback that scrapes given targets, and promtool beside it.
// One owner, not thread-safe; start it on the test's own thread (process.h says why).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/backends/environment.h"
#include "tests/backends/process.h"

namespace rollcall::test {

class PrometheusServer {
 public:
  struct Options {
    std::vector<std::string> targets;  // "127.0.0.1:9100"; scraped as job "rollcall"
    std::string metrics_path = "/metrics";
    std::string interval = "200ms";
    // Lists in the http_sd format, read every `interval`; their targets make the job "discovered",
    // with the labels' prefix __meta_rollcall_ taken off and the rest of the name kept.
    std::vector<std::string> http_sd = {};
  };
  static Outcome<std::unique_ptr<PrometheusServer>> start(const Options& options);

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // The value of an instant query with exactly one result; nothing while there is none.
  Outcome<std::optional<double>> value(const std::string& query);
  // Waits until up{job="rollcall"} of every target is 1.
  bool await_up(std::chrono::milliseconds limit);
  // The targets of the job "discovered" as Prometheus has them now: address to labels.
  Outcome<std::map<std::string, std::map<std::string, std::string>>> discovered();
  Process& process() { return *process_; }

 private:
  PrometheusServer() = default;
  Outcome<void> spawn(const std::string& binary);

  TempDir dir_;
  std::uint16_t port_ = 0;
  std::size_t targets_ = 0;
  std::optional<Process> process_;  // after dir_: ends before its files go
};

// What `promtool check metrics` says about a page of metrics: its exit code and its complaints.
Outcome<Finished> promtool_check_metrics(const std::string& page);

}  // namespace rollcall::test
