// What DNS replies mean: members and how long they hold, or which failure it is. The replies are
// real bytes; no network is needed for what they mean.
#include "providers/dns/dns_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/limits.h"
#include "providers/dns/dns_provider.h"
#include "providers/dns/dns_stream.h"
#include "tests/providers/dns_bytes.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Params = std::map<std::string, std::string>;

constexpr char kSrvName[] = "_web._tcp.x";

ProviderDescriptor descriptor(Params params) {
  ProviderDescriptor d;
  d.id = ProviderId("dns");
  d.kind = "dns";
  d.watch_params = std::move(params);
  d.watch_params.try_emplace("name", kSrvName);
  return d;
}

// Replies by question ("SRV _web._tcp.x"); one that nobody expects fails the test.
class Replies {
 public:
  Replies& on(const std::string& question, const DnsBytes& reply) {
    replies_[question] = reply.bytes();
    return *this;
  }
  Result<DnsMembers> look_up_with(Params params) {
    return look_up(dns_settings(descriptor(std::move(params))),
                   [this](const auto& questions) { return ask(questions); });
  }
  std::vector<std::string> asked;

 private:
  Result<std::vector<DnsMessage>> ask(const std::vector<DnsQuestion>& questions) {
    std::vector<DnsMessage> out;
    for (const DnsQuestion& question : questions) {
      const std::string text = std::string(to_string(question.type)) + " " + question.name;
      asked.push_back(text);
      if (!replies_.contains(text)) {
        ADD_FAILURE() << "asked for " << text;
        return fail(ErrorCode::NotFound, text);
      }
      auto message = parse_dns_message(replies_[text]);
      if (!message) return tl::unexpected(message.error());
      out.push_back(std::move(*message));
    }
    return out;
  }
  std::map<std::string, std::string> replies_;
};

std::string text_of(const Result<DnsMembers>& found) {
  if (!found) return std::string(to_string(found.error().code));
  std::string text;
  for (const std::string& id : ids_of(found->members)) text += id + " ";
  return text + "ttl=" + std::to_string(found->ttl.count());
}

DnsBytes none(unsigned flags) { return DnsBytes(flags); }
constexpr unsigned kNothing = kReply | kAuthoritative;
constexpr unsigned kNobody = kReply | kAuthoritative | kNxDomain;

// --- A and AAAA ---

const Params kA = {{"name", "x"}, {"type", "a"}, {"port", "80"}};
const Params kBoth = {{"name", "x"}, {"type", "a+aaaa"}, {"port", "80"}};

TEST(DnsLookup, EveryAddressIsAMember) {
  EXPECT_EQ(text_of(Replies()
                        .on("A x", DnsBytes().a("x", 30, "10.0.0.2").a("x", 20, "10.0.0.1"))
                        .look_up_with(kA)),
            "10.0.0.1:80 10.0.0.2:80 ttl=20");
  const auto both = Replies()
                        .on("A x", DnsBytes().a("x", 30, "10.0.0.1"))
                        .on("AAAA x", DnsBytes().aaaa("x", 40, "fd00::1"))
                        .look_up_with(kBoth);
  EXPECT_EQ(text_of(both), "10.0.0.1:80 [fd00::1]:80 ttl=30");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->members[1].host, "fd00::1");
  EXPECT_EQ(both->members[1].port, 80);
}

TEST(DnsLookup, R2_4_NoSuchNameAndNoSuchRecordAreAnswers) {
  // RFC 2308 5: the lesser of the SOA's own TTL and its MINIMUM.
  EXPECT_EQ(
      text_of(Replies().on("A x", none(kNobody).authority().soa("x", 60, 5)).look_up_with(kA)),
      "ttl=5");
  EXPECT_EQ(
      text_of(Replies().on("A x", none(kNothing).authority().soa("x", 4, 50)).look_up_with(kA)),
      "ttl=4");
  EXPECT_EQ(text_of(Replies().on("A x", none(kNobody)).look_up_with(kA)), "ttl=0");
  EXPECT_EQ(text_of(Replies().on("A x", none(kReply | kRecursive)).look_up_with(kA)), "ttl=0");
  // Of a cache that asked others.
  EXPECT_EQ(
      text_of(
          Replies().on("A x", none(kReply | kNxDomain).authority().soa("", 9, 9)).look_up_with(kA)),
      "ttl=9");
}

