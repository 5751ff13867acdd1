// Arguments, exit statuses and errors of the command, without a sidecar.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/codec/json_reader.h"
#include "deploy/rollcall/cli.h"
#include "deploy/rollcall/show_error.h"

namespace rollcall::cli {
namespace {

struct Ran {
  int status = 0;
  std::string out;
  std::string err;
};

Ran run_with(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const client::Surroundings nowhere{
      [](const char* name) {
        return std::string(name) == "ROLLCALL_SERVER" ? "unix:/nonexistent/rollcall.sock" : "";
      },
      false};
  const int status = run(arguments, out, err, nowhere);
  return {status, out.str(), err.str()};
}

// The names in a help's list of sub-commands, which is what users find them by.
std::vector<std::string> subcommands_in(const std::string& help) {
  std::istringstream lines(help);
  std::vector<std::string> names;
  std::string line;
  while (std::getline(lines, line) && line != "Subcommands:") {
  }
  // "  name      what it does"; a longer text goes on further to the right.
  while (std::getline(lines, line) && line.starts_with("  ")) {
    if (line.size() > 2 && line[2] != ' ') names.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return names;
}

// Checks the help of `command` and of everything below it; how many of those can be run.
int expect_help(const std::vector<std::string>& command) {
  std::vector<std::string> arguments = command;
  arguments.emplace_back("--help");
  const Ran ran = run_with(arguments);
  const std::string shown = ::testing::PrintToString(arguments);
  EXPECT_EQ(ran.status, 0) << shown;
  EXPECT_TRUE(ran.err.empty()) << shown << ran.err;
  const std::size_t example = ran.out.find("\nExample");
  EXPECT_NE(example, std::string::npos) << shown << ran.out;
  std::string words = "rollcall";
  for (const std::string& word : command) words += " " + word;
  // One that shows this very command, options of rollcall itself aside.
  const std::string last = command.empty() ? "rollcall" : command.back();
  EXPECT_NE(ran.out.find(last, std::min(example, ran.out.size())), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("Usage: " + words + " "), std::string::npos) << ran.out;
  int runnable = 0;
  const auto below = subcommands_in(ran.out);
  for (const std::string& name : below) {
    std::vector<std::string> deeper = command;
    deeper.push_back(name);
    runnable += expect_help(deeper);
  }
  return below.empty() ? 1 : runnable;
}

TEST(UsageTest, HelpIsEverywhereWithExamples) {
  // Fewer than there are now would mean that the walk has missed some.
  EXPECT_GE(expect_help({}), 25);
  EXPECT_NE(run_with({"--help"}).out.find("Exit status:"), std::string::npos);
}

TEST(UsageTest, AWrongArgumentIsUsageAndSendsNothing) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"nonsense"},
                                             {"providers"},
                                             {"providers", "nonsense"},
                                             {"status", "--nonsense"},
                                             {"status", "extra"},
                                             {"--output", "xml", "status"},
                                             {"--timeout", "soon", "status"},
                                             {"--server", "nowhere", "status"},
                                             {"watch", "--bridge", "none"},
                                             {"watch", "--after", "1"},
                                             {"watch", "--count", "x"},
                                             {"switch"},
                                             {"switch", "a", "--clear"},
                                             {"switch", "a", "--for", "x"},
                                             {"providers", "disable", "a"},
                                             {"providers", "add", "/nonexistent/file"},
                                             {"providers", "remove", "a", "--revision", "x"},
                                             {"member", "join", "n1"},
                                             {"member", "join", "n1", "host"},
                                             {"member", "join", "n1", "h:1", "--label", "novalue"},
                                             {"events", "--backlog", "1000"},
                                             {"local"},
                                             {"local", "register", "n1", "--pid", "1"},
                                             {"local", "register", "n1", "--socket", "/s"},
                                             {"local", "remove"},
                                             {"local", "list", "--timeout", "soon"}}) {
    const Ran ran = run_with(arguments);
    EXPECT_EQ(ran.status, 2) << ::testing::PrintToString(arguments);
    EXPECT_TRUE(ran.err.starts_with("error: INVALID_CONFIG: ")) << ran.err;
    EXPECT_TRUE(ran.out.empty());
  }
}

TEST(UsageTest, NobodyThereIsNoAnswer) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"status"},
                                             {"members"},
                                             {"events"},
                                             {"watch"},
                                             {"providers", "list"},
                                             {"drain"},
                                             {"quarantine", "status"}}) {
    const Ran ran = run_with(arguments);
    EXPECT_EQ(ran.status, 3) << ::testing::PrintToString(arguments) << ran.err;
    EXPECT_NE(ran.err.find("/nonexistent/rollcall.sock"), std::string::npos);
  }
}

TEST(UsageTest, R5_5_ErrorsAreJsonWhenTheOutputIs) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"--output", "json", "status"}, {"nonsense", "--output", "json"}}) {
    const Ran ran = run_with(arguments);
    const auto parsed = parse_json(ran.err);
    ASSERT_TRUE(parsed) << ran.err;
    ASSERT_NE(parsed->find("error"), nullptr);
    EXPECT_NE(parsed->find("error")->find("code"), nullptr);
  }
}

TEST(UsageTest, R1_1_ADescriptorFileNamesAllItsProblems) {
  const std::string path = ::testing::TempDir() + "rollcall_cli_bad.json";
  std::ofstream(path) << R"({"kind": 7, "priority": "high", "surprise": true})";
  const Ran ran = run_with({"providers", "add", path});
  std::remove(path.c_str());
  EXPECT_EQ(ran.status, 2);
  for (const char* field : {"id", "kind", "priority", "surprise"}) {
    EXPECT_NE(ran.err.find(std::string("  ") + field + ": found"), std::string::npos) << ran.err;
  }
}

TEST(UsageTest, OneDescriptorIsNotASet) {
  const std::string path = ::testing::TempDir() + "rollcall_cli_two.yaml";
  std::ofstream(path) << "- {id: a, kind: in-memory}\n- {id: b, kind: in-memory}\n";
  const Ran ran = run_with({"providers", "add", path});
  std::remove(path.c_str());
  EXPECT_EQ(ran.status, 2);
  EXPECT_NE(ran.err.find("2 descriptors"), std::string::npos);
}

TEST(UsageTest, AStoreThatIsNotThereIsBroken) {
  EXPECT_EQ(run_with({"store", "verify", "/nonexistent/dir"}).status, 5);
}

TEST(ErrorTextTest, EachProblemHasALine) {
  const ProvisioningError error{ErrorCode::InvalidConfig,
                                "refused: a.b: expected more, found less",
                                {{"a.b", "less", "more"}, {"c", "\x1b[0m", "text"}},
                                5};
  EXPECT_EQ(error_text(error),
            "error: INVALID_CONFIG: refused\n"
            "  a.b: found \"less\", expected more\n"
            "  c: found \"\\x1b[0m\", expected text\n"
            "  … and 3 more problems\n");
}

}  // namespace
}  // namespace rollcall::cli
