// Consul tells whom it doesn't know nothing of what it left out: an answer to a question without a
// token may be any part of the cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "providers/consul/consul_provider.h"
#include "tests/backends/environment.h"
#include "tests/providers/consul_text.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Connection = ScriptedServer::Connection;

constexpr const char* kDeny = "X-Consul-Default-Acl-Policy: deny\r\n";
constexpr const char* kAllow = "X-Consul-Default-Acl-Policy: allow\r\n";

class ConsulMasked : public ::testing::Test {
 protected:
  std::unique_ptr<ClusterProvider> create(const std::string& token = "") {
    ProviderDescriptor d;
    d.id = ProviderId("c");
    d.kind = "consul";
    d.endpoints = {server_.url()};
    d.watch_params = {{"service", "web"}, {"wait_ms", "20"}, {"id", "service"}};
    if (!token.empty()) {
      d.auth.token_file = (directory_ / "token").string();
      write_file(d.auth.token_file, token);
    }
    auto provider = make_consul_factory()->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value());
    return provider ? std::move(*provider) : nullptr;
  }
  // What is listed from now on, and what the agent says of a request without a token.
  void lists(const std::vector<std::string>& ids) {
    std::string body;
    for (const std::string& id : ids) body += (body.empty() ? "" : ",") + consul_entry("n", id);
    const std::lock_guard lock(mutex_);
    list_ = "[" + body + "]";
  }
  void says_of_us(const std::string& answer) {
    const std::lock_guard lock(mutex_);
    self_ = answer;
  }
  void policy_is(const char* header) {
    const std::lock_guard lock(mutex_);
    policy_ = header;
  }
  static std::string news(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); }));
  }
  static std::string first_that_is_no_failure(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); }));
  }

  const std::string kNobody = http_status("403 Forbidden", "ACL not found");
  const std::string kStranger = http_ok(R"({"AccessorID":"00000000-0000-0000-0000-000000000002"})");
  const std::string kKnown = http_ok(R"({"AccessorID":"7a2b"})");
  const std::string kNoAcls = http_status("401 Unauthorized", "ACL support disabled");

  RealClock clock_;
  TempDir directory_;
  std::mutex mutex_;  // guards the three
  std::string list_ = "[]";
  std::string self_ = kNobody;
  std::string policy_ = kDeny;
  ScriptedServer server_{[this](Connection& c, const std::string& head) {
    std::string answer;
    {
      const std::lock_guard lock(mutex_);
      const bool about_us = head.find("/v1/acl/token/self") != std::string::npos;
      answer = about_us ? self_ : consul_ok(list_, 5, policy_);
    }
    return c.send(answer);
  }};
};

TEST_F(ConsulMasked, MembersThatAStrangerNoLongerSeesStay) {
  for (const char* policy : {kDeny, kAllow}) {
    SCOPED_TRACE(policy);
    policy_is(policy);
    lists({"a", "b"});
    says_of_us(kNobody);
    const auto provider = create();
    {
      StreamReader stream(provider->stream());
      EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
      lists({"a"});
      EXPECT_THAT(news(stream), HasSubstr("PERMISSION_DENIED"));
      lists({"b", "c"});  // as many as before, and not the same
      // The stream is ahead of its reader: the last of three has seen it.
      for (int i = 0; i < 3; ++i) EXPECT_THAT(news(stream), HasSubstr("PERMISSION_DENIED"));
      lists({"a", "b", "c"});  // who is there is there
      EXPECT_EQ(first_that_is_no_failure(stream), "snapshot[a b c]");
      says_of_us(kStranger);
      lists({"a"});
      EXPECT_THAT(news(stream), HasSubstr("acl.tokens.default"));
    }
    StreamReader next(provider->stream());
    EXPECT_THAT(to_text(next.next()), HasSubstr("PERMISSION_DENIED"));
    says_of_us(kKnown);
    EXPECT_EQ(first_that_is_no_failure(next), "snapshot[a]");
  }
}

TEST_F(ConsulMasked, WithoutAccessControlMembersLeave) {
  policy_is(kAllow);  // an agent says so without access control, too
  says_of_us(kNoAcls);
  lists({"a", "b"});
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  lists({"a"});
  EXPECT_EQ(news(stream), "snapshot[a]");
  lists({});
  EXPECT_EQ(news(stream), "snapshot[]");
}

TEST_F(ConsulMasked, R1_4_NothingAtAllIsNoClusterWhereAStrangerMayBeDenied) {
  policy_is(kAllow);
  const auto soon = [&] { return clock_.now() + Duration(std::chrono::seconds(5)); };
  const auto checked = create()->check_connectivity(soon());
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::PermissionDenied);
  says_of_us(kNoAcls);
  EXPECT_TRUE(create()->check_connectivity(soon()).has_value());
}

TEST_F(ConsulMasked, WithATokenTheAnswerSpeaksForItself) {
  lists({"a", "b"});
  StreamReader stream(create("7a2b1c3d-1111-4222-8333-444455556666")->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  lists({});
  EXPECT_EQ(news(stream), "snapshot[]");
}

}  // namespace
}  // namespace rollcall::test
