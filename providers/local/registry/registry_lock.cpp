#include "providers/local/registry/registry_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/text.h"
#include "providers/local/registry/private_files.h"
#include "providers/local/registry/process_identity.h"

namespace rollcall {
namespace {

constexpr std::string_view kHolderBegins = "process ";

// Right after the failed call: it reads errno.
tl::unexpected<ProvisioningError> lock_error(std::string_view call, const std::string& path) {
  const int error = errno;
  const bool denied = error == EACCES || error == EPERM || error == ELOOP || error == EROFS;
  return fail(denied ? ErrorCode::PermissionDenied : ErrorCode::StoreIo,
              path + ": " + std::string(call) + ": " + std::generic_category().message(error));
}

// For people only, and gone with the lock; that it can't be written (no space) hinders nobody.
void write_holder(int fd, std::string_view text) {
  if (::ftruncate(fd, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = ::pwrite(fd, text.data(), text.size(), 0);
}

std::string own_name() {
  return std::string(kHolderBegins) + std::to_string(::getpid()) + " (" +
         printable(program_invocation_short_name, 64) + ")";
}

// "process 4711 (node), which is stopped".
std::string holder(int fd) {
  std::array<char, limits::kMaxHolderBytes> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  const std::string_view found(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  if (!found.starts_with(kHolderBegins)) return "another process";
  std::int64_t pid = 0;
  const std::string_view number = found.substr(kHolderBegins.size());
  std::from_chars(number.data(), number.data() + number.size(), pid);
  const auto stat = read_process_stat(pid);
  return printable(found, limits::kMaxHolderBytes) +
         (stat && stat->stopped() ? ", which is stopped (kill -CONT lets it go on)" : "");
}

// Whether `fd` is still what the path leads to.
bool is_current(int fd, const std::string& path) {
  struct stat held {};
  struct stat named {};
  return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

// flock() until it succeeds or may not be waited for any longer.
Result<void> wait_for_lock(int fd, const std::string& path, const Clock& clock, MonoTime deadline,
                           const LockWait& wait) {
  Duration step = limits::kLockTryFirst;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return lock_error("flock", path);
    if (wait.cancelled && wait.cancelled()) return fail(ErrorCode::ShuttingDown, "cancelled");
    const Duration left = deadline - clock.now();
    if (left <= Duration::zero()) {
      return fail(ErrorCode::Timeout, path + ": held by " + holder(fd));
    }
    pause_for(std::min(step, left));
    step = std::min<Duration>(2 * step, limits::kLockTryMax);
  }
  return {};
}

}  // namespace

void pause_for(Duration duration) {
  const auto ms = (duration.count() + 999'999) / 1'000'000;
  ::poll(nullptr, 0, static_cast<int>(std::clamp<std::int64_t>(ms, 1, 1000)));
}

RegistryLock::RegistryLock(RegistryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

RegistryLock::~RegistryLock() {
  if (fd_ < 0) return;
  write_holder(fd_, "");
  ::flock(fd_, LOCK_UN);
  ::close(fd_);
}

Result<RegistryLock> RegistryLock::acquire(const std::string& path, const Clock& clock,
                                           const LockWait& wait) {
  const MonoTime deadline = clock.now() + wait.at_most;
  while (true) {
    const int fd =
        ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0 && errno == EINTR) continue;
    if (fd < 0) return lock_error("open", path);
    RegistryLock lock(fd);
    auto ready = check_private_descriptor(fd, path);
    if (ready) ready = wait_for_lock(fd, path, clock, deadline, wait);
    if (ready && is_current(fd, path)) {
      write_holder(fd, own_name());
      return lock;
    }
    // Not ours: another process's name must stay in the file.
    ::close(std::exchange(lock.fd_, -1));
    if (!ready) return tl::unexpected(std::move(ready.error()));
    if (clock.now() >= deadline) {
      return fail(ErrorCode::Timeout, path + ": replaced again and again by another process");
    }
  }
}

}  // namespace rollcall
