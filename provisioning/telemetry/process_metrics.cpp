// The process_* metrics that every Prometheus client exports, from /proc (see proc(5)).
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "provisioning/telemetry/metric_families.h"

namespace rollcall {
namespace {

void put(std::vector<prometheus::MetricFamily>& out, std::string_view name, double value) {
  FamilyBuilder family(name);
  family.add(value);
  out.push_back(std::move(family).take());
}

// Fields of /proc/self/stat from the third one on; the second one, the name, may hold anything.
std::vector<double> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  std::vector<double> fields;
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(line.substr(name_end + 1));
  std::string state;
  rest >> state;
  fields.push_back(0);
  for (double value = 0; rest >> value;) fields.push_back(value);
  return fields;
}

// Unix time at which the machine booted; 0: not known.
double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string key; file >> key;) {
    double value = 0;
    if (key == "btime" && file >> value) return value;
    file.ignore(1 << 16, '\n');
  }
  return 0;
}

}  // namespace

std::vector<prometheus::MetricFamily> process_families() {
  std::vector<prometheus::MetricFamily> out;
  // Numbers as in proc(5), from which the two fields before the state are taken off.
  constexpr std::size_t kUserTime = 14 - 3;
  constexpr std::size_t kSystemTime = 15 - 3;
  constexpr std::size_t kThreads = 20 - 3;
  constexpr std::size_t kStartTime = 22 - 3;
  constexpr std::size_t kVirtual = 23 - 3;
  constexpr std::size_t kResident = 24 - 3;
  const auto fields = stat_fields();
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  if (fields.size() > kResident && ticks > 0 && page > 0) {
    put(out, "process_cpu_seconds_total", (fields[kUserTime] + fields[kSystemTime]) / ticks);
    put(out, "process_threads", fields[kThreads]);
    put(out, "process_virtual_memory_bytes", fields[kVirtual]);
    put(out, "process_resident_memory_bytes", fields[kResident] * page);
    if (const double booted = boot_time(); booted > 0) {
      put(out, "process_start_time_seconds", booted + fields[kStartTime] / ticks);
    }
  }
  std::error_code error;
  std::size_t open = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error)) {
    ++open;
  }
  if (!error) put(out, "process_open_fds", static_cast<double>(open));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    put(out, "process_max_fds", static_cast<double>(limit.rlim_cur));
  }
  return out;
}

}  // namespace rollcall
