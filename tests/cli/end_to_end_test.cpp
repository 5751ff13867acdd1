// The command as a process against the real sidecar.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/cli/end_to_end_fixture.h"

namespace rollcall::test {
namespace {

TEST_F(EndToEndTest, R2_5_TheTourLosesTheActiveProviderWithoutAFalseLeave) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  expect(0, {"member", "join", "n2", "10.0.0.2:7000"});
  const std::string path = (daemon_.directory() / "members.json").string();
  write_file(path, R"([{"id":"n1","host":"10.0.0.1","port":7000},
                       {"id":"n2","host":"10.0.0.2","port":7000}])");
  expect(0, {"providers", "add", "-"}, file_descriptor("spare", -10, path));
  ASSERT_TRUE(becomes("HEALTHY", {"providers", "show", "spare"}));
  const std::string before = position();
  expect(0, {"providers", "disable", "default", "--reason", "tour"});
  const std::string change = expect(
      0, {"--output", "json", "watch", "--bridge", "remoting", "--after", before, "--count", "1"});
  EXPECT_NE(change.find(R"("event":"provider_changed")"), std::string::npos) << change;
  EXPECT_NE(change.find(R"("to_provider_id":"spare")"), std::string::npos);
  expect(0, {"member", "join", "n3", "10.0.0.3:7000"});  // of a provider that is not active
  const JsonValue members = json({"members"});
  EXPECT_EQ(members.find("members")->as_array()->size(), 2u);
  EXPECT_EQ(*members.find("provider")->as_string(), "spare");
  EXPECT_NE(
      daemon_.get("/metrics")
          .body.find(
              R"(rollcall_failovers_total{from="default",reason="MANUAL_OVERRIDE",to="spare"} 1)"),
      std::string::npos);
}

