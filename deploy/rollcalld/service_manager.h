// Tells systemd how far we are (sd_notify(3)'s protocol: one datagram to $NOTIFY_SOCKET), without
// its library. Without a service manager it does nothing.
#pragma once

#include <string_view>

namespace rollcall {

// "READY=1", "STOPPING=1", "STATUS=…".
void notify_service_manager(std::string_view state);

}  // namespace rollcall
