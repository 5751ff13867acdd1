// What an API server's answers mean, case by case.
#include "providers/kubernetes/kubernetes_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/providers/kubernetes_text.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

KubernetesSettings settings_of_web() {
  KubernetesSettings settings;
  settings.service = "web";
  settings.name_space = "default";
  return settings;
}

Result<SlicePage> parse(const std::string& object,
                        const KubernetesSettings& settings = settings_of_web()) {
  return parse_page(page_text("9", {object}), settings);
}

// The only endpoint of a slice.
ClusterNode node_of(const SliceText& slice, const KubernetesSettings& s = settings_of_web()) {
  const auto page = parse(slice_text(slice), s);
  EXPECT_TRUE(page.has_value()) << (page ? "" : page.error().message);
  if (!page || page->slices.size() != 1 || page->slices[0].endpoints.size() != 1) {
    ADD_FAILURE() << "one endpoint expected";
    return {};
  }
  return page->slices[0].endpoints[0].node;
}

void expect_refused(const std::string& object, const std::string& field,
                    const KubernetesSettings& s = settings_of_web()) {
  const auto page = parse(object, s);
  ASSERT_FALSE(page.has_value()) << object;
  EXPECT_EQ(page.error().code, ErrorCode::MalformedResponse);
  EXPECT_THAT(page.error().message, HasSubstr(field));
}

TEST(KubernetesAnswer, AnEndpointBecomesAMember) {
  const ClusterNode node = node_of(
      {"web-1", "7", {{"web-0", "10.1.2.3", "\"ready\":true", R"("zone":"z1","nodeName":"n1")"}}});
  EXPECT_EQ(node.id.str(), "web-0");
  EXPECT_EQ(node.host, "10.1.2.3");
  EXPECT_EQ(node.port, 7000);
  EXPECT_EQ(node.zone, "z1");
  EXPECT_EQ(node.status, NodeStatus::Ready);
  EXPECT_EQ(node.weight, 1u);
  EXPECT_TRUE(node.labels.empty());
  EXPECT_EQ(node.incarnation, "");
}

TEST(KubernetesAnswer, ThreeConditionsMakeThreeStatesAndNilHasItsMeaning) {
  const struct {
    const char* conditions;
    NodeStatus status;
  } cases[] = {
      {"", NodeStatus::Ready},  // all nil
      {R"("ready":null,"serving":null,"terminating":null)", NodeStatus::Ready},
      {R"("ready":true,"serving":true,"terminating":false)", NodeStatus::Ready},
      {R"("ready":false)", NodeStatus::NotReady},
      {R"("ready":false,"serving":false)", NodeStatus::NotReady},
      {R"("ready":false,"serving":true)", NodeStatus::NotReady},
      {R"("ready":false,"serving":true,"terminating":true)", NodeStatus::Draining},
      {R"("ready":false,"terminating":true)", NodeStatus::Draining},
      {R"("ready":false,"serving":false,"terminating":true)", NodeStatus::NotReady},
      // publishNotReadyAddresses forces ready; leaving is leaving.
      {R"("ready":true,"serving":true,"terminating":true)", NodeStatus::Draining},
      {R"("ready":true,"serving":false,"terminating":true)", NodeStatus::NotReady},
      {R"("ready":true,"serving":false,"terminating":false)", NodeStatus::Ready},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(node_of({"s", "1", {{"a", "10.0.0.1", c.conditions, ""}}}).status, c.status)
        << c.conditions;
  }
}

TEST(KubernetesAnswer, OnlyTheFirstAddressCounts) {
  const auto page =
      parse(R"({"metadata":{"name":"s","resourceVersion":"1"},"addressType":"IPv4","endpoints":[)"
            R"({"addresses":["10.0.0.7","10.0.0.8"],"targetRef":{"kind":"Pod","name":"a"}}],)"
            R"("ports":[{"port":1}]})");
  ASSERT_TRUE(page.has_value()) << page.error().message;
  EXPECT_EQ(page->slices[0].endpoints[0].node.host, "10.0.0.7");
}

