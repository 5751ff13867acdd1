// A connection to a plug-in's Unix socket, to nobody but ourselves or root: the owner of the socket
// and the process that listens on it are looked at before a byte is sent (the handshake names files
// with secrets).
//
// Threads: any.
#pragma once

#include <string>

#include "core/error.h"
#include "providers/common/unique_fd.h"

namespace rollcall {

// Non-blocking, and it never waits. BACKEND_UNAVAILABLE: nobody listens (yet), or too many wait;
// PERMISSION_DENIED: it is another user's, everybody may write to it, or we may not;
// INVALID_CONFIG: there is something else than a socket.
Result<UniqueFd> connect_plugin(const std::string& path);

}  // namespace rollcall
