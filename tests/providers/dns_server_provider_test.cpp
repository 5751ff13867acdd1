// The dns provider against a real Knot DNS: records that come and go, TTLs, silence, refusal, a
// restart, a zone that can't be loaded, names that are not served, TCP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/dns/dns_provider.h"
#include "tests/backends/assert_done.h"
#include "tests/backends/dns_server.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Params = std::map<std::string, std::string>;

constexpr std::uint64_t kSeed = 3;

const std::string kA = "_web._tcp SRV 0 1 7000 a\na A 10.0.0.1\n";
const std::string kAB = kA + "_web._tcp SRV 0 2 7000 b\nb A 10.0.0.2\n";

class DnsServerProvider : public ::testing::Test {
 protected:
  void start(DnsServerProcess::Options options = {}) {
    auto server = DnsServerProcess::start(std::move(options));
    ASSERT_TRUE(server) << server.error();
    knot_ = std::move(*server);
  }
  std::unique_ptr<ClusterProvider> create(Params params = {},
                                          std::vector<std::string> servers = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("dns");
    d.kind = "dns";
    d.endpoints = servers.empty() ? std::vector{knot_->address()} : std::move(servers);
    d.watch_params = std::move(params);
    for (const auto& [key, value] : {std::pair{"name", "_web._tcp.rollcall.test"},
                                     {"min_ttl_ms", "50"},
                                     {"max_ttl_ms", "1000"},
                                     {"timeout_ms", "900"}}) {
      d.watch_params.try_emplace(key, value);
    }
    if (!d.watch_params.contains("type")) d.watch_params.try_emplace("id", "name");
    auto provider = make_dns_factory(kSeed)->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  std::string snapshot_of(Params params) {
    const auto answer = create(std::move(params))
                            ->initial_snapshot(clock_.now() + Duration(std::chrono::seconds(5)));
    return answer ? to_text(*answer) : std::string(to_string(answer.error().code));
  }
  static FailedAnswer failure(StreamReader& stream) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); });
    const auto* failed = std::get_if<FailedAnswer>(&event);
    return failed == nullptr ? FailedAnswer{ErrorCode::NotFound, to_text(event)} : *failed;
  }
  static std::string first_that_is_no_failure(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); }));
  }
  static void until_members(StreamReader& stream, const std::string& wanted) {
    stream.until([&](const ProviderEvent& e) { return to_text(e) == "snapshot[" + wanted + "]"; });
  }

  RealClock clock_;
  std::unique_ptr<DnsServerProcess> knot_;
};

constexpr char kIdA[] = "a.rollcall.test:7000";
const std::string kIdsAB = std::string(kIdA) + " b.rollcall.test:7000";

TEST_F(DnsServerProvider, R2_1_RecordsComeChangeAndGo) {
  start({.tcp_only = false, .records = kA});
  StreamReader stream(create()->stream());
  until_members(stream, kIdA);
  ASSERT_DONE(knot_->set_records(kAB));
  until_members(stream, kIdsAB);
  ASSERT_DONE(knot_->set_records("_web._tcp SRV 0 1 7000 a\na A 10.0.0.9\n"));
  stream.until([](const ProviderEvent& e) {  // another address is a change of the same member
    const auto* s = std::get_if<ProviderSnapshot>(&e);
    return s != nullptr && s->members.size() == 1 && s->members[0].host == "10.0.0.9";
  });
  ASSERT_DONE(knot_->set_records(""));  // NXDOMAIN
  until_members(stream, "");            // R2.4: confirmed empty, and nothing else is
  ASSERT_DONE(knot_->set_records("_web._tcp TXT \"none left\""));  // NODATA
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  ASSERT_DONE(knot_->set_records("_web._tcp SRV 0 0 0 .\n"));  // decidedly not offered
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  ASSERT_DONE(knot_->set_records(kAB));
  until_members(stream, kIdsAB);
}