TEST(KubernetesAnswer, ThePortIsTheNamedOneOrTheOnlyOne) {
  SliceText slice{"s", "1", {{"a", "10.0.0.1", "", ""}}};
  KubernetesSettings settings = settings_of_web();
  slice.ports = R"([{"name":"http","port":80},{"name":"grpc","port":90}])";
  settings.port_name = "grpc";
  EXPECT_EQ(node_of(slice, settings).port, 90);
  expect_refused(slice_text(slice), "s.ports");  // which one?
  settings.port_name = "admin";
  expect_refused(slice_text(slice), "s.ports", settings);
  settings.port_name.clear();
  settings.port_number = 4321;
  EXPECT_EQ(node_of(slice, settings).port, 4321);
  slice.ports = R"([{"name":"any","port":null}])";
  EXPECT_EQ(node_of(slice).port, 0);
  slice.ports = "null";
  EXPECT_EQ(node_of(slice).port, 0);
  slice.ports = R"([{"port":70000}])";
  expect_refused(slice_text(slice), "s.ports.port");
  slice.ports = R"({"port":1})";
  expect_refused(slice_text(slice), "s.ports");
}

TEST(KubernetesAnswer, IdsComeFromWhereTheSettingsSay) {
  using Id = KubernetesSettings::Id;
  const SliceText slice{"s", "1", {{"web-0", "10.0.0.9", "", R"("hostname":"h","nodeName":"n")"}}};
  KubernetesSettings settings = settings_of_web();
  const std::pair<Id, const char*> ids[] = {
      {Id::PodName, "web-0"}, {Id::Address, "10.0.0.9"}, {Id::Hostname, "h"}, {Id::NodeName, "n"}};
  for (const auto& [id, expected] : ids) {
    settings.id = id;
    EXPECT_EQ(node_of(slice, settings).id.str(), expected);
  }
  const SliceText bare{"s", "1", {{"", "10.0.0.9", "", ""}}};
  const std::pair<Id, const char*> missing[] = {{Id::PodName, "s.endpoints[0].targetRef"},
                                                {Id::Hostname, "s.endpoints[0].hostname"},
                                                {Id::NodeName, "s.endpoints[0].nodeName"}};
  for (const auto& [id, field] : missing) {
    settings.id = id;
    expect_refused(slice_text(bare), field, settings);
  }
  settings.id = Id::Address;
  EXPECT_EQ(node_of(bare, settings).id.str(), "10.0.0.9");
}

TEST(KubernetesAnswer, LabelsOfTheSliceAreTakenOnlyWhenAskedFor) {
  SliceText slice{"s", "1", {{"a", "10.0.0.1", "", ""}}};
  slice.labels =
      R"({"kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"x",)"
      R"("a.k8s.io/b":"c","team":"blue","mine.example/rack":"r1","rollcall-weight":"7",)"
      R"("rollcall-incarnation":"life-2"})";
  EXPECT_TRUE(node_of(slice).labels.empty());
  EXPECT_EQ(node_of(slice).weight, 1u);
  KubernetesSettings settings = settings_of_web();
  settings.slice_labels = true;
  const ClusterNode node = node_of(slice, settings);
  EXPECT_THAT(node.labels, ::testing::ElementsAre(::testing::Pair("mine.example/rack", "r1"),
                                                  ::testing::Pair("team", "blue")));
  EXPECT_EQ(node.weight, 7u);
  EXPECT_EQ(node.incarnation, "life-2");
  slice.labels = R"({"rollcall-weight":"heavy"})";
  expect_refused(slice_text(slice), "rollcall-weight", settings);
}

TEST(KubernetesAnswer, OnlySlicesOfTheWantedAddressType) {
  SliceText slice{"s", "1", {{"a", "fd00::1", "", ""}}, "IPv6"};
  KubernetesSettings settings = settings_of_web();
  EXPECT_EQ(node_of(slice, settings).host, "fd00::1");
  settings.addresses = KubernetesSettings::Addresses::IPv4;
  const auto page = parse(slice_text(slice), settings);
  ASSERT_TRUE(page.has_value());
  EXPECT_TRUE(page->slices[0].endpoints.empty());
  slice.type = "Carrier pigeon";
  expect_refused(slice_text(slice), "s.addressType");
}

