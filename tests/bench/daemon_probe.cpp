#include "tests/bench/daemon_probe.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace rollcall::bench {
namespace {

// Long enough for the first heartbeats; the figures are of an idle sidecar.
constexpr int kSettleMs = 2000;

double mib_of(pid_t pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  double kib = 0;
  while (status >> word) {
    if (word == key && status >> kib) return kib / 1024;
  }
  return 0;
}

}  // namespace

std::optional<DaemonFigures> probe_daemon(const std::string& program) {
  if (!std::filesystem::exists(program)) {
    std::fprintf(stderr, "%s is not built: not measured\n", program.c_str());
    return std::nullopt;
  }
  std::string directory = std::filesystem::temp_directory_path() / "rollcall-bench-XXXXXX";
  int out[2];
  if (::mkdtemp(directory.data()) == nullptr || ::pipe(out) != 0) return std::nullopt;
  const std::string state = directory + "/state";
  const auto began = std::chrono::steady_clock::now();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(out[1], 1);
    ::close(out[0]);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) std::_Exit(126);
    ::execl(program.c_str(), "rollcalld", "--state-dir", state.c_str(), "--http-listen",
            "127.0.0.1:0", nullptr);
    std::_Exit(127);
  }
  ::close(out[1]);
  std::FILE* lines = ::fdopen(out[0], "r");
  char line[1024];
  const bool ready = std::fgets(line, sizeof(line), lines) != nullptr;
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
  DaemonFigures figures{took.count(), 0, 0};
  if (ready) {
    pollfd more{out[0], POLLIN, 0};
    ::poll(&more, 1, kSettleMs);  // it has said all that it says
    figures.rss_mib = mib_of(pid, "VmRSS:");
    figures.anon_mib = mib_of(pid, "RssAnon:");
  } else {
    std::fprintf(stderr, "%s did not come up\n", program.c_str());
  }
  ::kill(pid, SIGTERM);
  ::waitpid(pid, nullptr, 0);
  std::fclose(lines);
  std::filesystem::remove_all(directory);
  return ready ? std::optional(figures) : std::nullopt;
}

}  // namespace rollcall::bench
