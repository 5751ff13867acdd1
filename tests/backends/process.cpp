#include "tests/backends/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace rollcall::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStopLimit{5'000};
constexpr milliseconds kKillLimit{
    10'000};  // a killed process ends at once, unless the kernel is in trouble

// All that the child needs between fork and exec, made before the fork: only async-signal-safe
// calls follow it.
struct Image {
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
  int in = -1;
  int out = -1;
  std::string directory;

  ~Image() {
    if (in >= 0) ::close(in);
    if (out >= 0) ::close(out);
  }
};

void fill_image(const Process::Options& options, Image& image) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto name = text.substr(0, text.find('='));
    const bool replaced = std::ranges::any_of(
        options.environment, [&](const auto& added) { return added.first == name; });
    if (!replaced) image.environment.emplace_back(text);
  }
  for (const auto& [name, value] : options.environment) {
    image.environment.push_back(name + "=" + value);
  }
  for (const auto& argument : options.argv) {
    image.argv.push_back(const_cast<char*>(argument.c_str()));  // execve takes char* for history
  }
  image.argv.push_back(nullptr);
  for (auto& entry : image.environment) image.envp.push_back(entry.data());
  image.envp.push_back(nullptr);
  const std::string in = options.input.empty() ? "/dev/null" : options.input.string();
  image.in = ::open(in.c_str(), O_RDONLY | O_CLOEXEC);
  const std::string out = options.output.empty() ? "/dev/null" : options.output.string();
  image.out = ::open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  image.directory = options.directory.string();
}

[[noreturn]] void become(const Image& image, pid_t parent, int report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const bool ready = ::getppid() == parent && ::dup2(image.in, 0) >= 0 &&
                     ::dup2(image.out, 1) >= 0 && ::dup2(image.out, 2) >= 0 &&
                     (image.directory.empty() || ::chdir(image.directory.c_str()) == 0);
  if (ready) ::execve(image.argv[0], image.argv.data(), image.envp.data());
  const int error = errno;
  if (::write(report, &error, sizeof error) < 0) ::_exit(126);
  ::_exit(127);
}

int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

}  // namespace

Process::Process(pid_t pid, int pidfd, std::filesystem::path output)
    : pid_(pid), pidfd_(pidfd), output_(std::move(output)) {}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::exchange(other.pidfd_, -1)),
      exit_(other.exit_),
      output_(std::move(other.output_)) {}

Process& Process::operator=(Process&& other) noexcept {
  Process old(std::move(*this));  // ends with this function
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::exchange(other.pidfd_, -1);
  exit_ = other.exit_;
  output_ = std::move(other.output_);
  return *this;
}

Process::~Process() {
  kill();
  if (pidfd_ >= 0) ::close(pidfd_);
}

Outcome<Process> Process::start(const Options& options) {
  if (options.argv.empty()) return tl::unexpected(std::string("no program to start"));
  Image image;
  fill_image(options, image);
  if (image.in < 0 || image.out < 0) {
    return tl::unexpected("cannot open the input or output of " + options.argv.front());
  }
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return tl::unexpected(std::string("no pipe"));
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(image, parent, report[1]);
  ::close(report[1]);
  int error = pid < 0 ? errno : 0;
  // The pipe closes by itself when exec has succeeded.
  if (pid > 0 && ::read(report[0], &error, sizeof error) < 0) error = errno;
  ::close(report[0]);
  if (error == 0) return Process(pid, pidfd_open(pid), options.output);
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  return tl::unexpected("cannot start " + options.argv.front() + ": " + std::strerror(error));
}

bool Process::signal(int number) { return running() && ::kill(pid_, number) == 0; }

bool Process::pause() {
  if (!signal(SIGSTOP)) return false;
  return eventually(kStopLimit, [this] {
    siginfo_t info{};  // the stop alone is collected here; an exit is left to wait()
    const int flags = WSTOPPED | WNOHANG;
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, flags) == 0 && info.si_pid == pid_;
  });
}

bool Process::resume() { return signal(SIGCONT); }

std::optional<Exit> Process::wait(milliseconds limit) {
  if (pid_ < 0 || exit_) return exit_;
  pollfd ended{pidfd_, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&ended, 1, static_cast<int>(limit.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return std::nullopt;
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) return std::nullopt;
  exit_ = WIFSIGNALED(status) ? Exit{0, WTERMSIG(status)} : Exit{WEXITSTATUS(status), 0};
  return exit_;
}

bool Process::running() { return pid_ > 0 && !wait(milliseconds(0)); }

void Process::kill() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  wait(kKillLimit);
}

std::string Process::output_tail(std::size_t bytes) const {
  std::string text = output_.empty() ? std::string{} : read_file(output_);
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

Outcome<Finished> run(std::vector<std::string> argv, milliseconds limit, std::string_view input) {
  const TempDir dir;
  Process::Options options{.argv = std::move(argv),
                           .environment = {},
                           .output = dir / "output",
                           .input = dir / "input",
                           .directory = {}};
  write_file(options.input, input);
  auto process = Process::start(options);
  if (!process) return tl::unexpected(process.error());
  const auto exit = process->wait(limit);
  if (!exit) {
    return tl::unexpected(options.argv.front() + " still ran after " +
                          std::to_string(limit.count()) + " ms:\n" + process->output_tail());
  }
  return Finished{*exit, read_file(options.output)};
}

}  // namespace rollcall::test
