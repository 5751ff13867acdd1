#include "provisioning/registry/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "core/limits.h"
#include "core/recovery.h"
#include "core/text.h"

namespace rollcall {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
constexpr std::size_t kReadPieceBytes = 256u << 10;
constexpr std::size_t kMaxHolderBytes = 256;

// A descriptor that closes itself. Errors of close() matter only where nothing was fsynced, and
// everything that we write was.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

Descriptor open_file(const std::string& path, int flags, mode_t mode = 0) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

// Right after the failed call: it reads errno.
tl::unexpected<ProvisioningError> io_error(std::string_view call, const std::string& path) {
  const int error = errno;
  const ErrorCode code = error == ENOENT ? ErrorCode::NotFound : ErrorCode::StoreIo;
  return fail(code, path + ": " + std::string(call) + ": " +
                        std::error_code(error, std::generic_category()).message());
}

// Changing calls answer STORE_IO even where a part of the path is missing.
tl::unexpected<ProvisioningError> change_error(std::string_view call, const std::string& path) {
  auto error = io_error(call, path);
  error.value().code = ErrorCode::StoreIo;
  return error;
}

Result<void> write_all(int fd, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return change_error("write", path);
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::string> read_all(int fd, std::size_t max_bytes, const std::string& path) {
  std::string out;
  while (true) {
    const std::size_t before = out.size();
    // One byte beyond the limit tells a file that is too large from one that just fits.
    const std::size_t piece = std::min(kReadPieceBytes, max_bytes - before + 1);
    out.resize(before + piece);
    const ssize_t got = ::read(fd, out.data() + before, piece);
    if (got < 0 && errno == EINTR) {
      out.resize(before);
      continue;
    }
    if (got < 0) return change_error("read", path);
    out.resize(before + static_cast<std::size_t>(got));
    if (got == 0) return out;
    if (out.size() > max_bytes) {
      return fail(ErrorCode::LimitExceeded,
                  path + ": more than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

class PosixLock : public FileLock {
 public:
  explicit PosixLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;  // the file stays: removing it would let two processes lock two files
};

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// A directory that somebody else made, or left open to others.
Result<void> keep_private(const std::string& path) {
  const Descriptor opened = open_file(path, O_RDONLY | O_DIRECTORY);
  struct stat info {};
  if (!opened.valid() || ::fstat(opened.get(), &info) != 0) return change_error("open", path);
  if (info.st_uid != ::geteuid()) {
    if (::geteuid() == 0) return {};  // root reads and writes it anyway, and leaves it to its owner
    return fail(ErrorCode::StoreIo, path + ": it belongs to user " + std::to_string(info.st_uid) +
                                        ". To recover, as root: chown -R " +
                                        std::to_string(::geteuid()) + " " + shell_quoted(path));
  }
  if ((info.st_mode & S_ISVTX) != 0) {  // closing /tmp to everybody else would be a disaster
    return fail(ErrorCode::StoreIo, path +
                                        ": it is shared with other users (sticky); use a "
                                        "directory of its own, below it or elsewhere");
  }
  if ((info.st_mode & 07777) == kDirectoryMode) return {};
  if (::fchmod(opened.get(), kDirectoryMode) != 0) return change_error("chmod", path);
  return {};
}

bool is_regular(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

Result<std::string> PosixFileSystem::read(const std::string& path, std::size_t max_bytes) {
  // Not blocking: a FIFO in place of a file must not hang the start.
  const Descriptor file = open_file(path, O_RDONLY | O_NONBLOCK);
  if (!file.valid()) return io_error("open", path);
  if (!is_regular(file.get())) return fail(ErrorCode::StoreIo, path + ": not a regular file");
  return read_all(file.get(), max_bytes, path);
}

Result<void> PosixFileSystem::write_synced(const std::string& path, std::string_view data) {
  const Descriptor file =
      open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, kFileMode);
  if (!file.valid()) return change_error("open", path);
  if (!is_regular(file.get())) return fail(ErrorCode::StoreIo, path + ": not a regular file");
  // A file that was there before may have had another mode.
  if (::fchmod(file.get(), kFileMode) != 0) return change_error("chmod", path);
  if (auto written = write_all(file.get(), data, path); !written) return written;
  if (::fsync(file.get()) != 0) return change_error("fsync", path);
  return {};
}

Result<void> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return change_error("rename", from);
  return {};
}

Result<void> PosixFileSystem::sync_directory(const std::string& directory) {
  const Descriptor opened = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (!opened.valid()) return change_error("open", directory);
  if (::fsync(opened.get()) != 0) return change_error("fsync", directory);
  return {};
}

Result<void> PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return change_error("unlink", path);
  return {};
}

Result<void> PosixFileSystem::link_or_copy(const std::string& from, const std::string& to) {
  // By way of a second name, so that `to` is at every moment either the old file or the new one.
  const std::string temporary = to + ".link";
  if (auto removed = remove(temporary); !removed) return removed;
  if (::link(from.c_str(), temporary.c_str()) != 0) {
    if (errno == ENOENT) return io_error("link", from);
    // File systems without hard links.
    auto data = read(from, limits::kMaxMemberFileBytes);
    if (!data) return tl::unexpected(std::move(data.error()));
    if (auto written = write_synced(temporary, *data); !written) return written;
  }
  if (auto renamed = rename(temporary, to); !renamed) return renamed;
  // Renaming one of two names of the same file onto the other does nothing and leaves both.
  return remove(temporary);
}

Result<void> PosixFileSystem::make_directory(const std::string& path) {
  if (is_directory(path)) return keep_private(path);
  const std::string parent = parent_of(path);
  if (parent != path && !is_directory(parent)) {
    if (auto made = make_directory(parent); !made) return made;
  }
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && !(errno == EEXIST && is_directory(path))) {
    return change_error("mkdir", path);
  }
  return sync_directory(parent);
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(::opendir(directory.c_str()), &::closedir);
  if (!opened) return io_error("opendir", directory);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(opened.get())) {
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return change_error("readdir", directory);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::lock(const std::string& path,
                                                        std::string_view holder) {
  Descriptor file = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, kFileMode);
  if (!file.valid()) return change_error("open", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return change_error("flock", path);
    const auto other = read_all(file.get(), kMaxHolderBytes, path);
    const std::string who = other && !other->empty() ? printable(*other, kMaxHolderBytes)
                                                     : std::string("another process");
    return fail(ErrorCode::StoreLocked, path + ": held by " + who);
  }
  // Information for people only, so it needs no fsync; the lock itself is the kernel's.
  if (::ftruncate(file.get(), 0) != 0) return change_error("truncate", path);
  if (auto written = write_all(file.get(), holder.substr(0, kMaxHolderBytes), path); !written) {
    return tl::unexpected(std::move(written.error()));
  }
  return std::make_unique<PosixLock>(std::move(file));
}

}  // namespace rollcall
