// Alerts and dashboard, by promtool and against what is exposed: an expression with a misspelt
// metric, label or value is valid, and never true.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <regex>
#include <sstream>

#include "core/codec/json_reader.h"
#include "core/codec/json_writer.h"
#include "core/codec/yaml_reader.h"
#include "provisioning/announce/announce_machine.h"
#include "provisioning/telemetry/metrics.h"
#include "tests/backends/process.h"
#include "tests/deploy/asked_for.h"

namespace rollcall::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPromtoolLimit{60'000};

std::filesystem::path monitoring(const std::string& name) {
  return source_dir() / "deploy" / "prometheus" / name;
}
std::string rules_text() { return read_file(monitoring("rollcall.rules.yaml")); }
std::string dashboard_text() {
  return read_file(source_dir() / "deploy" / "grafana" / "rollcall.json");
}

void expect_promtool_passes(std::vector<std::string> arguments) {
  const auto binary = find_server("ROLLCALL_PROMTOOL", "promtool", "prometheus-*/usr/bin/promtool");
  ASSERT_TRUE(binary) << binary.error();
  arguments.insert(arguments.begin(), binary->string());
  const auto finished = run(std::move(arguments), kPromtoolLimit);
  ASSERT_TRUE(finished) << finished.error();
  EXPECT_TRUE(finished->exit.ok()) << finished->output;
}

std::string text_at(const JsonValue& object, std::string_view key) {
  const JsonValue* found = object.find(key);
  return found != nullptr && found->as_string() != nullptr ? *found->as_string() : "";
}

const JsonValue::Array& list_at(const JsonValue& object, std::string_view key) {
  static const JsonValue::Array kNone;
  const JsonValue* found = object.find(key);
  return found != nullptr && found->as_array() != nullptr ? *found->as_array() : kNone;
}

std::vector<JsonValue> alerts() {
  const auto document = parse_yaml(rules_text());
  EXPECT_TRUE(document) << document.error().message;
  std::vector<JsonValue> result;
  if (!document) return result;
  for (const JsonValue& group : list_at(*document, "groups")) {
    for (const JsonValue& rule : list_at(group, "rules")) result.push_back(rule);
  }
  EXPECT_FALSE(result.empty());
  return result;
}

std::vector<std::string> alert_expressions() {
  std::vector<std::string> result;
  for (const JsonValue& alert : alerts()) result.push_back(text_at(alert, "expr"));
  return result;
}

// As Grafana sends them: its variables replaced.
std::vector<std::string> dashboard_expressions() {
  static const std::regex chosen(R"(\$(job|cluster|instance)\b)");
  static const std::regex interval(R"(\$__rate_interval\b)");
  const auto dashboard = parse_json(dashboard_text());
  EXPECT_TRUE(dashboard) << dashboard.error().message;
  std::vector<std::string> result;
  if (!dashboard) return result;
  for (const JsonValue& panel : list_at(*dashboard, "panels")) {
    const bool row = text_at(panel, "type") == "row";
    EXPECT_EQ(list_at(panel, "targets").empty(), row) << text_at(panel, "title");
    for (const JsonValue& target : list_at(panel, "targets")) {
      std::string text = std::regex_replace(text_at(target, "expr"), chosen, ".*");
      result.push_back(std::regex_replace(text, interval, "1m"));
      EXPECT_EQ(result.back().find('$'), std::string::npos) << result.back();
    }
  }
  EXPECT_FALSE(result.empty());
  return result;
}

TEST(Monitoring, PromtoolPassesTheAlertsTheirStoriesAndTheScrapeExamples) {
  expect_promtool_passes(
      {"check", "rules", "--lint-fatal", monitoring("rollcall.rules.yaml").string()});
  expect_promtool_passes({"test", "rules", monitoring("rollcall.rules.test.yaml").string()});
  expect_promtool_passes({"check", "config", monitoring("prometheus.yaml").string()});
  expect_promtool_passes({"check", "config", "--agent", monitoring("agent.yaml").string()});
}

TEST(Monitoring, PrometheusUnderstandsEveryExpressionOfTheDashboard) {
  JsonWriter rules;  // YAML reads JSON
  rules.begin_object().key("groups").begin_array().begin_object().field("name", "dashboard");
  rules.key("rules").begin_array();
  int count = 0;
  for (const std::string& expression : dashboard_expressions()) {
    rules.begin_object().field("record", "panel:" + std::to_string(++count));
    rules.field("expr", expression).end_object();
  }
  const auto text = std::move(rules.end_array().end_object().end_array().end_object()).finish();
  ASSERT_TRUE(text) << text.error().message;
  const TempDir dir;
  write_file(dir / "rules.json", *text);
  expect_promtool_passes({"check", "rules", (dir / "rules.json").string()});
}

// The metric as the reference has it; the series of a histogram are its own.
const MetricInfo* find_info(std::string name) {
  static const std::regex part("_(bucket|sum|count)$");
  const auto& all = ProvisioningMetrics::reference();
  const auto named = [&](const MetricInfo& info) { return info.name == name; };
  if (const auto found = std::ranges::find_if(all, named); found != all.end()) {
    return found->type == "histogram" ? nullptr : &*found;
  }
  name = std::regex_replace(name, part, "");
  const auto found = std::ranges::find_if(all, named);
  return found != all.end() && found->type == "histogram" ? &*found : nullptr;
}

bool scraped_label(const std::string& label) {  // given by whoever scrapes
  return label == "job" || label == "cluster" || label == "instance";
}

bool has_label(const MetricInfo& info, const std::string& label) {
  const std::string list = ", " + std::string(info.labels) + ",";
  return list.find(", " + label + ",") != std::string::npos ||
         (label == "le" && info.type == "histogram");
}

// A page on which every enumerated label has the values that alerts and panels choose by.
std::string exposed_page() {
  MetricsSample sample;
  sample.providers.emplace_back().id = ProviderId("p");
  for (std::size_t i = 1; i <= kAnnounceStates; ++i) {
    sample.announce_states.push_back(to_string(static_cast<AnnounceState>(i)));
  }
  sample.announcements.push_back({ProviderId("p"), sample.announce_states.front(), std::nullopt});
  ProvisioningMetrics metrics("1");
  metrics.store_written("providers.jsonl", StoreOutcome::Ok, Duration::zero());
  metrics.request("GetStatus", std::nullopt);
  metrics.announce_call(ProviderId("p"), "register", std::nullopt);
  return metrics.expose(sample);
}

bool has_series(const std::string& exposed, const std::string& metric, const Matcher& wanted) {
  const std::string label = wanted.label + "=\"" + wanted.value + "\"";
  std::istringstream lines(exposed);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(metric + "{")) continue;
    for (const char* before : {"{", ","}) {
      if (line.find(before + label) != std::string::npos) return true;
    }
  }
  return false;
}

