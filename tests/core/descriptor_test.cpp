#include "core/descriptor.h"

#include <gtest/gtest.h>

#include "core/limits.h"

namespace rollcall {
namespace {

using Fields = std::vector<std::string>;

ProviderDescriptor good_descriptor() {
  ProviderDescriptor d;
  d.id = ProviderId("consul-1");
  d.kind = "consul";
  d.endpoints = {"http://127.0.0.1:8500"};
  d.auth.token_file = "/run/token";
  d.watch_params = {{"service", "db"}};
  return d;
}

Fields fields_of(const ProviderDescriptor& d, std::string_view prefix = "") {
  Fields fields;
  for (const Problem& problem : validate_descriptor(d, prefix)) fields.push_back(problem.field);
  return fields;
}

TEST(ValidateDescriptor, AcceptsAGoodOne) { EXPECT_EQ(fields_of(good_descriptor()), Fields{}); }

TEST(ValidateDescriptor, R1_1_NamesEveryProblemAtOnce) {
  ProviderDescriptor d;
  d.endpoints = {"", "http://a", "http://a"};
  d.auth.token_file = "relative";
  d.auth.cert_file = "/c";
  d.watch_params = {{"bad name", "x"}, {"v", "\x01"}};
  d.standby = static_cast<Standby>(7);
  d.disabled_reason = "why";
  EXPECT_EQ(fields_of(d, "providers[2]"),
            (Fields{"providers[2].id", "providers[2].kind", "providers[2].endpoints[0]",
                    "providers[2].endpoints[2]", "providers[2].auth.token_file",
                    "providers[2].auth.key_file", "providers[2].watch_params.bad name",
                    "providers[2].watch_params.v", "providers[2].standby",
                    "providers[2].disabled_reason"}));
}

TEST(ValidateDescriptor, IdsAreSafeInPathsLabelsAndLogs) {
  for (const char* good : {"a", "0", "a-b.c_d", "7up"}) {
    ProviderDescriptor d = good_descriptor();
    d.id = ProviderId(good);
    EXPECT_EQ(fields_of(d), Fields{}) << good;
  }
  for (const char* bad : {"", "A", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n"}) {
    ProviderDescriptor d = good_descriptor();
    d.id = ProviderId(bad);
    EXPECT_EQ(fields_of(d), Fields{"id"}) << bad;
  }
  ProviderDescriptor d = good_descriptor();
  d.id = ProviderId(std::string(limits::kMaxProviderIdBytes, 'a'));
  EXPECT_EQ(fields_of(d), Fields{});
  d.id = ProviderId(std::string(limits::kMaxProviderIdBytes + 1, 'a'));
  EXPECT_EQ(fields_of(d), Fields{"id"});
}

TEST(ValidateDescriptor, CredentialsInAnEndpointAreRefusedAndNeverRepeated) {
  for (const char* endpoint : {"http://user:hunter2@h:1", "hunter2@h", "http://hunter2@h/p"}) {
    ProviderDescriptor d = good_descriptor();
    d.endpoints = {endpoint};
    const auto problems = validate_descriptor(d, "");
    ASSERT_EQ(problems.size(), 1u) << endpoint;
    EXPECT_EQ(problems[0].value.find("hunter2"), std::string::npos);
    EXPECT_EQ(problems[0].expected.find("hunter2"), std::string::npos);
  }
  ProviderDescriptor d = good_descriptor();
  d.endpoints = {"http://h/path@v1"};
  EXPECT_EQ(fields_of(d), Fields{}) << "behind the authority an @ is only a character";
}

TEST(ValidateDescriptor, CountsAreBounded) {
  ProviderDescriptor d = good_descriptor();
  d.endpoints.clear();
  for (std::size_t i = 0; i <= limits::kMaxEndpoints; ++i) d.endpoints.push_back(std::to_string(i));
  for (std::size_t i = 0; i <= limits::kMaxWatchParams; ++i) d.watch_params[std::to_string(i)] = "";
  EXPECT_EQ(fields_of(d), (Fields{"endpoints", "watch_params"}));
}

TEST(SameBackend, OnlyWhatTheStreamDependsOnMatters) {
  const ProviderDescriptor base = good_descriptor();
  ProviderDescriptor d = base;
  d.priority = 9;
  d.standby = Standby::Cold;
  d.enabled = false;
  d.disabled_reason = "x";
  d.origin = Origin::Config;
  EXPECT_TRUE(same_backend(base, d));
  d = base;
  d.kind = "etcd";
  EXPECT_FALSE(same_backend(base, d));
  d = base;
  d.endpoints.push_back("http://b");
  EXPECT_FALSE(same_backend(base, d));
  d = base;
  d.auth.ca_file = "/ca";
  EXPECT_FALSE(same_backend(base, d));
  d = base;
  d.watch_params["tag"] = "x";
  EXPECT_FALSE(same_backend(base, d));
}

}  // namespace
}  // namespace rollcall
