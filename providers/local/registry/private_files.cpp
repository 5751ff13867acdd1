#include "providers/local/registry/private_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "core/recovery.h"

namespace rollcall {
namespace {

struct Wanted {
  std::string_view what;
  mode_t type;
  mode_t mode;
};
constexpr Wanted kDirectory = {"directory", S_IFDIR, 0700};
constexpr Wanted kFile = {"regular file", S_IFREG, 0600};

std::string octal(mode_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode));
  return text.data();
}

// Right after the failed call: it reads errno.
tl::unexpected<ProvisioningError> stat_error(const std::string& path) {
  const int error = errno;
  const ErrorCode code = error == ENOENT   ? ErrorCode::NotFound
                         : error == EACCES ? ErrorCode::PermissionDenied
                                           : ErrorCode::StoreIo;
  return fail(code, path + ": " + std::generic_category().message(error));
}

Result<void> check(const struct stat& found, const std::string& path, const Wanted& wanted) {
  if ((found.st_mode & S_IFMT) != wanted.type) {
    return fail(ErrorCode::PermissionDenied,
                path + ": it is no " + std::string(wanted.what) +
                    ((found.st_mode & S_IFMT) == S_IFLNK ? " but a symbolic link" : ""));
  }
  if (found.st_uid != ::geteuid()) {
    return fail(ErrorCode::PermissionDenied,
                path + ": it belongs to user " + std::to_string(found.st_uid) +
                    ", and this process is user " + std::to_string(::geteuid()) +
                    "; nodes, rollcall and rollcalld must be of one user");
  }
  const mode_t mode = found.st_mode & 0777;
  if ((mode & ~wanted.mode) != 0) {
    return fail(ErrorCode::PermissionDenied, path + ": its mode " + octal(mode) +
                                                 " lets others in; to repair: chmod " +
                                                 octal(wanted.mode) + " " + shell_quoted(path));
  }
  return {};
}

Result<void> check_path(const std::string& path, const Wanted& wanted) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return stat_error(path);
  return check(found, path, wanted);
}

}  // namespace

Result<void> check_private_directory(const std::string& path) {
  return check_path(path, kDirectory);
}

Result<void> check_private_file(const std::string& path) {
  auto checked = check_path(path, kFile);
  if (!checked && checked.error().code == ErrorCode::NotFound) return {};
  return checked;
}

Result<void> check_private_descriptor(int fd, const std::string& path) {
  struct stat found {};
  if (::fstat(fd, &found) != 0) return stat_error(path);
  return check(found, path, kFile);
}

}  // namespace rollcall
