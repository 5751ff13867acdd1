// 5,000 members of a real etcd and of a real Kubernetes, 1,000 changes a second for a minute,
// through a real rollcalld to a consumer on the client library: what is told, what is not, and how
// late.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "tests/bench/report.h"
#include "tests/churn/sources.h"

namespace {

using namespace rollcall;
using rollcall::test::Outcome;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPerSecond = 1000;

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

bool measure(const char* name, Outcome<std::unique_ptr<test::ChurnSource>> source,
             std::size_t batch, std::size_t seconds, bench::Report& report) {
  if (!source) {
    std::fprintf(stderr, "%s is not measured: %s\n", name, source.error().c_str());
    return false;
  }
  test::DaemonProcess daemon;
  daemon.set_config(test::kChurnConfig);
  if (auto started = daemon.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().c_str());
    return false;
  }
  test::ChurnPlan plan;
  plan.changes = kPerSecond * seconds;
  plan.pace = [began = std::optional<Clock::time_point>()](std::size_t done) mutable {
    if (!began) began = Clock::now();
    const std::chrono::duration<double> due(static_cast<double>(done) / kPerSecond);
    std::this_thread::sleep_until(*began + std::chrono::duration_cast<Clock::duration>(due));
  };
  plan.batch = batch;
  const auto figures = run_churn(**source, daemon, plan);
  if (!figures) {
    std::fprintf(stderr, "%s: %s\n", name, figures.error().c_str());
    return false;
  }
  for (const std::string& wrong : figures->wrong) {
    std::fprintf(stderr, "%s: WRONG: %s\n", name, wrong.c_str());
  }
  const auto count = [](std::size_t n) { return static_cast<double>(n); };
  report.add({name,
              {{"changes_per_s", count(figures->written) / figures->seconds, 0},
               {"written", count(figures->written), 0},
               {"seen", count(figures->seen), 0},
               {"superseded", count(figures->superseded), 0},
               {"lost", count(figures->lost), 0},
               {"lag_p50_ms", quantile(figures->lag_ms, 0.5), 1},
               {"lag_p99_ms", quantile(figures->lag_ms, 0.99), 1},
               {"lag_max_ms", quantile(figures->lag_ms, 1), 1},
               {"rollcalld_cpu", figures->daemon_cpu_seconds / figures->seconds, 2}}});
  return figures->wrong.empty() && figures->lost == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Options options = bench::parse_options(
      argc, argv, "5,000 members of real backends, 1,000 changes a second: what arrives, and when");
  const std::string here = std::filesystem::canonical("/proc/self/exe").parent_path().string();
  ::setenv("ROLLCALL_BIN_DIR", here.c_str(), 0);
  const std::size_t seconds = options.quick ? 5 : 60;
  bench::Report report("bench_churn");
  bool good = measure("etcd", test::churn_in_etcd(), 10, seconds, report);
  good = measure("kubernetes", test::churn_in_kubernetes(), 20, seconds, report) && good;
  report.note("lag: from sending a write to the backend until the consumer's callback runs.");
  report.note("superseded: a later change of the same member was told instead.");
  report.note(
      "rollcalld_cpu: of one core. Backends, sidecar, writer and consumer share this machine.");
  report.print();
  if (!options.json_file.empty() && !report.write_json(options.json_file)) return 1;
  return good ? 0 : 1;
}
