#include "providers/common/ares_channel.h"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include "providers/common/limits.h"

namespace rollcall {

bool run_ares_once(ares_channel channel, MonoTime deadline, const Io& io) {
  ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
  const unsigned bits = static_cast<unsigned>(ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM));
  pollfd fds[ARES_GETSOCK_MAXNUM + 1];
  nfds_t count = 0;
  for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    const bool reads = (bits & (1u << i)) != 0;
    const bool writes = (bits & (1u << (i + ARES_GETSOCK_MAXNUM))) != 0;
    if (!reads && !writes) continue;
    const int events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
    fds[count++] = {sockets[i], static_cast<short>(events), 0};
  }
  fds[count] = {io.cancel.fd(), POLLIN, 0};

  const auto slice = io.cancel.fd() >= 0 ? std::chrono::milliseconds(limits::kWaitSlice)
                                         : limits::kWaitSliceWithoutFd;
  const std::int64_t left =
      std::clamp<std::int64_t>(to_ms(deadline - io.clock.now()), 0, slice.count());
  timeval maximum{left / 1000, static_cast<suseconds_t>((left % 1000) * 1000)};
  timeval buffer{};
  const timeval* wait = ares_timeout(channel, &maximum, &buffer);
  const auto timeout_ms = static_cast<int>(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000);
  ::poll(fds, count + 1, timeout_ms);
  if (io.cancel.cancelled()) return true;

  bool any = false;
  for (nfds_t i = 0; i < count; ++i) {
    if (fds[i].revents == 0) continue;
    any = true;
    const bool failed = (fds[i].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
    const bool readable = failed || (fds[i].revents & POLLIN) != 0;
    const bool writable = (fds[i].revents & POLLOUT) != 0;
    ares_process_fd(channel, readable ? fds[i].fd : ARES_SOCKET_BAD,
                    writable ? fds[i].fd : ARES_SOCKET_BAD);
  }
  if (!any) ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // its own time-outs
  return false;
}

}  // namespace rollcall
