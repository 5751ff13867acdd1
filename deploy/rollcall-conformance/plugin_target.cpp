#include "deploy/rollcall-conformance/plugin_target.h"

#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/codec/json_writer.h"
#include "providers/common/cancel.h"
#include "providers/custom/limits.h"
#include "providers/custom/plugin_socket.h"

namespace rollcall::conformance {
namespace {

constexpr std::chrono::seconds kStartWithin{30};
constexpr std::chrono::milliseconds kAskEvery{20};

std::string json_list(const std::vector<std::string>& command) {
  JsonWriter writer;
  writer.begin_array();
  for (std::size_t i = 1; i < command.size(); ++i) writer.string(command[i]);
  writer.end_array();
  auto text = std::move(writer).finish();
  return text ? *text : "[]";
}

std::size_t entries_of(const std::string& directory, std::error_code& error) {
  std::size_t count = 0;
  for (std::filesystem::directory_iterator entry(directory, error), end; entry != end && !error;
       entry.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

MonoTime SteadyClock::now() const {
  return MonoTime(std::chrono::steady_clock::now().time_since_epoch());
}

WallTime SteadyClock::wall_now() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

ProviderDescriptor PluginTarget::descriptor(const std::string& config) const {
  ProviderDescriptor d;
  d.id = ProviderId("conformance");
  d.kind = "custom";
  d.endpoints = {"unix:" + socket()};
  d.auth.token_file = options_.token_file;
  d.watch_params = {{"config", config},
                    {"attest_ms", std::to_string(options_.attest_ms)},
                    {"start_ms", std::to_string(std::chrono::milliseconds(kStartWithin).count())}};
  return d;
}

const std::string& PluginTarget::socket() const {
  return process_ ? process_->socket() : options_.socket;
}

Result<std::unique_ptr<PluginTarget>> PluginTarget::open(const TargetOptions& options) {
  std::unique_ptr<PluginTarget> target(new PluginTarget(options));
  ProviderDescriptor d = target->descriptor(options.config);
  if (!options.command.empty()) {
    d.endpoints.clear();
    d.watch_params["command"] = options.command.front();
    d.watch_params["args"] = json_list(options.command);
    d.watch_params["env"] = options.env;
  }
  for (const auto* config : {&options.empty_config, &options.broken_config}) {
    ProviderDescriptor other = d;
    if (*config) other.watch_params["config"] = **config;
    if (auto problems = validate_custom(other, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "the options", std::move(problems));
    }
  }
  target->settings_ = plugin_settings(d);
  if (target->settings_.supervised()) {
    auto process = PluginProcess::start(target->settings_);
    if (!process) return tl::unexpected(std::move(process.error()));
    target->process_ = std::move(*process);
  }
  if (auto there = target->await_socket(); !there) return tl::unexpected(std::move(there.error()));
  return target;
}

Result<void> PluginTarget::await_socket() const {
  const Cancel never;
  const MonoTime deadline = clock_.now() + Duration(kStartWithin);
  while (true) {
    auto connected = connect();
    if (connected) return {};
    const bool ended = process_ && process_->ended();
    if (!process_ || ended || clock_.now() >= deadline) {
      ProvisioningError error = std::move(connected.error());
      if (ended) error.message += "; the plug-in " + *process_->how_it_ended();
      if (process_) error.message += "; it wrote: " + process_->output_tail(1000);
      return tl::unexpected(std::move(error));
    }
    wait_for(process_->ended_fd(), POLLIN, clock_.now() + Duration(kAskEvery), clock_, never);
  }
}

Result<void> PluginTarget::restart() {
  const bool in_order = process_->stop();
  process_.reset();
  auto process = PluginProcess::start(settings_);
  if (!process) return tl::unexpected(std::move(process.error()));
  process_ = std::move(*process);
  if (auto there = await_socket(); !there) return there;
  if (in_order) return {};
  return fail(ErrorCode::Timeout, "SIGTERM did not end it within " +
                                      std::to_string(limits::kPluginTermGrace.count()) +
                                      " ms: it was killed");
}

Result<UniqueFd> PluginTarget::connect() const { return connect_plugin(socket()); }

Result<pid_t> PluginTarget::pid() const {
  auto fd = connect();
  if (!fd) return tl::unexpected(std::move(fd.error()));
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) {
    return fail(ErrorCode::BackendUnavailable, "the kernel does not tell who listens");
  }
  return peer.pid;
}

Result<PluginTarget::Held> PluginTarget::held() const {
  auto process = pid();
  if (!process) return tl::unexpected(std::move(process.error()));
  const std::string directory = "/proc/" + std::to_string(*process);
  std::error_code error;
  Held held;
  held.descriptors = entries_of(directory + "/fd", error);
  if (!error) held.threads = entries_of(directory + "/task", error);
  if (error) {
    return fail(ErrorCode::PermissionDenied, directory + " can't be read: " + error.message());
  }
  return held;
}

}  // namespace rollcall::conformance
