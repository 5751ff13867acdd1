// Signals of the daemon as values that one thread waits for.
//
// block_signals() comes before the first thread: every thread inherits the mask, so that a signal
// reaches nobody but the waiter.
#pragma once

#include <cstdint>

#include "core/time.h"

namespace rollcall {

void block_signals();

class SignalWaiter {
 public:
  enum class What : std::uint8_t {
    Terminate,  // SIGTERM, SIGINT
    Reload,     // SIGHUP
    Woken,      // wake() was called
    Nothing,    // the time has passed
  };
  SignalWaiter();
  ~SignalWaiter();
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  What wait(Duration at_most);
  void wake() const;  // any thread

 private:
  int signal_fd_ = -1;
  int event_fd_ = -1;
};

}  // namespace rollcall
