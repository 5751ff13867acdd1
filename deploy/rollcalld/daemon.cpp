#include "deploy/rollcalld/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "core/limits.h"
#include "deploy/rollcalld/service_manager.h"
#include "provisioning/announce/limits.h"

namespace rollcall {
namespace {

// The file in the state directory that says where HTTP was bound, for whoever chose port 0.
constexpr char kHttpAddressFile[] = "http.address";

// How the drain deadline is spent: consumers first, then the closing of streams and calls.
constexpr int kConsumersShare = 80;  // percent
constexpr auto kAnswer = std::chrono::seconds(1);
constexpr auto kLook = std::chrono::milliseconds(10);
constexpr auto kIdle = std::chrono::hours(1);

UnixListener::Options unix_options(const ListenAddress& address, const Config& config) {
  UnixListener::Options options;
  options.path = address.path;
  options.mode = static_cast<mode_t>(config.grpc.unix_mode);
  return options;
}

// Of a failure to listen. An address that is taken may be free at the next try; what the
// configuration or the disk is to blame for stays as it is.
ExitCode exit_of_listening(const ProvisioningError& error) {
  const auto of_tls = [](const Problem& p) { return p.field.starts_with("grpc.tls."); };
  if (std::any_of(error.problems.begin(), error.problems.end(), of_tls)) return ExitCode::Config;
  return error.code == ErrorCode::StoreIo ? ExitCode::StateUnusable : ExitCode::CannotListen;
}

}  // namespace

Daemon::Daemon(const CommandLine& line, LineLogger& logger) : line_(line), logger_(logger) {}

Daemon::~Daemon() {
  if (reloader_.joinable()) reloader_.join();
  if (http_) http_->stop();
  if (admin_) admin_->close();
  if (plane_) plane_->hub().close();
  if (grpc_) grpc_->stop(Duration::zero());
}

tl::expected<std::unique_ptr<Daemon>, StartFailure> Daemon::start(const CommandLine& line,
                                                                  Config config, LineLogger& logger,
                                                                  std::string_view version) {
  std::unique_ptr<Daemon> daemon(new Daemon(line, logger));
  auto plane = ControlPlane::start(std::move(config), logger, version);
  if (!plane) {
    const ExitCode exit = exit_code_of(plane.error().code);
    return tl::unexpected(StartFailure{std::move(plane.error()), exit});
  }
  daemon->plane_ = std::move(*plane);
  daemon->drain_deadline_ = daemon->plane_->config().lifecycle.drain_deadline;
  if (auto ok = daemon->listen(version); !ok) {
    const ExitCode exit = exit_of_listening(ok.error());
    return tl::unexpected(StartFailure{std::move(ok.error()), exit});
  }
  daemon->announce();
  if (Announcing* announcing = daemon->plane_->announcing()) announcing->start();
  return daemon;
}

Result<void> Daemon::listen(std::string_view version) {
  if (auto ok = listen_grpc(version); !ok) return ok;
  if (plane_->config().http.enabled) {
    if (auto ok = listen_http(); !ok) return ok;
  }
  grpc_->set_serving(true);
  return {};
}

Result<void> Daemon::listen_grpc(std::string_view version) {
  const Config& config = plane_->config();
  placement_ =
      std::make_unique<PlacementService>(plane_->hub(), plane_->service(), plane_->clock());
  partition_ = std::make_unique<PartitionService>(plane_->hub(), plane_->clock());
  remoting_ = std::make_unique<RemotingService>(plane_->hub(), plane_->service(), plane_->clock());

  AdminContext admin;
  admin.clock = &plane_->clock();
  admin.catalog = &plane_->catalog();
  admin.validator = &plane_->validator();
  admin.registry = &plane_->registry();
  admin.pool = &plane_->pool();
  admin.service = &plane_->service();
  admin.hub = &plane_->hub();
  admin.operators = &plane_->operators();
  admin.telemetry = &plane_->telemetry();
  admin.announcing = plane_->announcing();
  admin.version = version;
  admin.started = plane_->started();
  admin.store = [this] { return plane_->store_status(); };
  admin.drain = [this] {
    drain_asked_ = true;
    signals_.wake();
  };
  admin_ = std::make_unique<AdminService>(std::move(admin));

  GrpcServerOptions options;
  for (const ListenAddress& address : config.grpc.listen) {
    if (address.is_unix) {
      options.unix_sockets.push_back(unix_options(address, config));
    } else {
      options.tcp.push_back({address.host, address.port});
    }
  }
  options.tls = {config.grpc.tls.cert_file, config.grpc.tls.key_file,
                 config.grpc.tls.client_ca_file};
  options.keepalive = config.grpc.keepalive;
  options.keepalive_timeout = config.grpc.keepalive_timeout;
  options.max_connection_age = config.grpc.max_connection_age;
  options.services = {placement_.get(), partition_.get(), remoting_.get(), admin_.get()};
  options.service_names = {
      v1::PlacementBridge::service_full_name(), v1::PartitionBridge::service_full_name(),
      v1::RemotingBridge::service_full_name(), v1::ProvisioningAdmin::service_full_name()};
  options.on_refused = [this](const PeerCredentials& peer) {
    plane_->telemetry().tell(
        OperatorNotice::Level::Warning, "peer_refused", {}, ErrorCode::PermissionDenied,
        "a process of user " + std::to_string(peer.uid) + " may not use the socket");
  };
  auto server = GrpcServer::start(std::move(options));
  if (!server) return tl::unexpected(std::move(server.error()));
  grpc_ = std::move(*server);
  return {};
}

Result<void> Daemon::listen_http() {
  HttpServer::Sources sources;
  sources.clock = &plane_->clock();
  sources.hub = &plane_->hub();
  sources.metrics = [this] { return plane_->metrics_text(); };
  sources.alive = [this] { return plane_->alive(); };
  sources.listings = [this] { return plane_->listings(); };
  auto http = HttpServer::start({plane_->config().http.host, plane_->config().http.port},
                                std::move(sources));
  if (!http) return tl::unexpected(std::move(http.error()));
  http_ = std::move(*http);
  const std::string text = http_->address() + "\n";
  auto written =
      write_atomically(plane_->files(), plane_->config().state_dir, kHttpAddressFile, text);
  if (!written && !written.error().unknown) return tl::unexpected(written.error().error);
  return {};
}

void Daemon::announce() {
  const auto state = plane_->hub().state();
  std::string grpc;
  for (const std::string& address : grpc_->addresses()) grpc += (grpc.empty() ? "" : ",") + address;
  const std::string http = http_ ? "http://" + http_->address() : "off";
  logger_.info("serving", {{"grpc", grpc},
                           {"http", http},
                           {"state_dir", plane_->config().state_dir},
                           {"cluster", plane_->config().cluster},
                           {"providers", plane_->registry().view()->providers.size()},
                           {"revision", plane_->registry().view()->revision.value()},
                           {"epoch", std::to_string(state->epoch.value())},
                           {"took_ms", to_ms(plane_->clock().now() - plane_->started())}});
  std::printf("rollcalld serves grpc %s http %s state %s\n", grpc.c_str(), http.c_str(),
              plane_->config().state_dir.c_str());
  std::fflush(stdout);
  notify_service_manager("READY=1");
}

void Daemon::run() {
  while (true) {
    switch (signals_.wait(kIdle)) {
      case SignalWaiter::What::Terminate:
        return drain(/*linger=*/false);
      case SignalWaiter::What::Reload:
        begin_reload();
        break;
      case SignalWaiter::What::Woken:
        if (drain_asked_) return drain(/*linger=*/true);
        if (!reloading_ && std::exchange(reload_again_, false)) begin_reload();
        break;
      case SignalWaiter::What::Nothing:
        break;
    }
  }
}

// --- reload -------------------------------------------------------------------------------------

void Daemon::begin_reload() {
  if (reloading_) {
    reload_again_ = true;  // one more afterwards, however many signals come
    return;
  }
  if (reloader_.joinable()) reloader_.join();
  reloading_ = true;
  try {
    reloader_ = std::thread([this] {
      tell_reload(reload());
      reloading_ = false;
      signals_.wake();
    });
  } catch (const std::system_error& e) {
    reloading_ = false;
    tell_reload(fail(ErrorCode::LimitExceeded,
                     std::string("no thread for it (send SIGHUP again): ") + e.what()));
  }
}

Result<void> Daemon::reload() {
  auto wanted = load_from(line_, plane_->files(), &plane_->validator());
  if (!wanted) return tl::unexpected(std::move(wanted.error()));
  return plane_->reload(std::move(*wanted));
}

void Daemon::tell_reload(const Result<void>& done) {
  plane_->metrics().reloaded(done.has_value());
  if (done) {
    plane_->telemetry().tell(OperatorNotice::Level::Info, "reloaded", {}, std::nullopt,
                             "the configuration is in effect");
    return;
  }
  std::string message = "the old configuration stays: " + done.error().message;
  std::size_t told = 0;  // `rollcalld --check-config` names them all
  for (const Problem& p : done.error().problems) {
    if (told++ == limits::kMaxDetailProblems) break;
    message += "; " + p.field + ": " + p.value + ", expected " + p.expected;
  }
  plane_->telemetry().tell(OperatorNotice::Level::Error, "reload_refused", {}, done.error().code,
                           std::move(message));
}

// --- the end ------------------------------------------------------------------------------------

// Everybody is told, everybody gets everything, streams end in order, the disk has the last word.
void Daemon::drain(bool linger) {
  const Duration whole = drain_deadline_;
  const MonoTime began = plane_->clock().now();
  // A tenth of the time is kept for the kernel's part of the end.
  watchdog_.arm(whole * 9 / 10);
  notify_service_manager("STOPPING=1");
  logger_.info("draining", {{"by", linger ? "operator" : "signal"}});
  grpc_->set_serving(false);
  // Others hear that this node leaves while the consumers here get what there is to get.
  const Duration withdraw = std::min<Duration>(limits::kAnnounceWithdraw, whole / 2);
  if (Announcing* announcing = plane_->announcing()) announcing->begin_drain(began + withdraw);
  plane_->leave_fleet();
  (void)plane_->service().ask(input::Drain{}, kAnswer);
  wait_for_consumers(linger, began + whole * kConsumersShare / 100);
  if (Announcing* announcing = plane_->announcing()) announcing->stop();
  if (!plane_->service().flush_state(kAnswer)) {
    plane_->telemetry().tell(OperatorNotice::Level::Error, "state_not_written", {},
                             ErrorCode::StoreIo, "the disk does not answer: ending without it");
  }
  plane_->hub().close();
  admin_->close();
  grpc_->stop(kAnswer);
  if (http_) http_->stop();
  plane_->service().stop();
  (void)plane_->service().streams_ended(limits::kStreamStopDeadline);
  logger_.info("drained", {{"took_ms", to_ms(plane_->clock().now() - began)}});
}

bool Daemon::left_threads_behind() const {
  ProvisioningService& service = plane_->service();
  // In this order: once all streams have ended, those that were abandoned are counted.
  return !service.streams_ended(Duration::zero()) || service.abandoned_streams() > 0 ||
         !service.state_written() || reloading_ || plane_->validator().checks_under_way() > 0;
}

// An operator's Drain lingers, so that new subscribers too find the last topology; a signal waits
// only for those who are there.
void Daemon::wait_for_consumers(bool linger, MonoTime deadline) {
  while (plane_->clock().now() < deadline) {
    if (!linger && consumers_have_everything()) return;
    if (signals_.wait(kLook) == SignalWaiter::What::Terminate) linger = false;
  }
}

bool Daemon::consumers_have_everything() const {
  const SeqNo head = plane_->hub().head();
  const auto consumers = plane_->hub().consumers();
  return std::all_of(consumers.begin(), consumers.end(), [&](const ConsumerStatus& c) {
    return !c.open || c.stalled ||
           (c.position >= head && (!c.acknowledges || c.acknowledged >= head));
  });
}

}  // namespace rollcall