TEST(DnsLookup, AServerThatDoesNotKnowIsNoAnswer) {
  const struct {
    const char* name;
    DnsBytes reply;
    const char* code;
  } cases[] = {
      {"SERVFAIL", none(kReply | kServFail), "BACKEND_UNAVAILABLE"},
      {"REFUSED", none(kReply | kRefused), "PERMISSION_DENIED"},
      {"FORMERR", none(kReply | 1), "BACKEND_UNAVAILABLE"},
      {"NOTIMP", none(kReply | 4), "BACKEND_UNAVAILABLE"},
      {"NOTAUTH", none(kReply | 9), "BACKEND_UNAVAILABLE"},
      {"SERVFAIL with records", DnsBytes(kReply | kServFail).a("x", 1, "10.0.0.1"),
       "BACKEND_UNAVAILABLE"},
      {"cut over TCP", DnsBytes(kReply | kCut).a("x", 1, "10.0.0.1"), "LIMIT_EXCEEDED"},
      {"a referral", none(kReply).authority().ns("x", 1, "ns.x"), "BACKEND_UNAVAILABLE"},
      {"a referral of one that recurses for others",
       none(kReply | kRecursive).authority().ns("x", 1, "ns.x"), "BACKEND_UNAVAILABLE"},
      {"lame, empty", none(kReply), "BACKEND_UNAVAILABLE"},
      {"lame, NXDOMAIN", none(kReply | kNxDomain), "BACKEND_UNAVAILABLE"},
      {"NXDOMAIN with records", DnsBytes(kNobody).a("x", 1, "10.0.0.1"), "MALFORMED_RESPONSE"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(text_of(Replies().on("A x", c.reply).look_up_with(kA)), c.code) << c.name;
  }
}

TEST(DnsLookup, RecordsOfOtherNamesAreNotTheAnswer) {
  EXPECT_EQ(text_of(Replies()
                        .on("A x", DnsBytes().a("y", 1, "10.6.6.6").a("x", 1, "10.0.0.1"))
                        .look_up_with(kA)),
            "10.0.0.1:80 ttl=1");
}

TEST(DnsLookup, OneOfTwoTypesThatFailsFailsBoth) {
  Replies replies;
  replies.on("A x", DnsBytes().a("x", 30, "10.0.0.1")).on("AAAA x", none(kReply | kServFail));
  EXPECT_EQ(text_of(replies.look_up_with(kBoth)), "BACKEND_UNAVAILABLE");
  replies.on("AAAA x", none(kNothing).authority().soa("x", 7, 7));
  EXPECT_EQ(text_of(replies.look_up_with(kBoth)), "10.0.0.1:80 ttl=7");
  // One says that there is no such name: it appeared, or went, between the two questions.
  replies.on("AAAA x", none(kNobody));
  EXPECT_EQ(text_of(replies.look_up_with(kBoth)), "BACKEND_UNAVAILABLE");
  replies.on("A x", none(kNothing));
  EXPECT_EQ(text_of(replies.look_up_with(kBoth)), "BACKEND_UNAVAILABLE");
  replies.on("A x", none(kNobody));
  EXPECT_EQ(text_of(replies.look_up_with(kBoth)), "ttl=0");
}

TEST(DnsLookup, AliasesAreFollowedWithinAReplyAndAcrossReplies) {
  Replies inside;
  inside.on("A x", DnsBytes().cname("x", 9, "y").cname("y", 8, "z").a("z", 30, "10.0.0.1"));
  EXPECT_EQ(text_of(inside.look_up_with(kA)), "10.0.0.1:80 ttl=8");
  Replies across;
  across.on("A x", DnsBytes().cname("x", 9, "y")).on("A y", DnsBytes().a("y", 30, "10.0.0.1"));
  EXPECT_EQ(text_of(across.look_up_with(kA)), "10.0.0.1:80 ttl=9");
  EXPECT_THAT(across.asked, ElementsAre("A x", "A y"));
  Replies nowhere;  // an alias of a name that does not exist
  nowhere.on("A x", DnsBytes(kNobody).cname("x", 9, "y").authority().soa("", 60, 60));
  EXPECT_EQ(text_of(nowhere.look_up_with(kA)), "ttl=9");
}

TEST(DnsLookup, AliasesThatNeverEndAreMalformed) {
  EXPECT_EQ(
      text_of(
          Replies().on("A x", DnsBytes().cname("x", 1, "y").cname("y", 1, "x")).look_up_with(kA)),
      "MALFORMED_RESPONSE");
  Replies across;
  across.on("A x", DnsBytes().cname("x", 1, "y")).on("A y", DnsBytes().cname("y", 1, "x"));
  EXPECT_EQ(text_of(across.look_up_with(kA)), "MALFORMED_RESPONSE");
  EXPECT_LE(across.asked.size(), 10u);
}

TEST(DnsLookup, OneAddressTwiceIsMalformed) {
  EXPECT_EQ(text_of(Replies()
                        .on("A x", DnsBytes().a("x", 1, "10.0.0.1").a("x", 1, "10.0.0.1"))
                        .look_up_with(kA)),
            "MALFORMED_RESPONSE");
}

// --- SRV ---

const Params kByName = {{"id", "name"}};

TEST(DnsLookup, SrvTargetsAreMembersWithTheirAddressFromTheSameReply) {
  Replies replies;
  replies.on("SRV _web._tcp.x", DnsBytes()
                                    .srv(kSrvName, 30, 0, 5, 7001, "A.x")
                                    .srv(kSrvName, 30, 0, 0, 7002, "b.x")
                                    .additional()
                                    .a("a.x", 20, "10.0.0.1")
                                    .a("b.x", 25, "10.0.0.2"));
  const auto found = replies.look_up_with(kByName);
  EXPECT_EQ(text_of(found), "a.x:7001 b.x:7002 ttl=20");
  ASSERT_TRUE(found);
  EXPECT_THAT(replies.asked, ElementsAre("SRV _web._tcp.x"));  // and no more
  EXPECT_EQ(found->members[0].host, "10.0.0.1");
  EXPECT_EQ(found->members[0].port, 7001);
  EXPECT_EQ(found->members[0].weight, 5u);
  EXPECT_EQ(found->members[1].weight, 1u);  // 0 is the least there is, not nothing
  EXPECT_TRUE(found->members[0].labels.empty());
  EXPECT_EQ(text_of(replies.look_up_with({})), "10.0.0.1:7001 10.0.0.2:7002 ttl=20");
}

TEST(DnsLookup, TargetsWithoutAnAddressInTheReplyAreAskedFor) {
  Replies replies;
  replies
      .on("SRV _web._tcp.x", DnsBytes()
                                 .srv(kSrvName, 30, 0, 1, 1, "a.x")
                                 .srv(kSrvName, 30, 0, 1, 1, "b.x")
                                 .srv(kSrvName, 30, 0, 1, 1, "c.x")
                                 .additional()
                                 .aaaa("b.x", 1, "fd00::2")  // IPv4 goes first, if there is any
                                 .aaaa("c.x", 1, "fd00::3"))
      .on("A a.x", DnsBytes().a("a.x", 9, "10.0.0.10").a("a.x", 9, "10.0.0.9"))
      .on("A b.x", DnsBytes().cname("b.x", 8, "b2.x").a("b2.x", 9, "10.0.0.2"))
      .on("A c.x", none(kNothing).authority().soa("x", 60, 60));
  const auto found = replies.look_up_with(kByName);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->ttl.count(), 1);
  EXPECT_EQ(found->members[0].host, "10.0.0.9");  // the least by number
  EXPECT_EQ(found->members[1].host, "10.0.0.2");
  EXPECT_EQ(found->members[2].host, "fd00::3");
}

