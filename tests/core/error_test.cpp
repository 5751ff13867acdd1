#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

using ::testing::HasSubstr;

TEST(Error, R5_5_CodesHaveTheNamesOfTheSpecificationAndComeBack) {
  const std::vector<std::string> names = {
      "INVALID_CONFIG",           "DUPLICATE_NAME",      "NOT_FOUND",      "REVISION_CONFLICT",
      "CAPABILITY_MISSING",       "BACKEND_UNAVAILABLE", "TIMEOUT",        "AUTH_FAILED",
      "INDEX_ROLLBACK",           "MALFORMED_RESPONSE",  "LIMIT_EXCEEDED", "PROVIDER_UNHEALTHY",
      "PROVISIONING_UNAVAILABLE", "NO_SNAPSHOT",         "OUT_OF_ORDER",   "SHUTTING_DOWN",
      "STORE_CORRUPTED",          "STORE_LOCKED",        "STORE_IO",       "PERMISSION_DENIED"};
  ASSERT_EQ(names.size(), kErrorCodeCount);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto code = static_cast<ErrorCode>(i + 1);
    EXPECT_EQ(to_string(code), names[i]);
    EXPECT_EQ(error_code_from_string(names[i]), code);
  }
  EXPECT_EQ(error_code_from_string("invalid_config"), std::nullopt);
  EXPECT_EQ(error_code_from_string(""), std::nullopt);
}

TEST(Error, TheMessageReadsAloneAndAllProblemsAreThere) {
  const auto error =
      fail(ErrorCode::InvalidConfig, "refused", {{"a.b", "7", "a name"}, {"c", "", "something"}})
          .value();
  EXPECT_EQ(error.message, "refused: a.b: expected a name, found 7 (and 1 more)");
  EXPECT_EQ(error.problems.size(), 2u);
  EXPECT_EQ(error.total_problems, 2u);
}

TEST(Error, ProblemsAreBoundedAndPrintable) {
  std::vector<Problem> problems(
      2000, {std::string(5000, 'f'), "\xff\n" + std::string(5000, 'v'), "less"});
  const auto error = fail(ErrorCode::InvalidConfig, "refused", std::move(problems)).value();
  EXPECT_EQ(error.problems.size(), limits::kMaxProblems);
  EXPECT_EQ(error.total_problems, 2000u);
  for (const Problem& problem : error.problems) {
    EXPECT_LE(problem.value.size(), limits::kMaxProblemValueBytes);
    EXPECT_LE(problem.field.size(), limits::kMaxProblemFieldBytes);
    EXPECT_TRUE(is_valid_utf8(problem.value));
    EXPECT_FALSE(has_control_characters(problem.value));
  }
  EXPECT_THAT(error.problems[0].value, HasSubstr("\\xff\\x0a"));
}

}  // namespace
}  // namespace rollcall
