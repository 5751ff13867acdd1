// A DNS reply, read strictly (RFC 1035 4; SRV: RFC 2782; AAAA: RFC 3596). c-ares brings the bytes;
// its own parsers tell no TTL of SRV records and no SOA of a negative answer, which is what decides
// how long an answer may be believed.
//
// Pure functions, any thread. Bounded by the message: no pointer leads forward, nothing recurses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace rollcall {

enum class DnsType : std::uint16_t {
  A = 1,
  Ns = 2,
  Cname = 5,
  Soa = 6,
  Aaaa = 28,
  Srv = 33,
};
std::string_view to_string(DnsType type);

enum class DnsCode : std::uint8_t { NoError = 0, ServFail = 2, NxDomain = 3, Refused = 5 };

// A record of class IN and a type of the above; others are passed over.
struct DnsRecord {
  std::string name;  // as all names here: lower case, without the last dot; the root is ""
  DnsType type = DnsType::A;
  std::uint32_t ttl = 0;       // seconds
  std::string address;         // A, AAAA: as text
  std::string target;          // CNAME, SRV
  std::uint16_t priority = 0;  // SRV …
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  std::uint32_t minimum = 0;  // SOA
};

struct DnsMessage {
  bool authoritative = false;
  bool truncated = false;
  bool recursion = false;  // the server would ask others
  std::uint8_t code = 0;   // DnsCode, or one of the others
  std::vector<DnsRecord> answer;
  std::vector<DnsRecord> authority;
  std::vector<DnsRecord> additional;
};

// MALFORMED_RESPONSE: not a reply, cut, a name that is none, a record that is longer or shorter
// than its type. LIMIT_EXCEEDED above 64 KiB.
Result<DnsMessage> parse_dns_message(std::string_view bytes);

// Leaves of a reply to a question of this type what the answer can be read from: records of the
// type and aliases, who is the authority, and addresses that come with SRV records.
void keep_what_was_asked(DnsMessage& reply, DnsType type);
// About how much memory its records take.
std::size_t bytes_of(const DnsMessage& message);

// `text` as names are kept here: lower case, without the last dot.
std::string dns_name(std::string_view text);

}  // namespace rollcall
