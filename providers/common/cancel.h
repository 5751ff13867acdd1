// Cancel: how a stream that waits is told to stop, and the one function that all waits go through.
//
// An eventfd beside a flag, so that poll() on a socket, on inotify or on nothing wakes at once.
// Threads: cancel() from any thread, any number of times; the waits from the stream's thread.
#pragma once

#include <atomic>

#include "core/time.h"

namespace rollcall {

class Cancel {
 public:
  Cancel();
  ~Cancel();
  Cancel(const Cancel&) = delete;
  Cancel& operator=(const Cancel&) = delete;

  void cancel() noexcept;
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_acquire); }
  int fd() const noexcept {
    return fd_;
  }  // readable once cancelled; -1: descriptors were exhausted

 private:
  std::atomic<bool> cancelled_{false};
  int fd_ = -1;
};

enum class Wake {
  Ready,  // the descriptor has one of the events, an error or a hang-up
  Deadline,
  Cancelled,  // wins over the others
};

// Waits until `fd` (-1: none) has one of poll()'s `events`.
Wake wait_for(int fd, short events, MonoTime deadline, const Clock& clock, const Cancel& cancel);

// What every blocking operation of a provider is given.
struct Io {
  const Clock& clock;
  const Cancel& cancel;
};

}  // namespace rollcall
