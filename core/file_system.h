// FileSystem: the only way to durable state (SPEC 7). One interface, so that the tests and the
// simulator can fail any call, lose unsynced data in a simulated power cut, and count.
//
// Threads: implementations are thread-safe; the lock file is held by the caller's object.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace rollcall {

// Released by its destructor.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Whole file. NOT_FOUND if absent, LIMIT_EXCEEDED above `max_bytes`, STORE_IO otherwise.
  virtual Result<std::string> read(const std::string& path, std::size_t max_bytes) = 0;
  // The steps of an atomic write, apart, because each can fail by itself:
  // create/truncate `path` (0600), write all of `data`, fsync it, close. A failed fsync is a failed
  // write and is never retried on the same descriptor.
  virtual Result<void> write_synced(const std::string& path, std::string_view data) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> sync_directory(const std::string& directory) = 0;
  virtual Result<void> remove(const std::string& path) = 0;  // absent is success
  // Hard link or copy of `from` at `to` (replaced), for the previous generation. Absent: NOT_FOUND.
  virtual Result<void> link_or_copy(const std::string& from, const std::string& to) = 0;
  // 0700, parents too. One that exists is made 0700 if it is ours (parents are left alone).
  // STORE_IO with the command if it is another user's and we aren't root, or if it is shared
  // (sticky).
  virtual Result<void> make_directory(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted
  // Exclusive advisory lock, not waited for. STORE_LOCKED says who holds it (`holder` is written
  // into the file: process id and cluster).
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                                 std::string_view holder) = 0;
};

// NAME.tmp → fsync → rename → directory fsync (SPEC 7). If only the directory fsync fails, the
// outcome is unknown: the error is STORE_IO with `unknown` true, and the caller must refuse writes
// until a rewrite succeeds.
struct WriteOutcome {
  bool unknown = false;  // the new content may or may not survive a power cut
  ProvisioningError error;
};
tl::expected<void, WriteOutcome> write_atomically(FileSystem& files, const std::string& directory,
                                                  const std::string& name, std::string_view data);

}  // namespace rollcall
