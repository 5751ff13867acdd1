// Daemon: the running sidecar: control plane, gRPC and HTTP in front of it, signals, reload, drain.
//
// Threads: run() is the main thread's; it waits for signals and for what others ask of it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "bridges/admin/admin_service.h"
#include "bridges/http/http_server.h"
#include "bridges/partition/partition_service.h"
#include "bridges/placement/placement_service.h"
#include "bridges/remoting/remoting_service.h"
#include "bridges/stream/grpc_server.h"
#include "core/error.h"
#include "deploy/rollcalld/command_line.h"
#include "deploy/rollcalld/control_plane.h"
#include "deploy/rollcalld/drain_watchdog.h"
#include "deploy/rollcalld/exit_code.h"
#include "deploy/rollcalld/signals.h"

namespace rollcall {

struct StartFailure {
  ProvisioningError error;
  ExitCode exit = ExitCode::Failed;
};

class Daemon {
 public:
  // Everything is served when it returns.
  static tl::expected<std::unique_ptr<Daemon>, StartFailure> start(const CommandLine& line,
                                                                   Config config,
                                                                   LineLogger& logger,
                                                                   std::string_view version);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Until SIGTERM or an operator's Drain; returns when all streams have ended in order.
  void run();
  // After run(): whether a thread may still use what would be destroyed now, or would be waited for
  // as long as it likes: a provider's that does not come back, the state writer's on a disk that
  // does not answer, the reload's that asks backends, a connectivity check's that ignores its
  // deadline.
  bool left_threads_behind() const;

 private:
  Daemon(const CommandLine& line, LineLogger& logger);
  Result<void> listen(std::string_view version);
  Result<void> listen_grpc(std::string_view version);
  Result<void> listen_http();
  void announce();

  void begin_reload();
  Result<void> reload();
  void tell_reload(const Result<void>& done);
  void drain(bool linger);
  void wait_for_consumers(bool linger, MonoTime deadline);
  bool consumers_have_everything() const;

  DrainWatchdog watchdog_;  // the first: it must see the end of all that follows
  const CommandLine line_;
  LineLogger& logger_;
  Duration drain_deadline_{};
  SignalWaiter signals_;
  std::atomic<bool> drain_asked_{false};
  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<PlacementService> placement_;
  std::unique_ptr<PartitionService> partition_;
  std::unique_ptr<RemotingService> remoting_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<HttpServer> http_;

  std::thread reloader_;  // of the reload at hand; a backend may take its time
  std::atomic<bool> reloading_{false};
  bool reload_again_ = false;
};

}  // namespace rollcall
