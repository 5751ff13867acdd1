#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/provider.h"

namespace rollcall {
namespace {

using ::testing::HasSubstr;
using Fields = std::vector<std::string>;

KindInfo sample_kind() {
  return {"sample",
          "A kind for the tests.",
          true,
          true,
          {{"service", "string", "", true, "the name of the service"},
           {"count", "integer", "3", false, "how many"},
           {"wait_ms", "duration_ms", "10000", false, "how long"},
           {"path", "path", "", false, "where"},
           {"verify", "bool", "true", false, "whether"},
           {"mode", "enum fast|slow", "fast", false, "how"}}};
}

ProviderDescriptor with_params(std::map<std::string, std::string> params) {
  ProviderDescriptor d;
  d.endpoints = {"http://h"};
  d.watch_params = std::move(params);
  return d;
}

Fields fields_of(const ProviderDescriptor& d, std::string_view prefix = "") {
  Fields fields;
  for (const Problem& problem : validate_params(sample_kind(), d, prefix)) {
    fields.push_back(problem.field);
  }
  return fields;
}

TEST(ValidateParams, AcceptsEveryTypeAndMissingOptionalOnes) {
  EXPECT_EQ(fields_of(with_params({{"service", "db"}})), Fields{});
  EXPECT_EQ(fields_of(with_params({{"service", "db"},
                                   {"count", "-3"},
                                   {"wait_ms", "0"},
                                   {"path", "/x"},
                                   {"verify", "false"},
                                   {"mode", "slow"}})),
            Fields{});
}

TEST(ValidateParams, R1_1_NamesEveryProblemAtOnce) {
  EXPECT_EQ(fields_of(with_params({{"count", "3.5"},
                                   {"wait_ms", "-1"},
                                   {"path", "x"},
                                   {"verify", "yes"},
                                   {"mode", "fas"},
                                   {"servcie", "typo"}}),
                      "p"),
            (Fields{"p.watch_params.service", "p.watch_params.count", "p.watch_params.wait_ms",
                    "p.watch_params.path", "p.watch_params.verify", "p.watch_params.mode",
                    "p.watch_params.servcie"}));
}

TEST(ValidateParams, NumbersAreWholeAndFit) {
  for (const char* bad : {"", " 1", "1 ", "+1", "0x1", "1e3", "99999999999999999999"}) {
    EXPECT_EQ(fields_of(with_params({{"service", "s"}, {"count", bad}})),
              Fields{"watch_params.count"})
        << bad;
  }
  EXPECT_EQ(fields_of(with_params({{"service", "s"}, {"wait_ms", "9223372036854775807"}})),
            Fields{"watch_params.wait_ms"});
}

TEST(ValidateParams, AnUnknownNameIsAnsweredWithTheKnownOnesAndNotItsValue) {
  const auto problems =
      validate_params(sample_kind(), with_params({{"service", "s"}, {"tokn", "s3cret"}}), "");
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].value, "");
  EXPECT_THAT(problems[0].expected, HasSubstr("service, count, wait_ms"));
}

TEST(ValidateParams, EndpointsAreNeededOrHaveNoPlace) {
  ProviderDescriptor d = with_params({{"service", "s"}});
  d.endpoints.clear();
  EXPECT_EQ(fields_of(d), Fields{"endpoints"});
  KindInfo info = sample_kind();
  info.needs_endpoints = false;
  EXPECT_TRUE(validate_params(info, d, "").empty());
  d.endpoints = {"http://user:hunter2@h"};
  const auto problems = validate_params(info, d, "");
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].value, "(hidden)") << "there may be a password in them";
}

TEST(ValidateParams, ARequiredTextMustNotBeEmpty) {
  EXPECT_EQ(fields_of(with_params({{"service", ""}})), Fields{"watch_params.service"});
}

}  // namespace
}  // namespace rollcall