TEST(DnsLookup, ATargetWithoutAnAddressFailsTheWholeAnswer) {
  Replies replies;
  const DnsBytes two = DnsBytes()
                           .srv(kSrvName, 30, 0, 1, 1, "a.x")
                           .srv(kSrvName, 30, 0, 1, 1, "b.x")
                           .additional()
                           .a("a.x", 20, "10.0.0.1");
  replies.on("SRV _web._tcp.x", two).on("A b.x", none(kNobody)).on("AAAA b.x", none(kNobody));
  const auto dangling = replies.look_up_with({});
  EXPECT_EQ(text_of(dangling), "BACKEND_UNAVAILABLE");
  EXPECT_THAT(dangling.error().message, HasSubstr("b.x"));
  replies.on("A b.x", none(kReply | kServFail));
  EXPECT_EQ(text_of(replies.look_up_with({})), "BACKEND_UNAVAILABLE");
  replies.on("A b.x", none(kReply | kRefused));
  EXPECT_EQ(text_of(replies.look_up_with({})), "PERMISSION_DENIED");
}

TEST(DnsLookup, OnlyTheLowestPriorityIsMembersUnlessAllAreWanted) {
  Replies replies;
  replies.on("SRV _web._tcp.x", DnsBytes()
                                    .srv(kSrvName, 30, 20, 1, 1, "spare.x")
                                    .srv(kSrvName, 30, 10, 1, 1, "a.x")
                                    .additional()
                                    .a("a.x", 20, "10.0.0.1")
                                    .a("spare.x", 20, "10.0.0.2"));
  EXPECT_EQ(text_of(replies.look_up_with(kByName)), "a.x:1 ttl=20");
  const auto all = replies.look_up_with({{"id", "name"}, {"priorities", "all"}});
  EXPECT_EQ(text_of(all), "a.x:1 spare.x:1 ttl=20");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->members[0].labels.at("dns-priority"), "20");
  EXPECT_EQ(all->members[1].labels.at("dns-priority"), "10");
}

