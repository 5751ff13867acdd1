// DNS messages as bytes, for tests: a reply that is put together record by record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rollcall::test {

inline constexpr std::uint16_t kReply = 0x8000;
inline constexpr std::uint16_t kAuthoritative = 0x0400;
inline constexpr std::uint16_t kCut = 0x0200;  // TC
inline constexpr std::uint16_t kRecursive = 0x0080;
inline constexpr std::uint16_t kServFail = 2;
inline constexpr std::uint16_t kNxDomain = 3;
inline constexpr std::uint16_t kRefused = 5;

std::string dns_u16(unsigned value);
std::string dns_u32(std::uint64_t value);
std::string dns_labels(std::string_view name);  // "a.b" uncompressed; "" is the root

class DnsBytes {
 public:
  // `flags`: kReply and others, and the code.
  explicit DnsBytes(unsigned flags = kReply | kAuthoritative, std::uint16_t id = 0);

  DnsBytes& question(std::string_view name, unsigned type);
  // Which section the next records are of.
  DnsBytes& authority();
  DnsBytes& additional();
  DnsBytes& record(std::string_view name, unsigned type, std::uint32_t ttl, std::string_view data,
                   unsigned clazz = 1);
  DnsBytes& a(std::string_view name, std::uint32_t ttl, const std::string& address);
  DnsBytes& aaaa(std::string_view name, std::uint32_t ttl, const std::string& address);
  DnsBytes& cname(std::string_view name, std::uint32_t ttl, std::string_view target);
  DnsBytes& ns(std::string_view name, std::uint32_t ttl, std::string_view target);
  DnsBytes& srv(std::string_view name, std::uint32_t ttl, unsigned priority, unsigned weight,
                unsigned port, std::string_view target);
  DnsBytes& soa(std::string_view name, std::uint32_t ttl, std::uint32_t minimum);

  std::string bytes() const;

 private:
  std::string head_;  // id and flags
  std::uint16_t counts_[4] = {};
  int section_ = 1;
  std::string rest_;
};

}  // namespace rollcall::test
