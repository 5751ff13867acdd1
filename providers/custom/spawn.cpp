#include "providers/custom/spawn.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <system_error>

namespace rollcall {
namespace {

constexpr int kReportFd = 3;      // in the child, until execve() closes it
constexpr int kFirstSafeFd = 10;  // the caller's descriptors are moved above what the child fills

std::string error_text(int error) { return std::generic_category().message(error); }

// What the child needs, made before the fork.
struct Image {
  std::vector<char*> argv;
  std::vector<char*> envp;
  UniqueFd input;
  UniqueFd output;
  UniqueFd report;
  pid_t parent = -1;
};

UniqueFd moved_up(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, kFirstSafeFd)); }

void default_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Before Linux 5.9 there is no close_range().
void close_from(unsigned first) {
  if (::close_range(first, UINT_MAX, 0) == 0) return;
  const long limit = ::sysconf(_SC_OPEN_MAX);
  for (long fd = first; fd < limit; ++fd) ::close(static_cast<int>(fd));
}

// Only async-signal-safe calls from here to execve().
[[noreturn]] void become(const Image& image) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::setpgid(0, 0);
  ::umask(077);
  const bool ready = ::getppid() == image.parent &&  // it may have died before the prctl()
                     ::dup2(image.input.get(), 0) >= 0 && ::dup2(image.output.get(), 1) >= 0 &&
                     ::dup2(image.output.get(), 2) >= 0 &&
                     ::dup3(image.report.get(), kReportFd, O_CLOEXEC) >= 0 && ::chdir("/") == 0;
  if (!ready) ::_exit(127);
  close_from(kReportFd + 1);
  default_signals();
  ::execve(image.argv[0], image.argv.data(), image.envp.data());
  const int error = errno;
  const ssize_t written = ::write(kReportFd, &error, sizeof error);
  ::_exit(written == static_cast<ssize_t>(sizeof error) ? 127 : 126);
}

// Refused before it is tried: a program that anybody could have put there.
Result<void> check_program(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const ErrorCode code = errno == EACCES ? ErrorCode::PermissionDenied : ErrorCode::InvalidConfig;
    return fail(code, "the command " + path + ": " + error_text(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorCode::InvalidConfig, "the command " + path + " is no file");
  }
  if ((info.st_mode & S_IWOTH) != 0) {
    return fail(ErrorCode::PermissionDenied,
                "the command " + path + " may be written by everybody, and is not started");
  }
  return {};
}

tl::unexpected<ProvisioningError> spawn_error(const std::string& path, int error) {
  const bool denied = error == EACCES || error == EPERM;
  const bool shortage = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
  const ErrorCode code = denied     ? ErrorCode::PermissionDenied
                         : shortage ? ErrorCode::BackendUnavailable
                                    : ErrorCode::InvalidConfig;
  return fail(code, "the command " + path + " can't be started: " + error_text(error));
}

// Blocks all signals of this thread while it lives: a handler must not run in the child, where it
// would share descriptors with this process.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

// What execve() said: 0 when the pipe was closed by its success.
int read_report(int fd) {
  int error = 0;
  ssize_t got = 0;
  do {
    got = ::read(fd, &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof error) ? error : 0;
}

void end_now(pid_t pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<Spawned> spawn(const SpawnRequest& request) {
  const std::string& path = request.argv.front();
  if (auto good = check_program(path); !good) return tl::unexpected(std::move(good.error()));
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return spawn_error(path, errno);
  const UniqueFd from_child(report[0]);
  UniqueFd to_parent(report[1]);
  Image image;
  // execve() takes char* for history's sake and changes nothing.
  for (const auto& argument : request.argv)
    image.argv.push_back(const_cast<char*>(argument.c_str()));
  for (const auto& entry : request.environment) {
    image.envp.push_back(const_cast<char*>(entry.c_str()));
  }
  image.argv.push_back(nullptr);
  image.envp.push_back(nullptr);
  image.input = moved_up(request.input);
  image.output = moved_up(request.output);
  image.report = moved_up(to_parent.get());
  if (!image.input || !image.output || !image.report) return spawn_error(path, errno);
  image.parent = ::getpid();
  pid_t pid = -1;
  {
    const SignalsBlocked blocked;
    pid = ::fork();
    if (pid == 0) become(image);
  }
  if (pid < 0) return spawn_error(path, errno);
  to_parent.reset();
  image.report.reset();
  if (const int error = read_report(from_child.get()); error != 0) {
    end_now(pid);
    return spawn_error(path, error);
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int error = errno;
    end_now(pid);
    return spawn_error(path, error);
  }
  return Spawned{pid, std::move(pidfd)};
}

}  // namespace rollcall
