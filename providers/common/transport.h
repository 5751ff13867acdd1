// Transport: one connection to an endpoint (TCP, TLS or a Unix socket) whose every operation ends
// by a deadline and wakes on cancellation. Blocking for its caller, non-blocking underneath.
//
// Threads: belongs to one thread; only the Cancel in `io` is touched from others.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/error.h"
#include "providers/common/cancel.h"
#include "providers/common/credentials.h"
#include "providers/common/endpoint.h"
#include "providers/common/unique_fd.h"

namespace rollcall {

class TlsSession;  // providers/common/tls.h

struct ConnectOptions {
  const Secrets* secrets =
      nullptr;                  // CA and client certificate of https; needed only while connecting
  std::string tls_server_name;  // checked in the certificate; empty: the endpoint's host
};

class Transport {
 public:
  // BACKEND_UNAVAILABLE (refused, unreachable, no such name, no TLS), TIMEOUT, AUTH_FAILED (the
  // certificate isn't trusted), INVALID_CONFIG (unusable PEM), SHUTTING_DOWN (cancelled).
  static Result<Transport> connect(const Endpoint& endpoint, const ConnectOptions& options,
                                   MonoTime deadline, const Io& io);
  Transport(Transport&&) noexcept;
  Transport& operator=(Transport&&) noexcept;
  ~Transport();

  // At least one byte; 0: the peer closed.
  Result<std::size_t> read(char* into, std::size_t size, MonoTime deadline, const Io& io);
  Result<void> write(std::string_view data, MonoTime deadline, const Io& io);

 private:
  Transport();
  Result<void> connect_to(const struct SocketAddress& address, MonoTime deadline, const Io& io);
  Result<void> connect_unix(const std::string& path, MonoTime deadline, const Io& io);
  Result<void> finish_connect(const void* address, unsigned length, MonoTime deadline,
                              const Io& io);

  UniqueFd socket_;
  std::unique_ptr<TlsSession> tls_;  // null: plain
};

// errno as an error: BACKEND_UNAVAILABLE, or TIMEOUT for ETIMEDOUT.
tl::unexpected<ProvisioningError> socket_error(std::string_view what, int error);
// A wait that did not end with Wake::Ready.
tl::unexpected<ProvisioningError> wait_error(std::string_view what, Wake wake);

}  // namespace rollcall