TEST(DnsLookup, R2_4_TheTargetRootMeansThatNobodyOffersIt) {
  EXPECT_EQ(text_of(Replies()
                        .on("SRV _web._tcp.x", DnsBytes().srv(kSrvName, 30, 0, 0, 0, ""))
                        .look_up_with({})),
            "ttl=30");
}

TEST(DnsLookup, TwoRecordsWithOneIdAreMalformed) {
  Replies replies;
  replies.on("SRV _web._tcp.x", DnsBytes()
                                    .srv(kSrvName, 30, 0, 1, 1, "a.x")
                                    .srv(kSrvName, 30, 0, 1, 1, "b.x")
                                    .additional()
                                    .a("a.x", 20, "10.0.0.1")
                                    .a("b.x", 20, "10.0.0.1"));
  EXPECT_EQ(text_of(replies.look_up_with({})), "MALFORMED_RESPONSE");
  EXPECT_EQ(text_of(replies.look_up_with(kByName)), "a.x:1 b.x:1 ttl=20");
}

TEST(DnsLookup, ANameWithOddBytesIsAnIdOnlyEscaped) {
  const std::string odd = dns_u16(0) + dns_u16(1) + dns_u16(1) + "\3a b" + std::string(1, '\0');
  Replies replies;
  replies.on("SRV _web._tcp.x",
             DnsBytes().record(kSrvName, 33, 30, odd).additional().a("a b", 20, "10.0.0.1"));
  EXPECT_EQ(text_of(replies.look_up_with(kByName)), "a\\032b:1 ttl=20");
}

// --- settings ---