void expect_exposed(const Selector& selector, const std::string& exposed) {
  const MetricInfo* info = find_info(selector.metric);
  ASSERT_NE(info, nullptr) << selector.metric << " is no metric";
  for (const Matcher& matcher : selector.matchers) {
    if (scraped_label(matcher.label)) continue;
    EXPECT_TRUE(has_label(*info, matcher.label)) << selector.metric << " by " << matcher.label;
    EXPECT_TRUE(matcher.op == "=" || matcher.op == "!=") << "name the values of " << matcher.label;
    EXPECT_TRUE(has_series(exposed, selector.metric, matcher))
        << selector.metric << " never has " << matcher.label << "=\"" << matcher.value << '"';
  }
}

TEST(Monitoring, WhatAlertsAndPanelsAskForIsExposed) {
  const std::string exposed = exposed_page();
  std::vector<std::string> expressions = alert_expressions();
  for (std::string& expression : dashboard_expressions()) {
    expressions.push_back(std::move(expression));
  }
  const auto& all = ProvisioningMetrics::reference();
  for (const std::string& expression : expressions) {
    SCOPED_TRACE(expression);
    for (const Selector& selector : selectors(expression)) expect_exposed(selector, exposed);
    for (const std::string& label : grouping_labels(expression)) {
      const auto has_it = [&](const MetricInfo& info) { return has_label(info, label); };
      EXPECT_TRUE(scraped_label(label) || std::ranges::any_of(all, has_it)) << "no label " << label;
    }
  }
  // And what is named elsewhere: variables of the dashboard, comments, the stories.
  for (const std::string& text :
       {rules_text(), read_file(monitoring("rollcall.rules.test.yaml")), dashboard_text()}) {
    for (const std::string& name : metric_names(text)) {
      EXPECT_NE(find_info(name), nullptr) << name << " is no metric";
    }
  }
}

TEST(Monitoring, EveryAlertSaysWhatToDoAndHasItsRowAndItsStory) {
  const std::string stories = read_file(monitoring("rollcall.rules.test.yaml"));
  const std::string page = read_file(source_dir() / "deploy" / "operating.md");
  std::set<std::string> rows;
  const std::regex row("\n\\| `(Rollcall\\w+)` \\| (critical|warning) \\| ");
  for (auto it = std::sregex_iterator(page.begin(), page.end(), row); it != std::sregex_iterator();
       ++it) {
    rows.insert((*it)[1].str() + " " + (*it)[2].str());
  }
  std::set<std::string> told;
  for (const JsonValue& alert : alerts()) {
    const std::string name = text_at(alert, "alert");
    const JsonValue* labels = alert.find("labels");
    const JsonValue* annotations = alert.find("annotations");
    ASSERT_TRUE(labels != nullptr && annotations != nullptr) << name;
    told.insert(name + " " + text_at(*labels, "severity"));
    for (const char* what : {"summary", "description", "first_step"}) {
      EXPECT_NE(text_at(*annotations, what), "") << name << " without " << what;
    }
    const std::string fires = "- labels: ALERTS{alertname=\"" + name + "\", alertstate=\"firing\"";
    EXPECT_NE(stories.find(fires), std::string::npos) << name << " fires in no story";
  }
  EXPECT_EQ(rows, told) << "deploy/operating.md has other alerts or severities";
}

}  // namespace
}  // namespace rollcall::test
