// What an operator gets wrong, or does not think of, and what becomes of it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/limits.h"
#include "tests/cli/end_to_end_fixture.h"

namespace rollcall::test {
namespace {

// A position of before the state directory was restored, say.
TEST_F(EndToEndTest, AWatchFromAheadOfTheLogBeginsWithASnapshotAndGoesOn) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  const JsonValue status = json({"status"});
  const std::string ahead = *status.find("epoch")->as_string() + ":" +
                            std::to_string(std::stoull(*status.find("seq_no")->as_string()) + 1000);
  Process::Options options;
  options.argv = {(bin_dir() / "rollcall").string(),
                  "--server",
                  daemon_.address(),
                  "watch",
                  "--after",
                  ahead,
                  "--count",
                  "2"};
  options.output = daemon_.directory() / "watched";
  auto watch = Process::start(options);
  ASSERT_TRUE(watch) << watch.error();
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    return read_file(options.output).find("snapshot") != std::string::npos;
  }));
  expect(0, {"member", "join", "n2", "10.0.0.2:7000"});
  const auto ended = watch->wait(kHungProgram);
  ASSERT_TRUE(ended) << read_file(options.output);
  EXPECT_EQ(ended->code, 0);
  EXPECT_NE(read_file(options.output).find("+n2"), std::string::npos);
}

TEST_F(EndToEndTest, R1_1_ADryRunNamesEveryProblemAndAnAbsurdSetIsNotJudged) {
  std::string set;
  for (int i = 0; i < 40; ++i) {
    set += (i == 0 ? "[" : ",") + std::string(R"({"id":"BAD )") + std::to_string(i) +
           R"(","kind":"pigeon"})";
  }
  const std::string text = expect(1, {"providers", "apply", "-", "--dry-run"}, set + "]");
  for (int i = 0; i < 40; ++i) {
    EXPECT_NE(text.find("providers[" + std::to_string(i) + "].id: "), std::string::npos) << i;
    EXPECT_NE(text.find("providers[" + std::to_string(i) + "].kind: "), std::string::npos) << i;
  }
  EXPECT_EQ(text.find("more problem"), std::string::npos) << text;

  const std::vector<ProviderDescriptor> absurd(limits::kMaxJudgedProviders + 1);
  const auto refused = daemon_.admin().apply_providers(absurd, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded) << refused.error().message;
  EXPECT_EQ(refused.error().total_problems, 1u);
}

TEST_F(EndToEndTest, AnUpdateLeavesADisabledProviderDisabledUnlessTheFileSaysOtherwise) {
  const auto wanted = [&] { return *json({"providers", "show", "default"}).find("descriptor"); };
  expect(0, {"providers", "disable", "default", "--reason", "flapping"});
  expect(0, {"providers", "update", "-"}, R"({"id":"default","kind":"in-memory","priority":5})");
  EXPECT_EQ(wanted().find("priority")->as_i64(), 5);
  EXPECT_FALSE(*wanted().find("enabled")->as_bool());
  EXPECT_EQ(*wanted().find("disabled_reason")->as_string(), "flapping");
  expect(0, {"providers", "update", "-"}, R"({"id":"default","kind":"in-memory","enabled":true})");
  EXPECT_TRUE(*wanted().find("enabled")->as_bool());
}

TEST_F(EndToEndTest, AWatchWhoseOutputTakesNothingEnds) {
  expect(0, {"member", "join", "n1", "10.0.0.1:7000"});
  const auto watch = run({"/bin/sh", "-c",
                          "exec '" + (bin_dir() / "rollcall").string() + "' --server '" +
                              daemon_.address() + "' watch > /dev/full"},
                         kHungProgram);
  ASSERT_TRUE(watch) << watch.error();
  EXPECT_EQ(watch->exit.code, 6) << watch->output;
}

}  // namespace
}  // namespace rollcall::test
