// A server that answers every question, each within the limit of one message, and all together
// without end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "providers/dns/dns_provider.h"
#include "providers/dns/limits.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_dns.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Question = ScriptedDns::Question;

constexpr unsigned kSrv = 33;
constexpr unsigned kText = 16;

// What a stream says first of `targets` SRV targets called "n1<rest>" and so on, whose addresses
// are answered so. Everything goes over TCP.
std::string first_of(int targets, const std::string& rest,
                     const std::function<std::string(const Question&)>& address_reply) {
  ScriptedDns server([&](const Question& q) {
    if (!q.tcp) return std::vector{reply_to(q, kReply | kAuthoritative | kCut).bytes()};
    if (q.type != kSrv) return std::vector{address_reply(q)};
    DnsBytes reply = reply_to(q);
    for (int i = 1; i <= targets; ++i) {
      reply.srv(q.name, 60, 0, 1, 80, "n" + std::to_string(i) + rest);
    }
    return std::vector{reply.bytes()};
  });
  RealClock clock;
  ProviderDescriptor d;
  d.id = ProviderId("dns");
  d.kind = "dns";
  d.endpoints = {server.address()};
  d.watch_params = {{"name", "x.test"}, {"id", "name"}, {"timeout_ms", "10000"}};
  auto provider = make_dns_factory(5)->create(d, {&clock, nullptr, ""});
  EXPECT_TRUE(provider.has_value());
  return provider ? to_text((*provider)->stream()->next()) : "";
}

TEST(DnsLimit, RepliesThatAreTooMuchTogetherAreALimit) {
  const std::string padding(60'000, 'x');
  const auto with_padding = [&](const Question& q) {
    return reply_to(q).a(q.name, 60, "10.0.0.1").additional().record("", kText, 0, padding).bytes();
  };
  EXPECT_EQ(first_of(2, ".test", with_padding), "snapshot[n1.test:80 n2.test:80]");
  const int too_many = static_cast<int>(limits::kDnsLookupBytes / padding.size()) + 10;
  const std::string said = first_of(too_many, ".test", with_padding);
  EXPECT_THAT(said, HasSubstr("LIMIT_EXCEEDED"));
  EXPECT_THAT(said, HasSubstr("together"));
}

TEST(DnsLimit, WhatRepliesUnfoldToCountsToo) {
  // A name is two bytes in a record, as a pointer to the question's, and 190 once it is read.
  const std::string label = "." + std::string(60, 'x');
  const auto with_pointers = [](const Question& q) {
    constexpr int kRecords = 4000;
    std::string reply = reply_to(q).bytes();
    reply.replace(6, 2, dns_u16(kRecords));
    for (int i = 0; i < kRecords; ++i) {
      reply += "\xC0\x0C" + dns_u16(1) + dns_u16(1) + dns_u32(60) + dns_u16(4) +
               dns_u32(0x0A000000u + static_cast<unsigned>(i));
    }
    return reply;
  };
  EXPECT_THAT(first_of(8, label + label + label, with_pointers), HasSubstr("LIMIT_EXCEEDED"));
}

}  // namespace
}  // namespace rollcall::test
