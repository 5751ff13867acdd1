// RegistryLock: the exclusive advisory lock (flock) under which the registry is read and written.
//
// Not FileSystem::lock(), which is for a lock that is held for a process's life: this one is waited
// for, within a bound and until somebody cancels, with one descriptor; that descriptor is checked
// for owner and mode; a lock file that was replaced while we waited is noticed (two processes would
// hold two locks); and it is unlocked before it is closed, so that a child which another thread
// forked meanwhile does not go on holding it.
//
// Threads: one owner. Two in one process exclude each other as well.
#pragma once

#include <functional>
#include <string>

#include "core/error.h"
#include "core/time.h"
#include "providers/local/registry/limits.h"

namespace rollcall {

struct LockWait {
  Duration at_most = limits::kLockWait;
  std::function<bool()> cancelled;  // asked every few milliseconds; empty: never
};

class RegistryLock {
 public:
  // Creates the file (0600) where there is none. TIMEOUT says who holds it, SHUTTING_DOWN that the
  // wait was cancelled; PERMISSION_DENIED, STORE_IO.
  static Result<RegistryLock> acquire(const std::string& path, const Clock& clock,
                                      const LockWait& wait);
  RegistryLock(RegistryLock&& other) noexcept;
  RegistryLock& operator=(RegistryLock&&) = delete;
  ~RegistryLock();

 private:
  explicit RegistryLock(int fd) : fd_(fd) {}
  int fd_;
};

// Blocks this thread; rounded up to a millisecond.
void pause_for(Duration duration);

}  // namespace rollcall
