// Names to addresses under a deadline, with c-ares (getaddrinfo() can't be bounded or cancelled).
// Address literals take no question. The channel lives for one call, so that a changed
// /etc/resolv.conf counts at once; long polls make that a rare call.
//
// Threads: any; nothing is shared between calls.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "providers/common/cancel.h"

namespace rollcall {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// At least one address, in the order in which to try them. BACKEND_UNAVAILABLE: there is no such
// name, or no server answered properly; TIMEOUT; SHUTTING_DOWN: cancelled.
//
// `servers`: "address:port,…" to ask in place of the system's, for tests; empty: the system's.
Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port,
                                           MonoTime deadline, const Io& io,
                                           const std::string& servers = {});

}  // namespace rollcall