std::vector<std::string> commands_of_the_tour() {
  const std::string readme = read_file(source_dir() / "README.md");
  const auto end = readme.find("## The way of the data");
  std::vector<std::string> commands;
  for (auto at = readme.find("\n$ "); at < end; at = readme.find("\n$ ", at + 1)) {
    commands.push_back(readme.substr(at + 3, readme.find('\n', at + 1) - at - 3));
  }
  return commands;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// The README's own lines, in a shell; what the tour says it shows is what it shows.
TEST_F(EndToEndTest, TheReadmesTourIsAsItSays) {
  const auto commands = commands_of_the_tour();
  ASSERT_GE(commands.size(), 2u);
  ASSERT_LE(commands.size(), 8u);
  ASSERT_EQ(commands[0], "rollcall watch --bridge remoting");
  ASSERT_TRUE(becomes("EMPTY", {"status"}));
  const std::string before = position();
  std::string output;
  for (std::size_t i = 1; i < commands.size(); ++i) {
    std::string line = replaced(commands[i], "127.0.0.1:9631", daemon_.http_address());
    line = replaced(line, "/tmp/rollcall-tour.yaml", (daemon_.directory() / "tour.yaml").string());
    const auto finished = run({"/bin/bash", "-c",
                               "export PATH=" + bin_dir().string() +
                                   ":$PATH ROLLCALL_SERVER=" + daemon_.address() + "; " + line},
                              kHungProgram);
    ASSERT_TRUE(finished) << finished.error();
    EXPECT_EQ(finished->exit.code, 0) << line << "\n" << finished->output;
    output += finished->output;
    if (line.find("providers add") != std::string::npos) {
      ASSERT_TRUE(becomes("HEALTHY", {"providers", "show", "spare"}));
    }
  }
  EXPECT_NE(output.find("Nothing needs attention"), std::string::npos) << output;
  EXPECT_NE(output.find(R"(rollcall_active_provider{provider="spare"} 1)"), std::string::npos);
  const std::string readme = read_file(source_dir() / "README.md");
  const std::string watched =
      expect(0, {"watch", "--bridge", "remoting", "--after", before, "--count", "6"});
  EXPECT_NE(readme.find(watched), std::string::npos) << watched;
}

TEST_F(EndToEndTest, R2_4_StatusSaysWhatIsWrongAndCheckExitsWith4) {
  const std::string empty = expect(4, {"status", "--check"});
  EXPECT_NE(empty.find("placement is paused"), std::string::npos) << empty;
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  ASSERT_TRUE(becomes("AVAILABLE", {"status"}));
  EXPECT_NE(expect(0, {"status", "--check"}).find("Nothing needs attention"), std::string::npos);
}

TEST_F(EndToEndTest, R5_5_RefusalsPrintTheirCodeAndExitWith1) {
  const auto refused = [&](const char* code, std::vector<std::string> arguments,
                           std::string_view input = {}) {
    const std::string text = expect(1, std::move(arguments), input);
    EXPECT_TRUE(text.starts_with("error: " + std::string(code))) << text;
  };
  refused("DUPLICATE_NAME", {"providers", "add", "-"}, R"({"id":"default","kind":"in-memory"})");
  refused("NOT_FOUND", {"providers", "show", "nobody"});
  refused("NOT_FOUND", {"member", "leave", "nobody"});
  refused("INVALID_CONFIG", {"providers", "add", "-"}, R"({"id":"f","kind":"file"})");
  refused("REVISION_CONFLICT", {"providers", "remove", "default", "--revision", "77"});
  refused("NOT_FOUND", {"switch", "nobody"});
  refused("INVALID_CONFIG", {"watch", "--cluster", "another"});
}

TEST_F(EndToEndTest, R5_4_ADryRunShowsThePlanAndChangesNothing) {
  const std::string path = (daemon_.directory() / "members.json").string();
  write_file(path, "[]");
  const std::string set = "[" + file_descriptor("a", 5, path) + "]";
  const std::string plan = expect(0, {"providers", "apply", "-", "--dry-run", "--prune"}, set);
  EXPECT_NE(plan.find("+ a  add"), std::string::npos) << plan;
  EXPECT_NE(plan.find("- default  remove"), std::string::npos) << plan;
  EXPECT_NE(plan.find("1 to add, 0 to change, 1 to remove"), std::string::npos) << plan;
  EXPECT_EQ(*json({"providers", "list"}).find("revision")->as_string(), "1");
  expect(0, {"providers", "apply", "-", "--revision", "1"}, set);
  const JsonValue list = json({"providers", "list"});
  EXPECT_EQ(*list.find("revision")->as_string(), "2");
  EXPECT_EQ(list.find("providers")->as_array()->size(), 2u);
  const std::string bad = expect(1, {"providers", "apply", "-", "--dry-run"},
                                 R"([{"id":"b","kind":"file"},{"id":"c","kind":"consul"}])");
  EXPECT_NE(bad.find("watch_params.path"), std::string::npos) << bad;
  EXPECT_NE(bad.find("watch_params.service"), std::string::npos) << bad;
}

TEST_F(EndToEndTest, WatchBeginsWithASnapshotAndGoesOnAfterAPosition) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  const std::string first = expect(0, {"watch", "--bridge", "partition", "--count", "1"});
  EXPECT_NE(first.find("snapshot"), std::string::npos) << first;
  EXPECT_NE(first.find("1 member, AVAILABLE"), std::string::npos) << first;
  const std::string at = position();
  expect(0, {"member", "join", "n2", "10.0.0.2:7000"});
  const std::string next = expect(0, {"watch", "--after", at, "--count", "2"});
  EXPECT_NE(next.find("delta                 +n2  from default"), std::string::npos) << next;
  EXPECT_NE(next.find("remote_topology       JOIN n2 10.0.0.2:7000"), std::string::npos) << next;
  const std::string foreign = expect(0, {"watch", "--after", "1:1", "--count", "1"});
  EXPECT_NE(foreign.find("snapshot"), std::string::npos) << foreign;
}

TEST_F(EndToEndTest, AWatchWhoseNameIsTakenEndsAndSaysSo) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  Process::Options options;
  options.argv = {(bin_dir() / "rollcall").string(),
                  "--server",
                  daemon_.address(),
                  "watch",
                  "--consumer",
                  "me"};
  options.output = daemon_.directory() / "first";
  auto first = Process::start(options);
  ASSERT_TRUE(first) << first.error();
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    return read_file(options.output).find("snapshot") != std::string::npos;
  }));
  expect(0, {"watch", "--consumer", "me", "--count", "1"});
  const auto ended = first->wait(kHungProgram);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 1);
  EXPECT_NE(first->output_tail().find("error: OUT_OF_ORDER"), std::string::npos);
}

