#include "providers/custom/plugin_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "providers/custom/limits.h"

namespace rollcall {
namespace {

bool is_trusted(uid_t user) { return user == ::geteuid() || user == 0; }

tl::unexpected<ProvisioningError> system_failure(const std::string& path, int error) {
  const bool denied = error == EACCES || error == EPERM;
  return fail(denied ? ErrorCode::PermissionDenied : ErrorCode::BackendUnavailable,
              path + ": " + std::generic_category().message(error));
}

Result<void> check_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return system_failure(path, errno);
  if (!S_ISSOCK(info.st_mode)) return fail(ErrorCode::InvalidConfig, path + " is no socket");
  if (!is_trusted(info.st_uid)) {
    return fail(ErrorCode::PermissionDenied, path + " belongs to user " +
                                                 std::to_string(info.st_uid) +
                                                 "; only Rollcall's own user and root are trusted");
  }
  if ((info.st_mode & S_IWOTH) != 0) {
    return fail(ErrorCode::PermissionDenied,
                path + " may be written by everybody; chmod it to 0600 or 0660");
  }
  return {};
}

// Who listens: the file may have been replaced since it was looked at.
Result<void> check_peer(int fd, const std::string& path) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return system_failure(path, errno);
  }
  if (is_trusted(peer.uid)) return {};
  return fail(ErrorCode::PermissionDenied, path + " is served by user " + std::to_string(peer.uid) +
                                               "; only Rollcall's own user and root are trusted");
}

}  // namespace

Result<UniqueFd> connect_plugin(const std::string& path) {
  if (auto good = check_file(path); !good) return tl::unexpected(std::move(good.error()));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() > limits::kMaxPluginSocketPath) {
    return fail(ErrorCode::InvalidConfig, path + " is longer than 107 bytes");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_failure(path, errno);
  // On a Unix socket this is done or refused at once; EAGAIN: the listener's queue is full.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return system_failure(path, errno);
  }
  if (auto good = check_peer(fd.get(), path); !good) return tl::unexpected(std::move(good.error()));
  return fd;
}

}  // namespace rollcall
