// A mutex that clang's -Wthread-safety understands (DESIGN style rule 5): each guarded field names
// its mutex, and a forgotten lock is an error of compilation. libstdc++'s own types carry no
// annotations.
//
// Threads: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define ROLLCALL_TS(x) __attribute__((x))
#else
#define ROLLCALL_TS(x)
#endif
#define ROLLCALL_GUARDED_BY(m) ROLLCALL_TS(guarded_by(m))
#define ROLLCALL_REQUIRES(m) ROLLCALL_TS(requires_capability(m))

namespace rollcall {

class ROLLCALL_TS(capability("mutex")) Mutex {
 public:
  void lock() ROLLCALL_TS(acquire_capability()) { mutex_.lock(); }
  void unlock() ROLLCALL_TS(release_capability()) { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

class ROLLCALL_TS(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ROLLCALL_TS(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  ~MutexLock() ROLLCALL_TS(release_capability()) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  // Waits for a notification, at most `for_at_most`. The mutex is held again afterwards.
  void wait(std::condition_variable& condition, std::chrono::nanoseconds for_at_most) {
    condition.wait_for(lock_, for_at_most);
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace rollcall
