// DNS replies out of bytes (RFC 1035, 2782, 2181).
#include "providers/dns/dns_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/providers/dns_bytes.h"

namespace rollcall::test {
namespace {

std::string code_of(std::string_view bytes) {
  const auto message = parse_dns_message(bytes);
  return message ? "fine" : std::string(to_string(message.error().code));
}

TEST(DnsMessageTest, OnlyWhatWasAskedIsKept) {
  const auto kept = [](DnsType type) {
    auto message = parse_dns_message(DnsBytes()
                                         .a("x", 1, "10.0.0.1")
                                         .cname("x", 1, "y")
                                         .srv("x", 1, 1, 1, 1, "y")
                                         .soa("x", 1, 1)
                                         .authority()
                                         .soa("x", 1, 1)
                                         .ns("x", 1, "ns")
                                         .a("x", 1, "10.0.0.1")
                                         .additional()
                                         .a("y", 1, "10.0.0.2")
                                         .aaaa("y", 1, "fd00::1")
                                         .cname("y", 1, "z")
                                         .bytes());
    const std::size_t before = bytes_of(*message);
    keep_what_was_asked(*message, type);
    EXPECT_LT(bytes_of(*message), before);
    std::string text;
    for (const auto* section : {&message->answer, &message->authority, &message->additional}) {
      for (const DnsRecord& record : *section) text.append(to_string(record.type)) += ' ';
      text += '|';
    }
    return text;
  };
  EXPECT_EQ(kept(DnsType::A), "A CNAME |SOA NS ||");
  EXPECT_EQ(kept(DnsType::Aaaa), "CNAME |SOA NS ||");
  EXPECT_EQ(kept(DnsType::Srv), "CNAME SRV |SOA NS |A AAAA |");
}

TEST(DnsMessageTest, EverySectionAndEveryTypeIsRead) {
  const auto message =
      parse_dns_message(DnsBytes(kReply | kAuthoritative | kRecursive)
                            .question("_web._tcp.X", 33)
                            .srv("_web._tcp.X", 30, 1, 2, 80, "A.x")
                            .cname("alias.x", 60, "b.x")
                            .authority()
                            .soa("x", 600, 5)
                            .ns("x", 7, "ns.x")
                            .additional()
                            .a("a.x", 10, "10.0.0.1")
                            .aaaa("a.x", 11, "fd00::1")
                            .record("a.x", 16, 1, "\4text")                // TXT: passed over
                            .record("", 41, 0, "", 1232)                   // OPT: passed over
                            .record("a.x", 1, 1, std::string(4, '\1'), 3)  // of class CH
                            .bytes());
  ASSERT_TRUE(message) << message.error().message;
  EXPECT_TRUE(message->authoritative);
  EXPECT_TRUE(message->recursion);
  EXPECT_FALSE(message->truncated);
  EXPECT_EQ(message->code, 0);
  ASSERT_EQ(message->answer.size(), 2u);
  EXPECT_EQ(message->answer[0].name, "_web._tcp.x");
  EXPECT_EQ(message->answer[0].target, "a.x");
  EXPECT_EQ(message->answer[0].ttl, 30u);
  EXPECT_EQ(message->answer[0].priority, 1);
  EXPECT_EQ(message->answer[0].weight, 2);
  EXPECT_EQ(message->answer[0].port, 80);
  EXPECT_EQ(message->answer[1].target, "b.x");
  ASSERT_EQ(message->authority.size(), 2u);
  EXPECT_EQ(message->authority[0].minimum, 5u);
  ASSERT_EQ(message->additional.size(), 2u);
  EXPECT_EQ(message->additional[0].address, "10.0.0.1");
  EXPECT_EQ(message->additional[1].address, "fd00::1");
}

TEST(DnsMessageTest, CompressedNamesAreReadAndLoopsAreNot) {
  // "a.x" stands at 12; the record's name is a pointer to it, its target "b" and then a pointer
  // to "x" at 14.
  const std::string head = dns_u16(0) + dns_u16(kReply) + dns_u16(1) + dns_u16(1) + dns_u16(0) +
                           dns_u16(0) + dns_labels("a.x") + dns_u16(5) + dns_u16(1);
  const std::string fields = dns_u16(5) + dns_u16(1) + dns_u32(9);
  const auto good = parse_dns_message(head + "\xC0\x0C" + fields + dns_u16(4) + "\1b\xC0\x0E");
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->answer[0].name, "a.x");
  EXPECT_EQ(good->answer[0].target, "b.x");
  // At 21 the record's name begins: a pointer to itself, one forward, one behind the end.
  for (const char* pointer : {"\xC0\x15", "\xC0\x16", "\xFF\xFF", "\xC0\x20"}) {
    EXPECT_EQ(code_of(head + std::string(pointer, 2) + fields + dns_u16(4) + "\1b\xC0\x0E"),
              "MALFORMED_RESPONSE");
  }
  // A name that goes back to its own beginning.
  EXPECT_EQ(code_of(head + "\xC0\x0C" + fields + dns_u16(4) + "\1b\xC0\x21"), "MALFORMED_RESPONSE");
}

TEST(DnsMessageTest, ACutMessageIsMalformedAtEveryLength) {
  const std::string whole = DnsBytes()
                                .question("a.x", 33)
                                .srv("a.x", 1, 1, 1, 1, "b.x")
                                .additional()
                                .a("b.x", 1, "10.0.0.1")
                                .bytes();
  ASSERT_EQ(code_of(whole), "fine");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(code_of(whole.substr(0, size)), "MALFORMED_RESPONSE") << size;
  }
}