TEST(DnsSettingsTest, ServersAreAddressesWithAPort) {
  const std::pair<const char*, const char*> good[] = {{"10.0.0.53", "10.0.0.53:53"},
                                                      {"10.0.0.53:5353", "10.0.0.53:5353"},
                                                      {"fd00::53", "[fd00::53]:53"},
                                                      {"[fd00::53]", "[fd00::53]:53"},
                                                      {"[fd00::53]:5353", "[fd00::53]:5353"}};
  for (const auto& [text, shown] : good) {
    const auto server = parse_dns_server(text);
    ASSERT_TRUE(server) << text;
    EXPECT_EQ(server->text, shown);
  }
  for (const char* bad :
       {"", "dns.example", "10.0.0.53:", "10.0.0.53:0", "10.0.0.53:65536", "10.0.0.53:5x",
        "[10.0.0.53]:53", "[fd00::53", "http://10.0.0.53", "fe80::1%eth0", "10.0.0"}) {
    EXPECT_FALSE(parse_dns_server(bad)) << bad;
  }
}

TEST(DnsSettingsTest, R1_1_EveryProblemIsNamed) {
  const auto factory = make_dns_factory();
  EXPECT_TRUE(factory->validate(descriptor({}), "p").empty());
  EXPECT_TRUE(factory->validate(descriptor(kBoth), "p").empty());
  const auto fields = [&](Params params) {
    std::vector<std::string> names;
    ProviderDescriptor d = descriptor(std::move(params));
    for (const Problem& problem : factory->validate(d, "p")) names.push_back(problem.field);
    return names;
  };
  EXPECT_THAT(fields({{"name", "a..b"}}), ElementsAre("p.watch_params.name"));
  EXPECT_THAT(fields({{"name", std::string(64, 'a')}}), ElementsAre("p.watch_params.name"));
  EXPECT_THAT(fields({{"name", "a b"}}), ElementsAre("p.watch_params.name"));
  EXPECT_THAT(fields({{"name", "."}}), ElementsAre("p.watch_params.name"));
  EXPECT_THAT(fields({{"type", "a"}}), ElementsAre("p.watch_params.port"));
  EXPECT_THAT(fields({{"port", "80"}}), ElementsAre("p.watch_params.port"));
  EXPECT_THAT(fields({{"type", "a"}, {"port", "80"}, {"id", "name"}}),
              ElementsAre("p.watch_params.id"));
  EXPECT_THAT(fields({{"type", "a"}, {"port", "65536"}}), ElementsAre("p.watch_params.port"));
  EXPECT_THAT(fields({{"type", "mx"}}), ::testing::Contains("p.watch_params.type"));
  EXPECT_THAT(fields({{"min_ttl_ms", "6000"}}), ElementsAre("p.watch_params.min_ttl_ms"));
  EXPECT_THAT(fields({{"max_ttl_ms", "3600001"}}), ElementsAre("p.watch_params.max_ttl_ms"));
  EXPECT_THAT(fields({{"timeout_ms", "1"}}), ElementsAre("p.watch_params.timeout_ms"));
  ProviderDescriptor bad = descriptor({});
  bad.endpoints = {"10.0.0.53", "dns.example"};
  bad.auth.token_file = "/t";
  const auto problems = factory->validate(bad, "p");
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].field, "p.endpoints[1]");
  EXPECT_EQ(problems[1].field, "p.auth");
}

TEST(DnsSettingsTest, S3_TheTtlIsHonouredWithinItsBoundsAndTheAttestIntervalFollows) {
  const DnsSettings settings = dns_settings(descriptor({}));
  using std::chrono::seconds;
  EXPECT_EQ(dns_interval(settings, seconds(0)), Duration(seconds(1)));
  EXPECT_EQ(dns_interval(settings, seconds(3)), Duration(seconds(3)));
  EXPECT_EQ(dns_interval(settings, seconds(86400)), Duration(seconds(5)));
  RealClock clock;
  const auto attest = [&](Params params) {
    auto provider =
        make_dns_factory()->create(descriptor(std::move(params)), {&clock, nullptr, ""});
    EXPECT_TRUE(provider);
    return (*provider)->attest_interval();
  };
  EXPECT_LE(attest({}), Duration(limits::kDegradedAfter));
  EXPECT_GE(attest({{"max_ttl_ms", "60000"}}), Duration(seconds(66)));
}

}  // namespace
}  // namespace rollcall::test
