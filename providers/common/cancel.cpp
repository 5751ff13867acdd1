#include "providers/common/cancel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "providers/common/limits.h"

namespace rollcall {

Cancel::Cancel() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Cancel::~Cancel() {
  if (fd_ >= 0) ::close(fd_);
}

void Cancel::cancel() noexcept {
  cancelled_.store(true, std::memory_order_release);
  if (fd_ < 0) return;
  const std::uint64_t one = 1;
  // A full counter (EAGAIN) is readable already, and nothing else can go wrong with an eventfd.
  [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof one);
}

Wake wait_for(int fd, short events, MonoTime deadline, const Clock& clock, const Cancel& cancel) {
  const Duration slice =
      cancel.fd() >= 0 ? Duration(limits::kWaitSlice) : Duration(limits::kWaitSliceWithoutFd);
  while (true) {
    if (cancel.cancelled()) return Wake::Cancelled;
    const MonoTime now = clock.now();
    const Duration left = std::clamp(deadline - now, Duration::zero(), slice);
    // Rounded up: a wait must not spin through its last millisecond.
    const int timeout_ms = static_cast<int>((left.count() + 999'999) / 1'000'000);
    pollfd fds[2] = {{cancel.fd(), POLLIN, 0}, {fd, events, 0}};  // poll() passes over a -1
    const int ready = ::poll(fds, 2, timeout_ms);
    if (cancel.cancelled()) return Wake::Cancelled;
    if (ready > 0 && fds[1].revents != 0) return Wake::Ready;
    if (ready <= 0 && clock.now() >= deadline) return Wake::Deadline;
  }
}

}  // namespace rollcall
