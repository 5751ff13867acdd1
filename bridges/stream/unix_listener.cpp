#include "bridges/stream/unix_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace rollcall {
namespace {

constexpr int kBacklog = 128;
// Out of descriptors: accept() would fail at once again and again.
constexpr int kPauseMs = 100;

tl::unexpected<ProvisioningError> bad(const std::string& path, std::string message,
                                      std::string expected) {
  return fail(ErrorCode::InvalidConfig, std::move(message),
              {{"grpc.listen", "unix:" + path, std::move(expected)}});
}

std::string reason(int error) { return std::strerror(error); }

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return bad(path, "the path of the Unix socket cannot be used",
               "at most " + std::to_string(sizeof(address.sun_path) - 1) +
                   " bytes (a limit of the system); choose a shorter state directory or set "
                   "grpc.listen");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int bind_with_mode(int fd, const sockaddr_un& address, mode_t mode) {
  // The umask belongs to the whole process; for this moment it only takes rights away from others.
  const mode_t before = ::umask(static_cast<mode_t>(~mode & 0777));
  const int result = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  ::umask(before);
  errno = error;
  return result;
}

// Whether the file at the address is a socket on which nobody listens any more.
bool is_stale(const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(address.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  ::close(fd);
  return result != 0 && error == ECONNREFUSED;
}

Result<void> bind_replacing_stale(int fd, const std::string& path, mode_t mode) {
  const auto address = address_of(path);
  if (!address) return tl::unexpected(address.error());
  if (bind_with_mode(fd, *address, mode) == 0) return {};
  if (errno == EADDRINUSE) {
    if (!is_stale(*address)) {
      return bad(path, "the Unix socket is in use",
                 "a path at which no other process listens and no other file is");
    }
    ::unlink(address->sun_path);
    if (bind_with_mode(fd, *address, mode) == 0) return {};
  }
  return bad(path, "cannot create the Unix socket: " + reason(errno),
             "a path in a directory that this process may write to");
}

}  // namespace

Result<std::unique_ptr<UnixListener>> UnixListener::bind(Options options) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return fail(ErrorCode::LimitExceeded, "cannot create a socket: " + reason(errno));
  }
  if (auto bound = bind_replacing_stale(fd, options.path, options.mode); !bound) {
    ::close(fd);
    return tl::unexpected(bound.error());
  }
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0 || ::listen(fd, kBacklog) != 0) {
    const std::string why = reason(errno);
    ::close(fd);
    if (wake_fd >= 0) ::close(wake_fd);
    ::unlink(options.path.c_str());
    return fail(ErrorCode::LimitExceeded, "cannot listen on " + options.path + ": " + why);
  }
  return std::unique_ptr<UnixListener>(new UnixListener(std::move(options), fd, wake_fd));
}

UnixListener::UnixListener(Options options, int fd, int wake_fd)
    : options_(std::move(options)), fd_(fd), wake_fd_(wake_fd) {
  struct stat info {};
  if (::lstat(options_.path.c_str(), &info) == 0) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
}

UnixListener::~UnixListener() {
  stop();
  ::close(fd_);
  ::close(wake_fd_);
}

void UnixListener::start(OnConnection on_connection, OnRefused on_refused) {
  on_connection_ = std::move(on_connection);
  on_refused_ = std::move(on_refused);
  thread_ = std::thread([this] { run(); });
}

void UnixListener::stop() {
  if (stopping_.exchange(true)) return;
  const std::uint64_t one = 1;
  // An eventfd that is full already is readable too.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
  struct stat info {};
  if (::lstat(options_.path.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    ::unlink(options_.path.c_str());
  }
}

void UnixListener::run() {
  std::array<pollfd, 2> fds{pollfd{fd_, POLLIN, 0}, pollfd{wake_fd_, POLLIN, 0}};
  while (!stopping_.load()) {
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
    if ((fds[0].revents & POLLIN) != 0 && !stopping_.load()) accept_one();
  }
}

void UnixListener::accept_one() {
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pollfd stop{wake_fd_, POLLIN, 0};
      ::poll(&stop, 1, kPauseMs);
    }
    return;
  }
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0;
  const PeerCredentials peer{credentials.pid, credentials.uid, credentials.gid};
  if (!known || !admitted(peer)) {
    ::close(fd);
    if (on_refused_) on_refused_(peer);
    return;
  }
  on_connection_(fd);
}

bool UnixListener::admitted(const PeerCredentials& peer) const {
  if (options_.admits) return options_.admits(peer);
  if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
  if ((options_.mode & S_IWOTH) != 0) return true;
  return (options_.mode & S_IWGRP) != 0 && peer.gid == ::getegid();
}

}  // namespace rollcall