TEST_F(DnsServerProvider, AQuietNameIsAttested) {
  start({.tcp_only = false, .records = kA});
  StreamReader stream(create()->stream());
  until_members(stream, kIdA);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(DnsServerProvider, SilenceIsATimeoutAndPasses) {
  start({.tcp_only = false, .records = kA});
  StreamReader stream(create()->stream());
  until_members(stream, kIdA);
  ASSERT_TRUE(knot_->pause());
  EXPECT_EQ(failure(stream).code, ErrorCode::Timeout);
  ASSERT_TRUE(knot_->resume());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");  // the same members, none told anew
}

TEST_F(DnsServerProvider, RefusalIsAnOutageAndARestartPasses) {
  start({.tcp_only = false, .records = kA});
  StreamReader stream(create()->stream());
  until_members(stream, kIdA);
  knot_->kill();
  EXPECT_EQ(failure(stream).code, ErrorCode::BackendUnavailable);
  ASSERT_DONE(knot_->restart());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
  ASSERT_DONE(knot_->set_records(kAB));
  until_members(stream, kIdsAB);
}

TEST_F(DnsServerProvider, AZoneThatCannotBeLoadedIsAFailureAndNoEmptyCluster) {
  start({.tcp_only = false, .records = kA});
  StreamReader stream(create()->stream());
  until_members(stream, kIdA);
  ASSERT_DONE(knot_->break_zone());
  stream.until([](const ProviderEvent& e) {
    const auto* failed = std::get_if<FailedAnswer>(&e);
    return failed != nullptr && failed->detail.find("SERVFAIL") != std::string::npos &&
           failed->code == ErrorCode::BackendUnavailable;
  });
  ASSERT_DONE(knot_->set_records(kA));
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(DnsServerProvider, ATargetWithoutAnAddressIsAFailureAndNoSmallerCluster) {
  start({.tcp_only = false, .records = kAB});
  StreamReader stream(create()->stream());
  until_members(stream, kIdsAB);
  ASSERT_DONE(knot_->set_records(kA + "_web._tcp SRV 0 2 7000 b\n"));
  const FailedAnswer dangling = failure(stream);
  EXPECT_EQ(dangling.code, ErrorCode::BackendUnavailable);
  EXPECT_THAT(dangling.detail, HasSubstr("b.rollcall.test"));
  ASSERT_DONE(knot_->set_records(kAB));
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(DnsServerProvider, TheTtlSaysWhenToAskAgain) {
  start({.tcp_only = false, .records = "x 1 A 10.0.0.1\n"});
  // The bounds leave all to the TTL: by the lower one it would be asked again at once, by the upper
  // one in an hour. (That longer ones are waited for: dns_hostile_test, which counts questions.)
  const auto stream = create({{"name", "x.rollcall.test"},
                              {"type", "a"},
                              {"port", "80"},
                              {"min_ttl_ms", "20"},
                              {"max_ttl_ms", "3600000"}})
                          ->stream();
  const ProviderEvent first = stream->next();
  ASSERT_EQ(to_text(first), "snapshot[10.0.0.1:80]");
  EXPECT_EQ(std::get<ProviderSnapshot>(first).backend_index, "ttl=1");
  const ProviderEvent second = stream->next();
  ASSERT_EQ(to_text(second), "unchanged");
  // However slow the machine is, it only gets longer.
  EXPECT_GE(std::get<UnchangedAnswer>(second).times.read_began -
                std::get<ProviderSnapshot>(first).times.complete,
            Duration(std::chrono::seconds(1)));
}

TEST_F(DnsServerProvider, EveryKindOfRecordIsFollowed) {
  start({.tcp_only = false,
         .records = "x A 10.0.0.2\nx A 10.0.0.1\nx AAAA fd00::1\nsix AAAA fd00::6\n"
                    "alias CNAME x\nring1 CNAME ring2\nring2 CNAME ring1\n"
                    "away CNAME x.other.test.\n" +
                    kAB + "_web._tcp SRV 7 1 7000 spare\nspare A 10.0.0.3\n" +
                    "_six._tcp SRV 0 1 80 six\n_far._tcp SRV 0 1 80 x.other.test.\n"});
  ASSERT_DONE(knot_->set_other("x A 10.9.9.9\n"));
  const auto addresses = [&](const std::string& name, const std::string& type) {
    return snapshot_of({{"name", name + ".rollcall.test"}, {"type", type}, {"port", "80"}});
  };
  EXPECT_EQ(addresses("x", "a"), "snapshot[10.0.0.1:80 10.0.0.2:80]");
  EXPECT_EQ(addresses("X", "aaaa"), "snapshot[[fd00::1]:80]");
  EXPECT_EQ(addresses("x", "a+aaaa"), "snapshot[10.0.0.1:80 10.0.0.2:80 [fd00::1]:80]");
  EXPECT_EQ(addresses("six", "a+aaaa"), "snapshot[[fd00::6]:80]");  // NODATA of A
  EXPECT_EQ(addresses("six", "a"), "snapshot[]");
  EXPECT_EQ(addresses("nobody", "a+aaaa"), "snapshot[]");
  EXPECT_EQ(addresses("alias", "a"), "snapshot[10.0.0.1:80 10.0.0.2:80]");
  EXPECT_EQ(addresses("away", "a"), "snapshot[10.9.9.9:80]");
  EXPECT_EQ(addresses("ring1", "a"), "MALFORMED_RESPONSE");
  EXPECT_EQ(snapshot_of({}), "snapshot[" + kIdsAB + "]");
  EXPECT_EQ(snapshot_of({{"name", "_web._tcp.rollcall.test."}, {"type", "srv"}}),
            "snapshot[10.0.0.1:7000 10.0.0.2:7000]");
  EXPECT_EQ(snapshot_of({{"priorities", "all"}}),
            "snapshot[" + kIdsAB + " spare.rollcall.test:7000]");
  EXPECT_EQ(snapshot_of({{"name", "_six._tcp.rollcall.test"}, {"type", "srv"}}),
            "snapshot[[fd00::6]:80]");
  EXPECT_EQ(snapshot_of({{"name", "_far._tcp.rollcall.test"}}), "snapshot[x.other.test:80]");
  EXPECT_EQ(snapshot_of({{"name", "_web._tcp.elsewhere.test"}}), "PERMISSION_DENIED");  // REFUSED
}

TEST_F(DnsServerProvider, WhatUdpCutsComesOverTcp) {
  start({.tcp_only = true, .records = kAB});
  StreamReader stream(create()->stream());
  until_members(stream, kIdsAB);
  EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(DnsServerProvider, R2_5_TheNextServerTakesOverWithoutAFailure) {
  start({.tcp_only = false, .records = kA});
  auto second = DnsServerProcess::start({.tcp_only = false, .records = kAB});
  ASSERT_TRUE(second) << second.error();
  StreamReader stream(create({}, {knot_->address(), (*second)->address()})->stream());
  until_members(stream, kIdA);
  knot_->kill();
  const ProviderEvent event = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  EXPECT_EQ(to_text(event), "snapshot[" + kIdsAB + "]");
}

TEST_F(DnsServerProvider, R1_4_WhatCannotWorkIsRefusedAtRegistration) {
  start({.tcp_only = false, .records = kA});
  const auto deadline = clock_.now() + Duration(limits::kConnectivityDeadline);
  EXPECT_TRUE(create()->check_connectivity(deadline).has_value());
  const auto refused = create({{"name", "_web._tcp.elsewhere.test"}})->check_connectivity(deadline);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::PermissionDenied);
  EXPECT_THAT(refused.error().message, HasSubstr(knot_->address()));
}

}  // namespace
}  // namespace rollcall::test
