// What a system does to a sidecar in its worst hour. A rollcalld that is started with this library
// in LD_PRELOAD gets it, by these variables:
//
//   HOSTILE_STALL_FSYNC=NAME  fsync of a file of that name never returns: a disk that is gone
//   HOSTILE_NO_THREADS=PATH   while this file is there, no thread can be started: RLIMIT_NPROC
//   HOSTILE_STDERR=PATH       standard error is this FIFO
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

std::string_view setting(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_file_of_name(int fd, std::string_view name) {
  std::array<char, 32> link{};
  std::array<char, 4096> path{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link.data(), path.data(), path.size());
  if (size <= 0) return false;
  const std::string_view found(path.data(), static_cast<std::size_t>(size));
  return found.substr(found.rfind('/') + 1) == name;
}

[[gnu::constructor]] void redirect_stderr() {
  const std::string_view path = setting("HOSTILE_STDERR");
  if (path.empty()) return;
  const int fd = ::open(path.data(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::dup2(fd, STDERR_FILENO) < 0) std::abort();
}

}  // namespace

extern "C" int fsync(int fd) {
  const std::string_view stalled = setting("HOSTILE_STALL_FSYNC");
  while (!stalled.empty() && is_file_of_name(fd, stalled)) ::pause();
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*run)(void*), void* argument) noexcept {
  const std::string_view refused = setting("HOSTILE_NO_THREADS");
  if (!refused.empty() && ::access(refused.data(), F_OK) == 0) return EAGAIN;
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  return real(thread, attributes, run, argument);
}