TEST(DnsMessageTest, WhatIsNotOfItsFormIsMalformed) {
  const auto with = [](unsigned type, std::string_view data) {
    return code_of(DnsBytes().record("a.x", type, 1, data).bytes());
  };
  EXPECT_EQ(with(1, "abcd"), "fine");
  for (const char* address : {"", "abc", "abcde"})
    EXPECT_EQ(with(1, address), "MALFORMED_RESPONSE");
  EXPECT_EQ(with(28, "abcd"), "MALFORMED_RESPONSE");
  EXPECT_EQ(with(33, "abcdef"), "MALFORMED_RESPONSE");                   // no target
  EXPECT_EQ(with(5, dns_labels("b.x") + "more"), "MALFORMED_RESPONSE");  // longer than its name
  EXPECT_EQ(with(6, dns_labels("b.x") + dns_labels("c.x")), "MALFORMED_RESPONSE");
  EXPECT_EQ(with(5, "\x40name"), "MALFORMED_RESPONSE");  // a label of a kind that isn't used
  EXPECT_EQ(code_of(DnsBytes(0).question("a.x", 1).bytes()), "MALFORMED_RESPONSE");  // a question
  EXPECT_EQ(code_of(std::string(65'536, '\0')), "LIMIT_EXCEEDED");
}

TEST(DnsMessageTest, NamesHave255BytesAtMost) {
  std::string name = std::string(63, 'a');
  for (int i = 0; i < 2; ++i) name += "." + std::string(63, 'b');
  EXPECT_EQ(code_of(DnsBytes().cname("x", 1, name + "." + std::string(61, 'c')).bytes()), "fine");
  EXPECT_EQ(code_of(DnsBytes().cname("x", 1, name + "." + std::string(62, 'c')).bytes()),
            "MALFORMED_RESPONSE");
}

TEST(DnsMessageTest, BytesThatCouldBeTakenForSomethingElseAreEscaped) {
  const std::string odd = std::string("\x05") + "A.\\ \xff" + std::string(1, '\0');
  const auto message = parse_dns_message(DnsBytes().record("x", 5, 1, odd).bytes());
  ASSERT_TRUE(message) << message.error().message;
  EXPECT_EQ(message->answer[0].target, "a\\.\\\\\\032\\255");
}

TEST(DnsMessageTest, ATtlWithItsHighestBitIsZero) {
  const auto message = parse_dns_message(
      DnsBytes().a("x", 0x80000000u, "10.0.0.1").a("x", 0x7FFFFFFFu, "10.0.0.2").bytes());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->answer[0].ttl, 0u);
  EXPECT_EQ(message->answer[1].ttl, 0x7FFFFFFFu);
}

TEST(DnsMessageTest, NamesAreComparedInLowerCaseAndWithoutTheLastDot) {
  EXPECT_EQ(dns_name("Web.Example."), "web.example");
  EXPECT_EQ(dns_name("."), "");
  EXPECT_EQ(dns_name("a\\."), "a\\.");
}

}  // namespace
}  // namespace rollcall::test
