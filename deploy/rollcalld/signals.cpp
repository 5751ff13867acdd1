#include "deploy/rollcalld/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace rollcall {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a peer that went away is an error of a write, not the end of us
}

SignalWaiter::SignalWaiter() {
  const sigset_t set = handled_signals();
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  event_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  // Two descriptors at the start of a process: without them nothing else would work either.
  if (signal_fd_ < 0 || event_fd_ < 0) std::abort();
}

SignalWaiter::~SignalWaiter() {
  close(signal_fd_);
  close(event_fd_);
}

SignalWaiter::What SignalWaiter::wait(Duration at_most) {
  pollfd fds[2] = {{signal_fd_, POLLIN, 0}, {event_fd_, POLLIN, 0}};
  const auto ms = std::clamp<std::int64_t>(to_ms(at_most), 0, 3'600'000);
  if (poll(fds, 2, static_cast<int>(ms)) <= 0) return What::Nothing;  // EINTR: look again
  signalfd_siginfo info{};
  if ((fds[0].revents & POLLIN) != 0 &&
      read(signal_fd_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info)))
    return info.ssi_signo == SIGHUP ? What::Reload : What::Terminate;
  std::uint64_t count = 0;
  if ((fds[1].revents & POLLIN) != 0 && read(event_fd_, &count, sizeof(count)) > 0)
    return What::Woken;
  return What::Nothing;
}

void SignalWaiter::wake() const {
  const std::uint64_t one = 1;
  // A full counter has woken the waiter already.
  [[maybe_unused]] const ssize_t written = write(event_fd_, &one, sizeof(one));
}

}  // namespace rollcall
