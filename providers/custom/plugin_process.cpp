#include "providers/custom/plugin_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "providers/custom/limits.h"

namespace rollcall {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

// /tmp whatever TMPDIR says: a socket's path has 107 bytes.
constexpr const char* kDirectoryTemplate = "/tmp/rollcall-plugin-XXXXXX";
constexpr std::string_view kSocketMark = "{socket}";

tl::unexpected<ProvisioningError> no_room(std::string_view what) {
  return fail(ErrorCode::BackendUnavailable, "no " + std::string(what) + " for the plug-in: " +
                                                 std::generic_category().message(errno));
}

void raise_flag(int fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
}

std::string with_socket(std::string text, const std::string& socket) {
  for (auto at = text.find(kSocketMark); at != std::string::npos; at = text.find(kSocketMark, at)) {
    text.replace(at, kSocketMark.size(), socket);
    at += socket.size();
  }
  return text;
}

SpawnRequest request_for(const PluginSettings& settings, const std::string& directory,
                         const std::string& socket) {
  SpawnRequest request;
  request.argv.push_back(settings.command);
  for (const std::string& argument : settings.arguments) {
    request.argv.push_back(with_socket(argument, socket));
  }
  std::map<std::string, std::string> environment = {
      {"PATH", "/usr/local/bin:/usr/bin:/bin"},
      {"LANG", "C.UTF-8"},
      {"HOME", directory},
      {"TMPDIR", directory},
  };
  for (const auto& [name, value] : settings.env) environment[name] = value;
  environment["ROLLCALL_PLUGIN_SOCKET"] = socket;
  environment["ROLLCALL_PLUGIN_PROTOCOL"] = std::to_string(limits::kPluginProtocolVersion);
  for (const auto& [name, value] : environment) {
    std::string entry = name;
    entry.append("=").append(value);
    request.environment.push_back(std::move(entry));
  }
  return request;
}

std::string description(const siginfo_t& end) {
  if (end.si_code == CLD_EXITED) return "exited with status " + std::to_string(end.si_status);
  return "was killed by signal " + std::to_string(end.si_status);
}

}  // namespace

Result<std::unique_ptr<PluginProcess>> PluginProcess::start(const PluginSettings& settings) {
  if (settings.left && settings.left->collect() >= limits::kMaxLeftPlugins) {
    return fail(ErrorCode::BackendUnavailable,
                std::to_string(limits::kMaxLeftPlugins) +
                    " plug-ins that were killed are still there: look at what they wait for");
  }
  std::unique_ptr<PluginProcess> process(new PluginProcess());
  process->left_ = settings.left;
  if (auto ready = process->prepare(); !ready) return tl::unexpected(std::move(ready.error()));
  SpawnRequest request = request_for(settings, process->directory_, process->socket_);
  request.input = process->input_.get();
  request.output = process->child_output_.get();
  std::promise<Result<void>> promise;
  auto started = promise.get_future();
  try {
    process->thread_ = std::thread([self = process.get(), request = std::move(request),
                                    promise = std::move(promise)]() mutable {
      self->run(std::move(request), std::move(promise));
    });
  } catch (const std::system_error& e) {
    return fail(ErrorCode::BackendUnavailable,
                std::string("no thread for the plug-in: ") + e.what());
  }
  if (auto result = started.get(); !result) return tl::unexpected(std::move(result.error()));
  // Its ends of the pipes are its own now: what is read ends when it does.
  process->input_.reset();
  process->child_output_.reset();
  return process;
}

Result<void> PluginProcess::prepare() {
  stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  ended_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_ || !ended_) return no_room("descriptors");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return no_room("pipe");
  input_ = UniqueFd(ends[0]);
  lifeline_ = UniqueFd(ends[1]);
  if (::pipe2(ends, O_CLOEXEC) != 0) return no_room("pipe");
  output_pipe_ = UniqueFd(ends[0]);
  child_output_ = UniqueFd(ends[1]);
  ::fcntl(output_pipe_.get(), F_SETFL, O_NONBLOCK);  // this end only
  std::string name = kDirectoryTemplate;
  if (::mkdtemp(name.data()) == nullptr) return no_room("directory");  // 0700
  directory_ = name;
  socket_ = directory_ + "/plugin.sock";
  return {};
}

