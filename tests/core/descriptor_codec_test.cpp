#include "core/codec/descriptor_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/codec/json_reader.h"

namespace rollcall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::vector<std::string> fields_of(const ProvisioningError& error) {
  std::vector<std::string> fields;
  for (const Problem& problem : error.problems) fields.push_back(problem.field);
  return fields;
}

ProvisioningError refused(std::string_view text) {
  const auto descriptors = parse_descriptors(text);
  EXPECT_FALSE(descriptors) << text;
  return descriptors ? ProvisioningError{} : descriptors.error();
}

constexpr std::string_view kConsulJson =
    R"({"id":"c1","kind":"consul","priority":10,"endpoints":["http://127.0.0.1:8500"],)"
    R"("auth":{"token_file":"/run/token"},"watch_params":{"service":"db","wait_ms":10000,)"
    R"("passing":true},"standby":"cold","enabled":true})";

TEST(DescriptorCodec, KnowsWhetherAFileSaysThatAProviderIsEnabled) {
  EXPECT_TRUE(says_enabled(kConsulJson));
  for (const char* says : {"id: a\nenabled: false\n", "- {id: a, enabled: true}",
                           R"({"providers":[{"id":"a"},{"id":"b","enabled":true}]})"}) {
    EXPECT_TRUE(says_enabled(says)) << says;
  }
  for (const char* silent : {"id: a\n", "- {id: a}", R"({"id":"a","enabled":null})",
                             R"({"watch_params":{"enabled":true}})", "7", "{"}) {
    EXPECT_FALSE(says_enabled(silent)) << silent;
  }
}

TEST(DescriptorCodec, ReadsTheFileFormOfTheDesign) {
  const auto descriptors = parse_descriptors(kConsulJson);
  ASSERT_TRUE(descriptors) << descriptors.error().message;
  ASSERT_EQ(descriptors->size(), 1u);
  const ProviderDescriptor& d = descriptors->front();
  EXPECT_EQ(d.id, ProviderId("c1"));
  EXPECT_EQ(d.kind, "consul");
  EXPECT_EQ(d.priority, 10);
  EXPECT_THAT(d.endpoints, ElementsAre("http://127.0.0.1:8500"));
  EXPECT_EQ(d.auth.token_file, "/run/token");
  EXPECT_EQ(d.watch_params, (std::map<std::string, std::string>{
                                {"service", "db"}, {"wait_ms", "10000"}, {"passing", "true"}}));
  EXPECT_EQ(d.standby, Standby::Cold);
  EXPECT_TRUE(d.enabled);
  EXPECT_EQ(d.origin, Origin::Api);
}

TEST(DescriptorCodec, YamlObjectListAndProvidersAreTheSame) {
  const std::string yaml = R"(id: c1
kind: consul
priority: 10
endpoints: ["http://127.0.0.1:8500"]
auth: {token_file: /run/token}
watch_params: {service: db, wait_ms: 10000, passing: true}
standby: cold
)";
  const auto expected = parse_descriptors(kConsulJson).value();
  EXPECT_EQ(parse_descriptors(yaml).value(), expected);
  EXPECT_EQ(parse_descriptors("[" + std::string(kConsulJson) + "]").value(), expected);
  EXPECT_EQ(parse_descriptors("{\"providers\":[" + std::string(kConsulJson) + "]}").value(),
            expected);
}

TEST(DescriptorCodec, R1_1_NamesEveryProblemAtOnce) {
  const auto error = refused(
      R"([{"id":"OK?","kind":7,"priority":3000000000,"endpoints":"x","auth":{"token_file":"rel"},)"
      R"("watch_params":{"a":[]},"standby":"warm","enabled":"yes","prio":1},{"id":"b"}])");
  EXPECT_EQ(error.code, ErrorCode::InvalidConfig);
  EXPECT_THAT(
      fields_of(error),
      UnorderedElementsAre("providers[0].id", "providers[0].kind", "providers[0].priority",
                           "providers[0].endpoints", "providers[0].auth.token_file",
                           "providers[0].watch_params.a", "providers[0].standby",
                           "providers[0].enabled", "providers[0].prio", "providers[1].kind"));
}

TEST(DescriptorCodec, SecretsInTheOpenAreRefusedAndNeverRepeated) {
  for (const char* text : {R"({"id":"a","kind":"consul","token":"hunter2"})",
                           R"({"id":"a","kind":"consul","auth":{"token":"hunter2"}})",
                           R"({"id":"a","kind":"consul","auth":{"password":"hunter2"}})",
                           R"({"id":"a","kind":"consul","secret":"hunter2"})",
                           R"({"id":"a","kind":"consul","watch_params":{"token":"hunter2"}})",
                           R"({"id":"a","kind":"consul","endpoints":["http://u:hunter2@h"]})",
                           "id: a\nkind: consul\nauth:\n  secret: hunter2\n"}) {
    const auto error = refused(text);
    EXPECT_EQ(error.message.find("hunter2"), std::string::npos) << error.message;
    ASSERT_EQ(error.problems.size(), 1u) << text;
    EXPECT_THAT(error.problems[0].expected, HasSubstr("token_file"));
    EXPECT_EQ(error.problems[0].value.find("hunter2"), std::string::npos);
  }
}