TEST_F(EndToEndTest, R4_2_QuarantineBlocksAndRecoverUnblocksAfterARefresh) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  expect(0, {"quarantine", "n1"});
  ASSERT_TRUE(becomes("READY, BLOCKED", {"members"}));
  expect(0, {"recover", "n1"});
  expect(0, {"member", "join", "n2", "10.0.0.2:7000"});  // an answer that has n1 as well
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    return rollcall({"members"}).output.find("BLOCKED") == std::string::npos;
  }));
  EXPECT_NE(expect(0, {"quarantine", "ghost"}).find("no member now"), std::string::npos);
}

TEST_F(EndToEndTest, ASwitchPinsAndIsCleared) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  const std::string path = (daemon_.directory() / "members.json").string();
  write_file(path, R"([{"id":"n1","host":"10.0.0.1","port":7000}])");
  expect(0, {"providers", "add", "-"}, file_descriptor("spare", -10, path));
  ASSERT_TRUE(becomes("HEALTHY", {"providers", "show", "spare"}));
  EXPECT_EQ(expect(0, {"switch", "spare", "--for", "5m"}), "Active provider: spare.\n");
  EXPECT_NE(expect(0, {"status"}).find("pinned to spare"), std::string::npos);
  expect(0, {"switch", "--clear"});
  EXPECT_EQ(*json({"status"}).find("pinned_provider")->as_string(), "");
}

TEST_F(EndToEndTest, ProvidersAreUpdatedDisabledAndEnabled) {
  const std::string path = (daemon_.directory() / "members.json").string();
  write_file(path, R"([{"id":"n1","host":"10.0.0.1","port":7000}])");
  expect(0, {"providers", "add", "-"}, file_descriptor("list", 10, path));
  EXPECT_EQ(
      expect(0, {"providers", "update", "-", "--revision", "2"}, file_descriptor("list", 7, path)),
      "Provider list updated, revision 3.\n");
  EXPECT_EQ(*json({"providers", "show", "list"}).find("priority")->as_i64(), 7);
  EXPECT_TRUE(
      expect(1, {"providers", "update", "-", "--revision", "2"}, file_descriptor("list", 8, path))
          .starts_with("error: REVISION_CONFLICT"));
  EXPECT_TRUE(expect(1, {"providers", "update", "-"}, file_descriptor("nobody", 8, path))
                  .starts_with("error: NOT_FOUND"));
  expect(0, {"providers", "disable", "list", "--reason", "moved"});
  EXPECT_TRUE(becomes("disabled: moved", {"providers", "list"}));
  EXPECT_EQ(expect(0, {"providers", "enable", "list"}), "Provider list enabled, revision 5.\n");
  EXPECT_TRUE(becomes("HEALTHY", {"providers", "show", "list"}));
  EXPECT_TRUE(expect(1, {"providers", "enable", "nobody"}).starts_with("error: NOT_FOUND"));
}

TEST_F(EndToEndTest, KindsAndMembersAreShown) {
  const std::string kinds = expect(0, {"providers", "kinds"});
  for (const char* wanted :
       {"in-memory: ", "file: A YAML or JSON list of members, followed live.", "poll_ms",
        "consul: ", "  needs endpoints; this node can be announced through it"}) {
    EXPECT_NE(kinds.find(wanted), std::string::npos) << wanted << " is not in\n" << kinds;
  }
  EXPECT_EQ(json({"providers", "kinds"}).find("kinds")->as_array()->size(), 9u);

  expect(0, {"member", "join", "n1", "10.0.0.1:7000", "--zone", "z1"});
  ASSERT_TRUE(becomes("AVAILABLE", {"status"}));
  const std::string member = expect(0, {"member", "show", "n1"});
  for (const char* wanted : {"consumers", "default (active)", "10.0.0.1:7000", "z1", "READY"}) {
    EXPECT_NE(member.find(wanted), std::string::npos) << wanted << " is not in\n" << member;
  }
  EXPECT_TRUE(expect(1, {"member", "show", "nobody"}).starts_with("error: NOT_FOUND"));
}

