#include "providers/dns/dns_message.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <utility>

#include "providers/dns/limits.h"

namespace rollcall {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::uint16_t kClassIn = 1;
constexpr unsigned kReplyBit = 0x8000;
constexpr unsigned kAuthoritativeBit = 0x0400;
constexpr unsigned kTruncatedBit = 0x0200;
constexpr unsigned kRecursionBit = 0x0080;
constexpr std::uint8_t kPointer = 0xC0;
// RFC 2181 8: a TTL has 31 bits; one with the highest set is to be taken for zero.
constexpr std::uint32_t kTtlMax = 0x7FFFFFFF;

tl::unexpected<ProvisioningError> malformed(std::string_view what) {
  return fail(ErrorCode::MalformedResponse, "not a DNS reply: " + std::string(what));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// A label's byte as in a zone file: what would be read as something else is escaped.
void append_escaped(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (c == '.' || c == '\\') {
    out += '\\';
    out += c;
  } else if (byte > ' ' && byte < 127) {
    out += lower(c);
  } else {
    out += '\\';
    for (const int digit : {byte / 100, byte / 10 % 10, byte % 10}) {
      out += static_cast<char>('0' + digit);
    }
  }
}

// Reads from a place in the message; every reader says whether there was enough.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool u8(std::uint8_t& out) {
    if (at_ >= bytes_.size()) return false;
    out = static_cast<std::uint8_t>(bytes_[at_++]);
    return true;
  }
  bool u16(std::uint16_t& out) {
    std::uint8_t high = 0;
    std::uint8_t low = 0;
    if (!u8(high) || !u8(low)) return false;
    out = static_cast<std::uint16_t>(high << 8 | low);
    return true;
  }
  bool u32(std::uint32_t& out) {
    std::uint16_t high = 0;
    std::uint16_t low = 0;
    if (!u16(high) || !u16(low)) return false;
    out = static_cast<std::uint32_t>(high) << 16 | low;
    return true;
  }
  bool take(std::size_t size, std::string_view& out) {
    if (size > bytes_.size() - at_) return false;
    out = bytes_.substr(at_, size);
    at_ += size;
    return true;
  }
  // RFC 1035 4.1.4. A pointer leads to before the place that it, or what led to it, stands at: so
  // every name ends.
  bool name(std::string& out) {
    out.clear();
    std::size_t at = at_;
    std::size_t before = at_;
    std::size_t length = 0;
    std::size_t pointers = 0;
    bool jumped = false;
    while (at < bytes_.size()) {
      const auto size = static_cast<std::uint8_t>(bytes_[at]);
      if ((size & kPointer) == kPointer) {
        if (at + 2 > bytes_.size() || ++pointers > limits::kDnsPointers) return false;
        const std::size_t to = static_cast<std::size_t>(size & ~kPointer) << 8 |
                               static_cast<std::uint8_t>(bytes_[at + 1]);
        if (to >= before) return false;
        if (!std::exchange(jumped, true)) at_ = at + 2;
        before = to;
        at = to;
        continue;
      }
      if ((size & kPointer) != 0) return false;
      length += std::size_t{1} + size;
      if (length > limits::kDnsNameBytes || at + 1 + size > bytes_.size()) return false;
      if (size == 0) {
        if (!jumped) at_ = at + 1;
        return true;
      }
      if (!out.empty()) out += '.';
      for (const char c : bytes_.substr(at + 1, size)) append_escaped(out, c);
      at += std::size_t{1} + size;
    }
    return false;
  }
  std::size_t at() const { return at_; }
  void move_to(std::size_t at) { at_ = at; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

std::string address_text(int family, std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr ? std::string()
                                                                                : text.data();
}

// The part of a record that its type gives a form; false: it has another one.
bool read_data(Cursor& cursor, std::size_t size, DnsRecord& record) {
  std::string_view bytes;
  std::string ignored;
  std::uint32_t number = 0;
  switch (record.type) {
    case DnsType::A:
      if (size != sizeof(in_addr) || !cursor.take(size, bytes)) return false;
      record.address = address_text(AF_INET, bytes);
      return true;
    case DnsType::Aaaa:
      if (size != sizeof(in6_addr) || !cursor.take(size, bytes)) return false;
      record.address = address_text(AF_INET6, bytes);
      return true;
    case DnsType::Ns:
    case DnsType::Cname:
      return cursor.name(record.target);
    case DnsType::Srv:
      return cursor.u16(record.priority) && cursor.u16(record.weight) && cursor.u16(record.port) &&
             cursor.name(record.target);
    case DnsType::Soa:
      // Two names, then serial, refresh, retry and expire.
      return cursor.name(ignored) && cursor.name(ignored) && cursor.u32(number) &&
             cursor.u32(number) && cursor.u32(number) && cursor.u32(number) &&
             cursor.u32(record.minimum);
  }
  return false;
}

bool is_known(std::uint16_t type) {
  switch (static_cast<DnsType>(type)) {
    case DnsType::A:
    case DnsType::Ns:
    case DnsType::Cname:
    case DnsType::Soa:
    case DnsType::Aaaa:
    case DnsType::Srv:
      return true;
  }
  return false;
}

bool read_section(Cursor& cursor, std::size_t size, std::uint16_t count,
                  std::vector<DnsRecord>& out) {
  for (std::uint16_t i = 0; i < count; ++i) {
    DnsRecord record;
    std::uint16_t type = 0;
    std::uint16_t clazz = 0;
    std::uint16_t length = 0;
    if (!cursor.name(record.name) || !cursor.u16(type) || !cursor.u16(clazz) ||
        !cursor.u32(record.ttl) || !cursor.u16(length)) {
      return false;
    }
    const std::size_t end = cursor.at() + length;
    if (end > size) return false;
    if (record.ttl > kTtlMax) record.ttl = 0;
    if (clazz == kClassIn && is_known(type)) {
      record.type = static_cast<DnsType>(type);
      if (!read_data(cursor, length, record) || cursor.at() != end) return false;
      out.push_back(std::move(record));
    }
    cursor.move_to(end);
  }
  return true;
}

}  // namespace

std::string_view to_string(DnsType type) {
  switch (type) {
    case DnsType::A:
      return "A";
    case DnsType::Ns:
      return "NS";
    case DnsType::Cname:
      return "CNAME";
    case DnsType::Soa:
      return "SOA";
    case DnsType::Aaaa:
      return "AAAA";
    case DnsType::Srv:
      return "SRV";
  }
  return "?";
}

Result<DnsMessage> parse_dns_message(std::string_view bytes) {
  if (bytes.size() > limits::kDnsMessageBytes) {
    return fail(ErrorCode::LimitExceeded, "a DNS message above 64 KiB");
  }
  Cursor cursor(bytes);
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  std::array<std::uint16_t, 4> counts{};  // question, answer, authority, additional
  bool enough = cursor.u16(id) && cursor.u16(flags);
  for (std::uint16_t& count : counts) enough = enough && cursor.u16(count);
  if (!enough)
    return malformed("it is shorter than its " + std::to_string(kHeaderBytes) + " bytes of header");
  if ((flags & kReplyBit) == 0) return malformed("it is a question");
  DnsMessage message;
  message.authoritative = (flags & kAuthoritativeBit) != 0;
  message.truncated = (flags & kTruncatedBit) != 0;
  message.recursion = (flags & kRecursionBit) != 0;
  message.code = static_cast<std::uint8_t>(flags & 0x0F);
  for (std::uint16_t i = 0; i < counts[0]; ++i) {
    std::string name;
    std::uint16_t type = 0;
    std::uint16_t clazz = 0;
    if (!cursor.name(name) || !cursor.u16(type) || !cursor.u16(clazz)) {
      return malformed("its question is cut or no name");
    }
  }
  const std::pair<std::uint16_t, std::vector<DnsRecord>*> sections[] = {
      {counts[1], &message.answer},
      {counts[2], &message.authority},
      {counts[3], &message.additional}};
  for (const auto& [count, section] : sections) {
    if (!read_section(cursor, bytes.size(), count, *section)) {
      return malformed("a record is cut, or not of its type's form");
    }
  }
  return message;
}

void keep_what_was_asked(DnsMessage& reply, DnsType type) {
  const auto keep = [](std::vector<DnsRecord>& section, std::initializer_list<DnsType> types) {
    std::erase_if(section, [&](const DnsRecord& record) {
      return std::find(types.begin(), types.end(), record.type) == types.end();
    });
    section.shrink_to_fit();
  };
  keep(reply.answer, {type, DnsType::Cname});
  keep(reply.authority, {DnsType::Soa, DnsType::Ns});
  if (type == DnsType::Srv) {
    keep(reply.additional, {DnsType::A, DnsType::Aaaa});
  } else {
    keep(reply.additional, {});
  }
}

std::size_t bytes_of(const DnsMessage& message) {
  std::size_t bytes = 0;
  for (const auto* section : {&message.answer, &message.authority, &message.additional}) {
    for (const DnsRecord& record : *section) {
      bytes += sizeof record + record.name.size() + record.address.size() + record.target.size();
    }
  }
  return bytes;
}

std::string dns_name(std::string_view text) {
  if (text.ends_with('.') && !text.ends_with("\\.")) text.remove_suffix(1);
  std::string name(text);
  for (char& c : name) c = lower(c);
  return name;
}

}  // namespace rollcall
