#include "providers/common/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "providers/common/limits.h"
#include "providers/common/resolver.h"
#include "providers/common/tls.h"

namespace rollcall {
namespace {

void set_option(int fd, int level, int name, int value) {
  // Best effort: without them a dead peer is still found by the request's own deadline.
  ::setsockopt(fd, level, name, &value, sizeof value);
}

// A peer that vanished without a word (a lost host, a dropped route) must not look like a quiet
// one.
void watch_peer(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, limits::kKeepaliveIdleS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, limits::kKeepaliveIntervalS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, limits::kKeepaliveProbes);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, limits::kTcpUserTimeoutMs);
}

}  // namespace

tl::unexpected<ProvisioningError> socket_error(std::string_view what, int error) {
  const auto code = error == ETIMEDOUT ? ErrorCode::Timeout : ErrorCode::BackendUnavailable;
  return fail(code, std::string(what) + ": " + std::generic_category().message(error));
}

tl::unexpected<ProvisioningError> wait_error(std::string_view what, Wake wake) {
  if (wake == Wake::Cancelled) return fail(ErrorCode::ShuttingDown, "cancelled");
  return fail(ErrorCode::Timeout, std::string(what) + ": no answer in time");
}

Transport::Transport() = default;
Transport::Transport(Transport&&) noexcept = default;
Transport& Transport::operator=(Transport&&) noexcept = default;
Transport::~Transport() = default;

Result<void> Transport::finish_connect(const void* address, unsigned length, MonoTime deadline,
                                       const Io& io) {
  if (::connect(socket_.get(), static_cast<const sockaddr*>(address), length) == 0) return {};
  if (errno != EINPROGRESS && errno != EINTR) return socket_error("connect", errno);
  const Wake wake = wait_for(socket_.get(), POLLOUT, deadline, io.clock, io.cancel);
  if (wake != Wake::Ready) return wait_error("connect", wake);
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return socket_error("connect", error);
  return {};
}

Result<void> Transport::connect_to(const SocketAddress& address, MonoTime deadline, const Io& io) {
  socket_ = UniqueFd(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket_) return socket_error("socket", errno);
  watch_peer(socket_.get());
  return finish_connect(&address.storage, address.length, deadline, io);
}

Result<void> Transport::connect_unix(const std::string& path, MonoTime deadline, const Io& io) {
  socket_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_) return socket_error("socket", errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // parse_endpoint() holds the length below; the rest stays zero.
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return finish_connect(&address, sizeof address, deadline, io);
}

Result<Transport> Transport::connect(const Endpoint& endpoint, const ConnectOptions& options,
                                     MonoTime deadline, const Io& io) {
  Transport transport;
  if (endpoint.scheme == Endpoint::Scheme::Unix) {
    auto connected = transport.connect_unix(endpoint.host, deadline, io);
    if (!connected) return tl::unexpected(std::move(connected.error()));
    return transport;
  }
  auto addresses = resolve(endpoint.host, endpoint.port, deadline, io);
  if (!addresses) return tl::unexpected(std::move(addresses.error()));
  Result<void> connected;
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    // A share of what is left for each, so that a silent first address leaves time for the second.
    const MonoTime now = io.clock.now();
    const auto remaining = static_cast<std::int64_t>(addresses->size() - i);
    connected = transport.connect_to((*addresses)[i], now + (deadline - now) / remaining, io);
    if (connected || connected.error().code == ErrorCode::ShuttingDown) break;
  }
  if (!connected) return tl::unexpected(std::move(connected.error()));
  if (endpoint.scheme == Endpoint::Scheme::Https) {
    const std::string& name =
        options.tls_server_name.empty() ? endpoint.host : options.tls_server_name;
    auto session =
        TlsSession::handshake(transport.socket_.get(), name, options.secrets, deadline, io);
    if (!session) return tl::unexpected(std::move(session.error()));
    transport.tls_ = std::move(*session);
  }
  return transport;
}

Result<std::size_t> Transport::read(char* into, std::size_t size, MonoTime deadline, const Io& io) {
  if (tls_) return tls_->read(into, size, deadline, io);
  while (true) {
    if (io.cancel.cancelled()) return wait_error("read", Wake::Cancelled);
    // Asked each time: a peer that always has a little more must not outlive the deadline.
    if (io.clock.now() >= deadline) return wait_error("read", Wake::Deadline);
    const ssize_t n = ::recv(socket_.get(), into, size, 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return socket_error("read", errno);
    const Wake wake = wait_for(socket_.get(), POLLIN, deadline, io.clock, io.cancel);
    if (wake != Wake::Ready) return wait_error("read", wake);
  }
}

Result<void> Transport::write(std::string_view data, MonoTime deadline, const Io& io) {
  if (tls_) return tls_->write(data, deadline, io);
  while (!data.empty()) {
    const ssize_t n = ::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      data.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return socket_error("write", errno);
    const Wake wake = wait_for(socket_.get(), POLLOUT, deadline, io.clock, io.cancel);
    if (wake != Wake::Ready) return wait_error("write", wake);
  }
  return {};
}

}  // namespace rollcall
