#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/codec/json_reader.h"
#include "tests/backends/environment.h"
#include "tests/backends/process.h"

namespace rollcall::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{120};

Finished conformance(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), (bin_dir() / "rollcall-conformance").string());
  auto finished = run(std::move(arguments), kPatience);
  EXPECT_TRUE(finished) << (finished ? "" : finished.error());
  return finished ? *finished : Finished{{-1, 0}, ""};
}

// The checks with this outcome, from the report as JSON. gRPC's own lines may come before it.
std::vector<std::string> checks_with(const Finished& finished, const std::string& outcome) {
  const auto begin = finished.output.find("{\n");
  EXPECT_NE(begin, std::string::npos) << finished.output;
  if (begin == std::string::npos) return {};
  const auto report = parse_json(std::string_view(finished.output).substr(begin));
  EXPECT_TRUE(report.has_value()) << finished.output;
  std::vector<std::string> names;
  if (!report || report->find("checks") == nullptr) return names;
  for (const JsonValue& check : *report->find("checks")->as_array()) {
    if (*check.find("outcome")->as_string() == outcome) {
      names.push_back(*check.find("name")->as_string());
    }
  }
  return names;
}

// A plug-in in one of its modes of misbehaving; fewer streams, for it is about one fault.
Finished misbehaving(const std::string& mode) {
  return conformance({"--output", "json", "--streams", "8", "--",
                      (bin_dir() / "tests" / "misbehaving_plugin").string(), mode});
}

std::string json_of(const std::string& key, const std::string& value) {
  return "{\"" + key + "\":\"" + value + "\"}";
}

TEST(RollcallConformance, TheExampleInCppPassesEveryCheck) {
  const TempDir directory;
  std::filesystem::create_directories(directory / "members");
  std::filesystem::create_directories(directory / "nobody");
  write_file(directory / "members" / "a.json", R"({"id":"a","host":"10.0.0.1"})");
  write_file(directory / "b.json", R"({"id":"b","host":"10.0.0.2"})");
  const Finished finished = conformance(
      {"--config", json_of("directory", (directory / "members").string()), "--empty-config",
       json_of("directory", (directory / "nobody").string()), "--broken-config",
       json_of("directory", "/no/such/directory"), "--change-command",
       "cp '" + (directory / "b.json").string() + "' '" + (directory / "members").string() + "'",
       "--", (bin_dir() / "rollcall-plugin-directory").string()});
  EXPECT_EQ(finished.exit.code, 0) << finished.output;
  EXPECT_THAT(finished.output, HasSubstr("17 passed, 0 failed, 0 with advice, 1 not checked"));
}

TEST(RollcallConformance, TheExampleInPythonPassesEveryCheck) {
  const TempDir directory;
  write_file(directory / "nodes.csv", "id,host\na,10.0.0.1\n");
  write_file(directory / "nobody.csv", "id,host\n");
  const auto program = source_dir() / "deploy/examples/plugins/python/inventory_plugin.py";
  const Finished finished =
      conformance({"--config", json_of("csv_file", (directory / "nodes.csv").string()),
                   "--empty-config", json_of("csv_file", (directory / "nobody.csv").string()),
                   "--broken-config", json_of("csv_file", "/no/such/file"), "--change-command",
                   "echo b,10.0.0.2 >> '" + (directory / "nodes.csv").string() + "'", "--env",
                   json_of("PYTHONPATH", (bin_dir().parent_path() / "python-gen").string()), "--",
                   "/usr/bin/python3", "-B", program.string()});
  EXPECT_EQ(finished.exit.code, 0) << finished.output;
  EXPECT_THAT(finished.output, HasSubstr("17 passed, 0 failed, 0 with advice, 1 not checked"));
}

TEST(RollcallConformance, APluginThatMisbehavesFailsTheCheckOfItsFault) {
  const struct {
    const char* mode;
    const char* check;
  } faults[] = {{"wrong-version", "handshake.agrees"},
                {"no-watch", "handshake.agrees"},
                {"check-fails", "check.answers"},
                {"half-a-snapshot", "snapshot.whole"},
                {"empty", "watch.agrees"},
                {"hang-mid-stream", "watch.liveness"},
                {"fails-itself", "watch.liveness"},
                {"chunks-out-of-order", "watch.reconnect"},
                {"ignore-cancel", "watch.leaks"},
                {"leaks-descriptors", "watch.leaks"},
                {"announce-forgets", "announce.node"},
                {"ignore-term", "process.restart"}};
  for (const auto& [mode, check] : faults) {
    const Finished finished = misbehaving(mode);
    EXPECT_EQ(finished.exit.code, 1) << mode << ":\n" << finished.output;
    EXPECT_THAT(checks_with(finished, "FAIL"), Contains(check)) << mode;
    // A plug-in that does not end its part keeps nobody here waiting.
    if (std::string_view(mode) == "ignore-cancel" || std::string_view(mode) == "hang-mid-stream") {
      EXPECT_THAT(checks_with(finished, "pass"), Contains("watch.cancel")) << finished.output;
    }
  }
}

// The backend of the plug-in takes the token that is in the file `accepted`.
Finished rotate(const TempDir& directory, const std::string& mode, const char* seconds) {
  write_file(directory / "token", "old");
  write_file(directory / "accepted", "old");
  const std::string both = "printf new > '" + (directory / "token").string() + "'; printf new > '" +
                           (directory / "accepted").string() + "'";
  return conformance({"--output", "json", "--streams", "4", "--token-file",
                      (directory / "token").string(), "--rotate-command", both, "--rotate-seconds",
                      seconds, "--env",
                      json_of("ACCEPTED_TOKEN", (directory / "accepted").string()), "--",
                      (bin_dir() / "tests" / "misbehaving_plugin").string(), mode});
}

TEST(RollcallConformance, ARotatedTokenHasToBeTakenUp) {
  const TempDir directory;
  EXPECT_THAT(checks_with(rotate(directory, "token", "75"), "pass"), Contains("auth.rotates"));
  EXPECT_THAT(checks_with(rotate(directory, "token-once", "3"), "FAIL"), Contains("auth.rotates"));
}

TEST(RollcallConformance, WhatIsNotCheckedAndWhatIsNotGoodIsSaidAndFailsNothing) {
  const Finished finished = misbehaving("attest");
  EXPECT_EQ(finished.exit.code, 0) << finished.output;
  EXPECT_THAT(checks_with(finished, "not checked"), Contains("answer.empty"));
  EXPECT_THAT(checks_with(finished, "advice"), Contains("handshake.config"));
}

TEST(RollcallConformance, WhatCannotBeBegunIsAnotherExitStatus) {
  EXPECT_EQ(conformance({}).exit.code, 2);
  EXPECT_EQ(conformance({"--socket", "/no/such/socket"}).exit.code, 2);
  EXPECT_EQ(conformance({"--", "/no/such/program"}).exit.code, 2);
  EXPECT_EQ(conformance({"--config", "no json", "--", "/bin/true"}).exit.code, 2);
  const Finished ended = conformance({"--", "/bin/true"});
  EXPECT_EQ(ended.exit.code, 2);
  EXPECT_THAT(ended.output, HasSubstr("exited with status 0"));
  EXPECT_EQ(conformance({"--help"}).exit.code, 0);
}

}  // namespace
}  // namespace rollcall::test