TEST_F(EndToEndTest, S3_HeldRemovalsAreShownAndReleased) {
  ASSERT_TRUE(daemon_.stop());
  daemon_.add_environment("ROLLCALL_LEAVE_GUARD_ENABLED", "true");
  daemon_.add_environment("ROLLCALL_LEAVE_GUARD_HOLD", "24h");
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  expect(0, {"member", "join", "n2", "10.0.0.2:7000"});
  ASSERT_TRUE(becomes("n2", {"members"}));
  expect(0, {"member", "leave", "n2"});
  ASSERT_TRUE(becomes("The leave guard holds back 1 removal.", {"status"}));
  expect(4, {"status", "--check"});
  EXPECT_NE(expect(0, {"members"}).find("n2"), std::string::npos);
  EXPECT_EQ(expect(0, {"release-removals"}), "Released 1 removal.\n");
  EXPECT_EQ(expect(0, {"members"}).find("n2"), std::string::npos);
  EXPECT_EQ(*json({"release-removals"}).find("released")->as_i64(), 0);
  expect(0, {"status", "--check"});
}

TEST_F(EndToEndTest, R3_5_ADrainingSidecarServesAndRefusesWrites) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  expect(0, {"drain"});
  ASSERT_TRUE(becomes("draining", {"status"}));
  EXPECT_NE(expect(0, {"members"}).find("n1"), std::string::npos);
  const std::string text = expect(1, {"providers", "remove", "default"});
  EXPECT_TRUE(text.starts_with("error: SHUTTING_DOWN")) << text;
}

TEST_F(EndToEndTest, EventsAreFollowedFromTheirBacklog) {
  const std::string text = expect(0, {"events", "--backlog", "50", "--count", "1"});
  EXPECT_NE(text.find("availability_changed"), std::string::npos) << text;
}

TEST_F(EndToEndTest, TheExamplesAreAccepted) {
  const std::string examples = (source_dir() / "deploy" / "examples").string();
  const auto checked = run({(bin_dir() / "rollcalld").string(), "--check-config", "--config",
                            examples + "/rollcall.yaml"},
                           kHungProgram);
  ASSERT_TRUE(checked) << checked.error();
  EXPECT_EQ(checked->exit.code, 0) << checked->output;
  expect(0,
         {"providers", "add", examples + "/file-standby.yaml", "--dry-run", "--allow-unreachable"});
  expect(0, {"providers", "add", examples + "/consul.yaml", "--dry-run", "--allow-unreachable"});
  const std::string plan = expect(
      0, {"providers", "apply", examples + "/providers.yaml", "--dry-run", "--allow-unreachable"});
  EXPECT_NE(plan.find("2 to add"), std::string::npos) << plan;
  expect(0, {"providers", "add", "-"}, file_descriptor("file", 10, examples + "/members.yaml"));
  EXPECT_TRUE(becomes("n3", {"members"}));
}

TEST_F(EndToEndTest, AStoppedSidecarIsNoAnswerAndItsStoreIsVerified) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  const std::string sound = expect(0, {"store", "verify", daemon_.state_dir()});
  EXPECT_NE(sound.find("is sound"), std::string::npos) << sound;
  EXPECT_NE(sound.find("1 member\n"), std::string::npos) << sound;
  daemon_.stop();
  EXPECT_TRUE(expect(3, {"status"}).starts_with("error: PROVISIONING_UNAVAILABLE"));
  const auto members =
      std::filesystem::directory_iterator(daemon_.state_dir() + "/members/default");
  write_file(members->path(), "{}");
  const std::string without = expect(5, {"store", "verify", daemon_.state_dir()});
  EXPECT_NE(without.find("members/default/"), std::string::npos) << without;
  const std::string store = daemon_.state_dir() + "/providers.jsonl";
  std::string content = read_file(store);
  ASSERT_FALSE(content.empty());
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  write_file(store, content);
  const std::string broken = expect(5, {"store", "verify", daemon_.state_dir()});
  EXPECT_NE(broken.find("broken"), std::string::npos) << broken;
}

}  // namespace
}  // namespace rollcall::test
