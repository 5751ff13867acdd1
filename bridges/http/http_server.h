// HttpServer: /metrics, /livez, /readyz, /v1/topology and /v1/http_sd on loopback (SPEC 9,
// README.md beside this).
//
// Threads: one that accepts and kHttpThreads workers, all its own. start() and stop() from the
// owner's. Reading the topology takes no lock of the writer; metrics, liveness and provenance ask
// the service thread and wait for its answer, bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bridges/http/topology_json.h"
#include "core/error.h"
#include "core/time.h"
#include "provisioning/hub/watch_hub.h"
#include "provisioning/telemetry/metrics.h"

namespace rollcall {

inline constexpr std::size_t kHttpThreads = 4;   // people and Prometheus, not consumers
inline constexpr std::size_t kHttpWaiting = 16;  // accepted connections without a worker
inline constexpr auto kHttpIoTimeout = std::chrono::seconds(5);  // of one read or write

class HttpServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";  // loopback; anything else is refused by start()
    std::uint16_t port = 0;          // 0: any free one
  };
  // What it shows. All outlive the server; the functions are called on its workers and may wait.
  struct Sources {
    const Clock* clock = nullptr;
    const WatchHub* hub = nullptr;
    std::function<Result<std::string>()> metrics;  // the exposition
    std::function<Result<void>()> alive;           // whether the service thread answers
    // What each provider lists now, in order of priority.
    std::function<Result<std::vector<ProviderListing>>()> listings;
  };

  // Listens when it returns. INVALID_CONFIG (not loopback), BACKEND_UNAVAILABLE (the port is
  // taken).
  static Result<std::unique_ptr<HttpServer>> start(const Options& options, Sources sources);
  ~HttpServer();  // stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void stop();                  // requests at hand are finished; idempotent
  std::string address() const;  // "127.0.0.1:9631", with the port that was chosen

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Whether a Host header names this machine itself: localhost, 127.0.0.0/8 or [::1], any port.
bool is_local_host_header(std::string_view host);

}  // namespace rollcall