TEST(KubernetesAnswer, AnEmptyListAndAnEmptySliceAreAnswers) {
  for (const char* items : {"[]", "null"}) {
    const auto page =
        parse_page(std::string(R"({"metadata":{"resourceVersion":"5"},"items":)") + items + "}",
                   settings_of_web());
    ASSERT_TRUE(page.has_value()) << page.error().message;
    EXPECT_EQ(page->version, "5");
    EXPECT_TRUE(page->slices.empty());
  }
  const auto page = parse(slice_text({"s", "1", {}, "IPv4", "null"}));
  ASSERT_TRUE(page.has_value()) << page.error().message;
  EXPECT_TRUE(page->slices.at(0).endpoints.empty());
}

TEST(KubernetesAnswer, WhatIsWrongIsRefusedAsAWhole) {
  const std::string good = slice_text({"good", "1", {{"a", "10.0.0.1", "", ""}}});
  const std::string bad[] = {
      "1",
      "{}",
      R"({"metadata":{"name":"s"}})",
      R"({"metadata":{"name":"","resourceVersion":"1"}})",
      R"({"metadata":{"name":"s","resourceVersion":1}})",
      R"({"metadata":{"name":"s","resourceVersion":"1"},"metadata":{}})",
      slice_text({"s", "1", {{"a", "", "", ""}}}),                     // no host
      slice_text({"s", "1", {{"a", "10.0.0.1", "\"ready\":1", ""}}}),  // no truth
      slice_text({"s", "1", {{"a", "10.0.0.1", "", "\"zone\":[]"}}}),  // no text
      slice_text({"s", "1", {{"a", std::string(300, 'x'), "", ""}}}),  // too long
      R"({"metadata":{"name":"s","resourceVersion":"1"},"addressType":"IPv4","endpoints":{}})",
      R"({"metadata":{"name":"s","resourceVersion":"1"},"addressType":"IPv4","endpoints":[{}]})",
      R"({"metadata":{"name":"s","resourceVersion":"1"},"addressType":"IPv4",)"
      R"("endpoints":[{"addresses":[]}]})",
      R"({"metadata":{"name":"s","resourceVersion":"1"},"addressType":"IPv4",)"
      R"("endpoints":[{"addresses":[7]}]})",
  };
  for (const std::string& object : bad) {
    const auto page = parse_page(page_text("9", {good, object}), settings_of_web());
    ASSERT_FALSE(page.has_value()) << object;
    EXPECT_EQ(page.error().code, ErrorCode::MalformedResponse) << object;
  }
  for (const char* body : {"", "[]", "<html>", R"({"items":[]})", R"({"metadata":{},"items":[]})",
                           R"({"metadata":{"resourceVersion":"1"},"items":{}})",
                           R"({"metadata":{"resourceVersion":"1"}})"}) {
    EXPECT_FALSE(parse_page(body, settings_of_web()).has_value()) << body;
    EXPECT_FALSE(parse_head(body).has_value()) << body;
  }
}

TEST(KubernetesAnswer, EventsOfAWatch) {
  const KubernetesSettings settings = settings_of_web();
  const std::string slice = slice_text({"s", "12", {{"a", "10.0.0.1", "", ""}}});
  const auto added = parse_event(event_text("ADDED", slice), settings);
  ASSERT_TRUE(added.has_value()) << added.error().message;
  EXPECT_EQ(added->type, WatchEvent::Type::Added);
  EXPECT_EQ(added->slice.name, "s");
  EXPECT_EQ(added->slice.version, "12");
  EXPECT_EQ(added->slice.endpoints.size(), 1u);
  EXPECT_EQ(parse_event(event_text("MODIFIED", slice), settings)->type, WatchEvent::Type::Modified);
  // Of what is gone only the name matters, whatever else is wrong with it.
  const auto deleted = parse_event(
      event_text("DELETED", R"({"metadata":{"name":"s","resourceVersion":"13"},"endpoints":7})"),
      settings);
  ASSERT_TRUE(deleted.has_value()) << deleted.error().message;
  EXPECT_EQ(deleted->type, WatchEvent::Type::Deleted);
  EXPECT_EQ(deleted->slice.version, "13");
  const auto bookmark = parse_event(bookmark_text("99"), settings);
  ASSERT_TRUE(bookmark.has_value()) << bookmark.error().message;
  EXPECT_EQ(bookmark->type, WatchEvent::Type::Bookmark);
  EXPECT_EQ(bookmark->slice.version, "99");
  for (const char* line :
       {"", "{", "[]", R"({"type":"ADDED"})", R"({"type":7,"object":{}})",
        R"({"type":"RENAMED","object":{}})", R"({"type":"BOOKMARK","object":{}})",
        R"({"type":"DELETED","object":{"metadata":{}}})"}) {
    const auto event = parse_event(line, settings);
    ASSERT_FALSE(event.has_value()) << line;
    EXPECT_EQ(event.error().code, ErrorCode::MalformedResponse) << line;
  }
}

