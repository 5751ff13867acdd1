// What DNS replies mean: the members under a name and how long that holds, or which failure it is
// (PROTOCOLS "DNS"). The questions are put by whoever looks up, so that the meaning can be tested
// without a network.
//
// Pure, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "providers/dns/dns_message.h"
#include "providers/dns/dns_settings.h"

namespace rollcall {

struct DnsQuestion {
  std::string name;
  DnsType type = DnsType::A;
};

// Puts the questions and answers with as many replies, in their order; one that fails fails all.
using DnsAsk =
    std::function<Result<std::vector<DnsMessage>>(const std::vector<DnsQuestion>& questions)>;

struct DnsMembers {
  std::vector<ClusterNode> members;
  std::chrono::seconds ttl{};  // the least of all records that were used, as they say it
};

// Everything that is a member, or an error: never a part of it.
//
// Answers are NXDOMAIN and NODATA (no members; TTL: the lesser of the SOA record's own and its
// MINIMUM, RFC 2308 5), and an SRV record with the target "." (RFC 2782: not offered here). No
// answers, and therefore errors:
//   code 2 (SERVFAIL), 1, 4 and others, a referral, a server that neither serves
//   the name nor asks others, an SRV target without an address, A and AAAA that
//   contradict each other about whether the name exists      BACKEND_UNAVAILABLE
//   code 5 (REFUSED)                                         PERMISSION_DENIED
//   a loop of aliases, a member outside of limits.h, one id
//   twice                                                    MALFORMED_RESPONSE
//   cut although over TCP, more than kDnsTargets targets     LIMIT_EXCEEDED
//
// Members of SRV: a target has the least of its IPv4 addresses, or of its IPv6 ones if there are no
// others; weight 0 ("hardly ever", RFC 2782) is 1, the least weight that is one.
Result<DnsMembers> look_up(const DnsSettings& settings, const DnsAsk& ask);

}  // namespace rollcall
