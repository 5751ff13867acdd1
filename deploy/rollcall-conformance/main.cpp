// rollcall-conformance: runs every check against a plug-in and reports.
#include <CLI/CLI.hpp>

#include <csignal>
#include <iomanip>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "core/codec/json_writer.h"
#include "core/text.h"
#include "deploy/rollcall-conformance/check_support.h"
#include "deploy/rollcall-conformance/checks.h"

namespace {

using rollcall::conformance::Check;
using rollcall::conformance::Outcome;
using rollcall::conformance::PluginTarget;
using rollcall::conformance::TargetOptions;
using rollcall::conformance::Verdict;

constexpr int kFailed = 1;  // a check failed
constexpr int kUsage = 2;   // the arguments are wrong, or the plug-in can't be started or reached
constexpr int kNameWidth = 18;
constexpr int kOutcomeWidth = 12;
constexpr std::size_t kDetailBytes = 400;

struct Line {
  const Check* check;
  Verdict verdict;
};

void print_line(const Line& line) {
  std::cout << std::left << std::setw(kNameWidth) << line.check->name << std::setw(kOutcomeWidth)
            << to_string(line.verdict.outcome) << line.verdict.detail << std::endl;
  if (line.verdict.outcome != Outcome::Fail) return;
  std::cout << std::setw(kNameWidth) << ""
            << "the rule: " << line.check->rule << std::endl;
}

std::size_t count_of(const std::vector<Line>& lines, Outcome outcome) {
  std::size_t count = 0;
  for (const Line& line : lines) count += line.verdict.outcome == outcome;
  return count;
}

void print_json(const std::vector<Line>& lines) {
  rollcall::JsonWriter writer(2);
  writer.begin_object();
  writer.field("passed", count_of(lines, Outcome::Pass));
  writer.field("failed", count_of(lines, Outcome::Fail));
  writer.field("advice", count_of(lines, Outcome::Advice));
  writer.field("not_checked", count_of(lines, Outcome::NotChecked));
  writer.key("checks").begin_array();
  for (const Line& line : lines) {
    writer.begin_object().field("name", line.check->name).field("rule", line.check->rule);
    writer.field("outcome", to_string(line.verdict.outcome));
    writer.field("detail", line.verdict.detail).end_object();
  }
  writer.end_array().end_object();
  if (const auto text = std::move(writer).finish()) std::cout << *text << std::endl;
}

int run(const TargetOptions& options, bool json) {
  auto target = PluginTarget::open(options);
  if (!target) {
    std::cerr << "rollcall-conformance: " << rollcall::conformance::text_of(target.error()) << '\n';
    for (const auto& problem : target.error().problems) {
      std::cerr << "  " << problem.field << ": " << problem.expected << '\n';
    }
    return kUsage;
  }
  std::vector<Line> lines;
  for (const Check& check : rollcall::conformance::all_checks()) {
    Line line{&check, check.run(**target)};
    line.verdict.detail = rollcall::printable(line.verdict.detail, kDetailBytes);
    if (!json) print_line(line);
    lines.push_back(std::move(line));
  }
  const std::size_t failures = count_of(lines, Outcome::Fail);
  if (json) {
    print_json(lines);
  } else {
    std::cout << '\n'
              << count_of(lines, Outcome::Pass) << " passed, " << failures << " failed, "
              << count_of(lines, Outcome::Advice) << " with advice, "
              << count_of(lines, Outcome::NotChecked) << " not checked" << std::endl;
  }
  return failures == 0 ? 0 : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  TargetOptions options;
  std::string output = "table";
  std::string empty_config;
  std::string broken_config;
  CLI::App app{
      "Checks a discovery plug-in for Rollcall against the rules of its protocol.\n"
      "Exit status: 0 no check failed; 1 one did; 2 wrong arguments, or the plug-in can't be "
      "started or reached.\n"};
  app.add_option("--socket", options.socket, "socket of a plug-in that runs already");
  app.add_option("--config", options.config, "its configuration, a JSON object");
  auto* empty = app.add_option("--empty-config", empty_config, "one with which it has no members");
  auto* broken = app.add_option("--broken-config", broken_config,
                                "one with which its backend can't be reached");
  app.add_option("--env", options.env, "variables for the command, a JSON object");
  app.add_option("--token-file", options.token_file, "absolute path, handed over");
  app.add_option("--change-command", options.change_command,
                 "a shell command that changes the members");
  app.add_option("--rotate-command", options.rotate_command,
                 "a shell command that writes another token into --token-file and makes the old "
                 "one invalid");
  app.add_option("--rotate-seconds", options.rotate_seconds, "how soon it has to be used")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  app.add_option("--attest-ms", options.attest_ms, "the attest interval to ask for")
      ->check(CLI::Range(50L, 600'000L))
      ->capture_default_str();
  app.add_option("--streams", options.streams, "how many watches may leave nothing behind")
      ->check(CLI::Range(4, 1000))
      ->capture_default_str();
  app.add_option("--output", output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("command", options.command, "after --: absolute path of the plug-in, arguments");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (options.command.empty() == options.socket.empty()) {
    std::cerr << "rollcall-conformance: either --socket PATH or -- COMMAND is needed; see --help\n";
    return kUsage;
  }
  if (empty->count() > 0) options.empty_config = empty_config;
  if (broken->count() > 0) options.broken_config = broken_config;
  return run(options, output == "json");
}
