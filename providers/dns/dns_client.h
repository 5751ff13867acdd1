// DnsClient: puts questions to one server at a time with c-ares, which brings retries, TCP for what
// UDP cuts, and EDNS. Every call ends by its deadline and wakes on cancellation.
//
// A channel lives for one look-up: a changed /etc/resolv.conf counts at once, and no socket stays
// open between two.
//
// Threads: belongs to one; only the Cancel in `io` is touched from others.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "providers/common/cancel.h"
#include "providers/dns/dns_lookup.h"
#include "providers/dns/dns_settings.h"

namespace rollcall {

// The servers to ask: those of the settings, or the system's (resolv.conf), at most kDnsServers.
// BACKEND_UNAVAILABLE: c-ares can't start.
Result<std::vector<DnsServer>> dns_servers(const DnsSettings& settings);

struct DnsReply {
  DnsMembers members;
  AnswerTimes times;
};

// One look-up at one server, whose name is in every error. Beside look_up()'s errors: TIMEOUT,
// BACKEND_UNAVAILABLE (refused, unreachable), MALFORMED_RESPONSE, LIMIT_EXCEEDED (replies above
// kDnsLookupBytes together), SHUTTING_DOWN.
Result<DnsReply> look_up_at(const DnsServer& server, const DnsSettings& settings, MonoTime deadline,
                            const Io& io);

// A look-up at any server: `first` is asked first and becomes the one that answered. Ends after
// kDnsRoundTimeouts time-outs or at the deadline. SHUTTING_DOWN: cancelled.
Result<DnsReply> look_up_anywhere(const DnsSettings& settings, std::size_t& first,
                                  MonoTime deadline, const Io& io);

}  // namespace rollcall