TEST(KubernetesAnswer, AnErrorInTheWatchIsWhatItsStatusSays) {
  const struct {
    int code;
    const char* reason;
    ErrorCode expected;
  } cases[] = {
      {410, "Expired", ErrorCode::OutOfOrder},
      {410, "Gone", ErrorCode::OutOfOrder},
      {0, "Expired", ErrorCode::OutOfOrder},
      {410, "", ErrorCode::OutOfOrder},
      {500, "InternalError", ErrorCode::BackendUnavailable},
      {429, "TooManyRequests", ErrorCode::BackendUnavailable},
      {403, "Forbidden", ErrorCode::PermissionDenied},
      {0, "", ErrorCode::MalformedResponse},
  };
  for (const auto& c : cases) {
    const auto event = parse_event(error_event_text(c.code, c.reason), settings_of_web());
    ASSERT_FALSE(event.has_value());
    EXPECT_EQ(event.error().code, c.expected) << c.code << c.reason;
  }
}

TEST(KubernetesAnswer, EveryStatusHasItsCode) {
  const std::pair<int, ErrorCode> codes[] = {
      {301, ErrorCode::MalformedResponse},  {400, ErrorCode::InvalidConfig},
      {401, ErrorCode::AuthFailed},         {403, ErrorCode::PermissionDenied},
      {404, ErrorCode::CapabilityMissing},  {410, ErrorCode::OutOfOrder},
      {418, ErrorCode::MalformedResponse},  {429, ErrorCode::BackendUnavailable},
      {500, ErrorCode::BackendUnavailable}, {504, ErrorCode::BackendUnavailable}};
  for (const auto& [status, code] : codes) {
    HttpResponse response;
    response.status = status;
    response.body = R"({"kind":"Status","message":"what the server said"})";
    const auto judged = judge(response);
    ASSERT_FALSE(judged.has_value()) << status;
    EXPECT_EQ(judged.error().code, code) << status;
    EXPECT_THAT(judged.error().message, HasSubstr("what the server said"));
    response.body = std::string(100'000, 'x');
    EXPECT_LE(judge(response).error().message.size(), 512u);
  }
  HttpResponse fine;
  fine.status = 200;
  EXPECT_TRUE(judge(fine).has_value());
}

TEST(KubernetesAnswer, TheHeadOfAList) {
  const std::string slice = slice_text({"s", "7", {}});
  auto head = parse_head(page_text("9", {slice}, "more"));
  ASSERT_TRUE(head.has_value()) << head.error().message;
  EXPECT_EQ(head->version, "9");
  EXPECT_EQ(head->first, "s");
  EXPECT_EQ(head->first_version, "7");
  EXPECT_TRUE(head->more);
  EXPECT_FALSE(parse_head(page_text("9", {slice}))->more);
  EXPECT_TRUE(parse_head(page_text("9", {slice, slice}))->more);
  EXPECT_EQ(parse_head(page_text("9", {}))->first, "");
}

TEST(KubernetesAnswer, VersionsAreNumbersOfAnyLengthOrCannotBeCompared) {
  const auto less = std::optional(std::strong_ordering::less);
  EXPECT_EQ(compare_versions("9", "10"), less);
  EXPECT_EQ(compare_versions("18446744073709551616", "18446744073709551617"), less);
  EXPECT_EQ(compare_versions("12", "12"), std::optional(std::strong_ordering::equal));
  EXPECT_EQ(compare_versions("21", "12"), std::optional(std::strong_ordering::greater));
  for (const char* odd : {"", "0", "01", "-1", "1a", "a"}) {
    EXPECT_FALSE(compare_versions(odd, "1").has_value()) << odd;
    EXPECT_FALSE(compare_versions("1", odd).has_value()) << odd;
  }
}

}  // namespace
}  // namespace rollcall::test