TEST(DescriptorCodec, ASecretWhereItsReferenceBelongsIsNeverRepeated) {
  const std::string pem = R"(-----BEGIN KEY-----\nhunter2\n-----END KEY-----)";
  for (const std::string& auth :
       {std::string(R"("hunter2")"), std::string(R"({"token_file":"hunter2"})"),
        std::string(R"({"token_file":["hunter2"]})"), std::string(R"({"ca_file":"hunter2"})"),
        std::string(R"({"cert_file":"/c","key_file":")") + pem + "\"}",
        std::string(R"({"cert_file":"hunter2","key_file":"/k"})"),
        std::string(R"({"token_file":")") + std::string(5000, 'x') + "hunter2\"}",
        std::string(R"({"token_file":{"hunter2":"hunter2"}})")}) {
    const auto error = refused(R"({"id":"a","kind":"consul","auth":)" + auth + "}");
    ASSERT_EQ(error.problems.size(), 1u) << auth;
    EXPECT_EQ(error.problems[0].value, "(hidden)") << auth;
    EXPECT_THAT(error.problems[0].field, HasSubstr("auth"));
    EXPECT_EQ(error.message.find("hunter2"), std::string::npos) << error.message;
  }
  const auto error = refused(R"({"id":"a","kind":"consul","auth":{"token_file":1234567}})");
  EXPECT_EQ(error.problems[0].value, "(hidden)") << "a number may be one as well";
}

TEST(DescriptorCodec, APasswordInAnEndpointIsNotRepeatedWhateverItsFormIs) {
  for (const char* endpoints : {R"("http://u:hunter2@h")", R"({"a":"http://u:hunter2@h"})",
                                R"(["http://u:hunter2@h",7])"}) {
    const auto error =
        refused(R"({"id":"a","kind":"consul","endpoints":)" + std::string(endpoints) + "}");
    for (const Problem& problem : error.problems) {
      EXPECT_EQ(problem.value.find("hunter2"), std::string::npos) << problem.value;
    }
    EXPECT_EQ(error.message.find("hunter2"), std::string::npos) << error.message;
  }
}

TEST(DescriptorCodec, R1_2_TwoWithOneIdAreDuplicateName) {
  const auto error = refused(R"([{"id":"a","kind":"file"},{"id":"b","kind":"file"},)"
                             R"({"id":"a","kind":"file"}])");
  EXPECT_EQ(error.code, ErrorCode::DuplicateName);
  EXPECT_THAT(fields_of(error), ElementsAre("providers[2].id"));
}

TEST(DescriptorCodec, WhatIsNoDescriptorIsRefused) {
  for (const char* text : {"", "1", "\"x\"", "[1]", "[[]]", "{}", "{\"providers\":1}", "null",
                           "{\"providers\":[],\"x\":1}", "- a"}) {
    refused(text);
  }
  EXPECT_TRUE(parse_descriptors("[]")->empty());
  std::string many = "[";
  for (std::size_t i = 0; i <= limits::kMaxProviders; ++i) {
    many += R"({"id":"p)" + std::to_string(i) + R"(","kind":"file"},)";
  }
  many.back() = ']';
  EXPECT_THAT(refused(many).message, HasSubstr("at most 64"));
}

TEST(DescriptorCodec, StoredFormComesBackExactly) {
  ProviderDescriptor d = parse_descriptors(kConsulJson)->front();
  d.enabled = false;
  d.disabled_reason = "maintenance \"x\"";
  d.origin = Origin::Config;
  d.priority = -7;
  const std::string text = descriptor_to_json(d, DescriptorForm::Stored).value();
  ProblemList problems;
  const ProviderDescriptor back =
      read_descriptor(parse_json(text).value(), "", DescriptorForm::Stored, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(back, d);
  EXPECT_EQ(descriptor_to_json(back, DescriptorForm::Stored).value(), text);
  EXPECT_EQ(text.find('\n'), std::string::npos) << "one line of providers.jsonl";
}

TEST(DescriptorCodec, TheOperatorsFormHasNoOrigin) {
  const ProviderDescriptor d = parse_descriptors(kConsulJson)->front();
  const std::string text = descriptor_to_json(d, DescriptorForm::Operator, 2).value();
  EXPECT_EQ(text.find("origin"), std::string::npos);
  EXPECT_EQ(parse_descriptors(text)->front(), d);
  EXPECT_THAT(fields_of(refused(R"({"id":"a","kind":"file","origin":"config"})")),
              ElementsAre("origin"));
}

TEST(DescriptorCodec, R1_1_AnUnjudgedDescriptorIsReadForOthersToNameAllItsProblems) {
  const char* text = R"({"id": "X Y", "kind": "no-such-kind", "watch_params": {"foo": 1}})";
  EXPECT_FALSE(parse_descriptors(text));
  const auto read = parse_descriptors(text, {}, DescriptorForm::Unjudged);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->front().id, ProviderId("X Y"));
  EXPECT_EQ(read->front().watch_params.at("foo"), "1");
  // What can't be read, and secrets in the open, never go further.
  EXPECT_FALSE(parse_descriptors(R"({"id": 1, "kind": "file"})", {}, DescriptorForm::Unjudged));
  EXPECT_FALSE(parse_descriptors(R"({"id": "a", "kind": "file", "auth": {"token": "t"}})", {},
                                 DescriptorForm::Unjudged));
}

}  // namespace
}  // namespace rollcall
