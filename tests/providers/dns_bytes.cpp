#include "tests/providers/dns_bytes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdlib>

namespace rollcall::test {

std::string dns_u16(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string dns_u32(std::uint64_t value) {
  return dns_u16(static_cast<unsigned>(value >> 16)) +
         dns_u16(static_cast<unsigned>(value & 0xFFFF));
}

std::string dns_labels(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const std::size_t size = std::min(name.find('.'), name.size());
    out += static_cast<char>(size);
    out += name.substr(0, size);
    name.remove_prefix(std::min(size + 1, name.size()));
  }
  return out + '\0';
}

DnsBytes::DnsBytes(unsigned flags, std::uint16_t id) : head_(dns_u16(id) + dns_u16(flags)) {}

DnsBytes& DnsBytes::question(std::string_view name, unsigned type) {
  ++counts_[0];
  rest_ += dns_labels(name) + dns_u16(type) + dns_u16(1);
  return *this;
}

DnsBytes& DnsBytes::authority() {
  section_ = 2;
  return *this;
}

DnsBytes& DnsBytes::additional() {
  section_ = 3;
  return *this;
}

DnsBytes& DnsBytes::record(std::string_view name, unsigned type, std::uint32_t ttl,
                           std::string_view data, unsigned clazz) {
  ++counts_[section_];
  rest_ += dns_labels(name) + dns_u16(type) + dns_u16(clazz) + dns_u32(ttl) +
           dns_u16(static_cast<unsigned>(data.size()));
  rest_ += data;
  return *this;
}

DnsBytes& DnsBytes::a(std::string_view name, std::uint32_t ttl, const std::string& address) {
  char data[4];
  if (::inet_pton(AF_INET, address.c_str(), data) != 1) std::abort();
  return record(name, 1, ttl, {data, sizeof data});
}

DnsBytes& DnsBytes::aaaa(std::string_view name, std::uint32_t ttl, const std::string& address) {
  char data[16];
  if (::inet_pton(AF_INET6, address.c_str(), data) != 1) std::abort();
  return record(name, 28, ttl, {data, sizeof data});
}

DnsBytes& DnsBytes::cname(std::string_view name, std::uint32_t ttl, std::string_view target) {
  return record(name, 5, ttl, dns_labels(target));
}

DnsBytes& DnsBytes::ns(std::string_view name, std::uint32_t ttl, std::string_view target) {
  return record(name, 2, ttl, dns_labels(target));
}

DnsBytes& DnsBytes::srv(std::string_view name, std::uint32_t ttl, unsigned priority,
                        unsigned weight, unsigned port, std::string_view target) {
  return record(name, 33, ttl,
                dns_u16(priority) + dns_u16(weight) + dns_u16(port) + dns_labels(target));
}

DnsBytes& DnsBytes::soa(std::string_view name, std::uint32_t ttl, std::uint32_t minimum) {
  return record(name, 6, ttl,
                dns_labels("ns.x") + dns_labels("host.x") + dns_u32(1) + dns_u32(2) + dns_u32(3) +
                    dns_u32(4) + dns_u32(minimum));
}

std::string DnsBytes::bytes() const {
  std::string out = head_;
  for (const std::uint16_t count : counts_) out += dns_u16(count);
  return out + rest_;
}

}  // namespace rollcall::test