PluginProcess::~PluginProcess() {
  stop();
  std::error_code ignored;  // it may have put anything there; what can't be removed stays private
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

bool PluginProcess::stop() {
  if (thread_.joinable()) {
    raise_flag(stop_.get());
    thread_.join();
  }
  const std::lock_guard lock(mutex_);
  return !killed_;
}

std::optional<std::string> PluginProcess::how_it_ended() const {
  const std::lock_guard lock(mutex_);
  return how_it_ended_;
}

void PluginProcess::run(SpawnRequest request, std::promise<Result<void>> started) {
  auto child = spawn(request);
  if (!child) {
    started.set_value(tl::unexpected(std::move(child.error())));
    return;
  }
  started.set_value({});
  supervise(*child);
}

void PluginProcess::supervise(const Spawned& child) {
  const auto stopped = [&] {
    pollfd fd{stop_.get(), POLLIN, 0};
    return ::poll(&fd, 1, 0) > 0;
  };
  while (!stopped()) {
    if (wait_end(child, milliseconds(60'000))) {
      collect(child);
      return;
    }
  }
  ::kill(-child.pid, SIGTERM);
  ::kill(-child.pid, SIGCONT);  // a stopped one may end in order too
  if (!wait_end(child, limits::kPluginTermGrace)) {
    {
      const std::lock_guard lock(mutex_);
      killed_ = true;
    }
    ::kill(-child.pid, SIGKILL);
    ::kill(child.pid, SIGKILL);  // if it left its own group
    if (!wait_end(child, limits::kPluginKillGrace)) {
      if (left_) left_->add(child.pid);
      return;
    }
  }
  collect(child);
}

bool PluginProcess::wait_end(const Spawned& child, milliseconds at_most) {
  const auto deadline = Steady::now() + at_most;
  pollfd stop{stop_.get(), POLLIN, 0};
  const bool stopping = ::poll(&stop, 1, 0) > 0;
  auto output_from = Steady::now();  // after a portion, output has to wait
  while (true) {
    const auto now = Steady::now();
    if (now >= deadline) return false;
    const bool listen = output_pipe_ && now >= output_from;
    const auto until = output_pipe_ && !listen ? std::min(deadline, output_from) : deadline;
    const auto left = std::chrono::ceil<milliseconds>(until - now);
    std::array<pollfd, 3> fds{{{child.pidfd.get(), POLLIN, 0},
                               {listen ? output_pipe_.get() : -1, POLLIN, 0},
                               {stopping ? -1 : stop_.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), static_cast<int>(left.count()));
    if (fds[0].revents != 0) return true;
    if (fds[2].revents != 0) return false;
    if (fds[1].revents != 0) {
      if (!take_output()) output_pipe_.reset();
      output_from = Steady::now() + limits::kPluginOutputPause;
    }
  }
}

// False: nothing more will come.
bool PluginProcess::take_output() {
  std::array<char, limits::kPluginOutputReadBytes> bytes;
  const ssize_t got = ::read(output_pipe_.get(), bytes.data(), bytes.size());
  if (got > 0) output_.add({bytes.data(), static_cast<std::size_t>(got)});
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void PluginProcess::collect(const Spawned& child) {
  // Not collected yet, so that its number, which is its group's too, can't be another's.
  ::kill(-child.pid, SIGKILL);
  siginfo_t end{};
  while (::waitid(P_PID, static_cast<id_t>(child.pid), &end, WEXITED) != 0 && errno == EINTR) {
  }
  // What it said last matters most.
  if (output_pipe_) take_output();
  output_.finish();
  {
    const std::lock_guard lock(mutex_);
    how_it_ended_ = description(end);
  }
  raise_flag(ended_.get());
}

}  // namespace rollcall
