// PosixFileSystem: the FileSystem of the daemon, on the calls of POSIX and Linux.
//
// Files are 0600, directories 0700, descriptors close on exec. Locks are flock(2): bound to the
// open file, so that two in one process exclude each other as well, and gone with the process,
// however it ends. Errors are STORE_IO with path, call and the system's reason, unless the
// interface says otherwise.
//
// Threads: no state, thread-safe. Every call may block on the disk.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"

namespace rollcall {

class PosixFileSystem : public FileSystem {
 public:
  Result<std::string> read(const std::string& path, std::size_t max_bytes) override;
  Result<void> write_synced(const std::string& path, std::string_view data) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  Result<void> link_or_copy(const std::string& from, const std::string& to) override;
  Result<void> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, std::string_view holder) override;
};

}  // namespace rollcall
