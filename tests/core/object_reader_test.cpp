#include "core/codec/object_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/codec/json_reader.h"

namespace rollcall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

JsonValue parsed(std::string_view text) { return parse_json(text).value(); }

std::vector<std::string> fields_of(const ProblemList& problems) {
  std::vector<std::string> fields;
  for (const Problem& problem : problems.kept()) fields.push_back(problem.field);
  return fields;
}

TEST(ObjectReader, FillsWhatIsThereAndLeavesTheRest) {
  const JsonValue value =
      parsed(R"({"s":"x","b":true,"i":-5,"u16":65535,"u64":"18446744073709551615","d":1.5,)"
             R"("list":["a","b"],"map":{"k":1,"l":true,"m":"t"},"n":null})");
  ProblemList problems;
  ObjectReader reader(value, "", problems);
  std::string s;
  std::string untouched = "default";
  bool b = false;
  int i = 0;
  std::uint16_t u16 = 0;
  std::uint64_t u64 = 0;
  double d = 0;
  std::vector<std::string> list;
  std::map<std::string, std::string> map;
  reader.required("s", s)
      .required("b", b)
      .required("i", i)
      .optional("u16", u16)
      .required_u64_text("u64", u64)
      .optional("d", d)
      .optional("list", list)
      .scalars("map", map)
      .optional("n", untouched)
      .optional("absent", untouched)
      .finish();
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(s, "x");
  EXPECT_TRUE(b);
  EXPECT_EQ(i, -5);
  EXPECT_EQ(u16, 65535);
  EXPECT_EQ(u64, ~std::uint64_t{0});
  EXPECT_EQ(d, 1.5);
  EXPECT_THAT(list, ElementsAre("a", "b"));
  EXPECT_EQ(map, (std::map<std::string, std::string>{{"k", "1"}, {"l", "true"}, {"m", "t"}}));
  EXPECT_EQ(untouched, "default") << "null counts as absent";
}

TEST(ObjectReader, R1_1_CollectsAllProblemsAtOnceAndChangesNoOutput) {
  const JsonValue value =
      parsed(R"({"port":70000,"name":"","on":1,"list":["a",2],)"
             R"("map":{"k":[]},"typo":"s3cret","child":{"x":"y"},"kids":[{},3]})");
  ProblemList problems;
  ObjectReader reader(value, "top", problems);
  std::uint16_t port = 7;
  std::string name = "n";
  bool on = false;
  std::vector<std::string> list = {"keep"};
  std::map<std::string, std::string> map;
  int x = 3;
  reader.required("port", port)
      .required("name", name)
      .required("missing", name)
      .optional("on", on)
      .optional("list", list)
      .scalars("map", map)
      .child("child", [&](ObjectReader& child) { child.required("x", x); })
      .children("kids", [&](ObjectReader& kid, std::size_t) { kid.required("id", name); })
      .finish();
  EXPECT_THAT(fields_of(problems),
              ElementsAre("top.port", "top.name", "top.missing", "top.on", "top.list[1]",
                          "top.map.k", "top.child.x", "top.kids[0].id", "top.kids[1]", "top.typo"));
  EXPECT_EQ(port, 7);
  EXPECT_EQ(name, "n");
  EXPECT_THAT(list, ElementsAre("keep"));
  EXPECT_EQ(x, 3);
  const auto error = problems.fail(ErrorCode::InvalidConfig, "refused").value();
  EXPECT_EQ(error.total_problems, 10u);
  for (const Problem& problem : error.problems) {
    EXPECT_EQ(problem.value.find("s3cret"), std::string::npos) << "unknown fields may be secrets";
  }
  EXPECT_EQ(problems.kept()[0].value, "70000");
  EXPECT_THAT(problems.kept()[0].expected, HasSubstr("0 to 65535"));
}

template <class T>
bool accepts(std::string_view number, IntegerRange range = {}) {
  ProblemList problems;
  const JsonValue value = parsed("{\"n\":" + std::string(number) + "}");
  ObjectReader reader(value, "", problems);
  T out{};
  reader.required("n", out, range);
  return problems.empty() && std::to_string(out) == number;
}

TEST(ObjectReader, IntegersAreNeverNarrowed) {
  EXPECT_TRUE(accepts<std::uint16_t>("65535"));
  EXPECT_FALSE(accepts<std::uint16_t>("65536"));
  EXPECT_FALSE(accepts<std::uint16_t>("-1"));
  EXPECT_FALSE(accepts<std::uint16_t>("1.0"));
  EXPECT_FALSE(accepts<std::uint16_t>("\"1\""));
  EXPECT_FALSE(accepts<std::uint16_t>("true"));
  EXPECT_TRUE(accepts<std::int32_t>("-2147483648"));
  EXPECT_FALSE(accepts<std::int32_t>("-2147483649"));
  EXPECT_FALSE(accepts<std::int32_t>("2147483648"));
  EXPECT_TRUE(accepts<std::int64_t>("9223372036854775807"));
  EXPECT_FALSE(accepts<std::int64_t>("9223372036854775808"));
  EXPECT_TRUE(accepts<std::uint64_t>("18446744073709551615"));
  EXPECT_TRUE(accepts<int>("5", {1, 5}));
  EXPECT_FALSE(accepts<int>("6", {1, 5}));
  EXPECT_FALSE(accepts<int>("0", {1, 5}));
  EXPECT_FALSE(accepts<std::uint64_t>("18446744073709551615", {0, 5}));
}

TEST(ObjectReader, SixtyFourBitTextsAreDigitsOnly) {
  for (const char* bad : {"\"\"", "\" 1\"", "\"1 \"", "\"-1\"", "\"+1\"",
                          "\"18446744073709551616\"", "-1", "1.5", "\"0x1\""}) {
    ProblemList problems;
    const JsonValue value = parsed("{\"n\":" + std::string(bad) + "}");
    std::uint64_t out = 0;
    ObjectReader(value, "", problems).required_u64_text("n", out);
    EXPECT_FALSE(problems.empty()) << bad;
  }
}

TEST(ObjectReader, UnknownKeysNameTheKnownOnes) {
  ProblemList problems;
  const JsonValue value = parsed("{\n\"nmae\":1}");
  std::string name;
  ObjectReader reader(value, "", problems);
  reader.optional("name", name).ignore("other").finish();
  ASSERT_EQ(problems.total(), 1u);
  EXPECT_EQ(problems.kept()[0].field, "nmae");
  EXPECT_EQ(problems.kept()[0].expected, "a known field: name, other (line 2)");
}

TEST(ObjectReader, ForbiddenKeysAreReportedOnceWithoutTheirValue) {
  ProblemList problems;
  const JsonValue value = parsed(R"({"token":"s3cret"})");
  ObjectReader reader(value, "auth", problems);
  reader.forbid("token", "use token_file").forbid("secret", "use token_file").finish();
  ASSERT_EQ(problems.total(), 1u);
  EXPECT_EQ(problems.kept()[0], (Problem{"auth.token", "", "use token_file (line 1)"}));
}

TEST(ObjectReader, UnknownFieldsCanBeKept) {
  ProblemList problems;
  const JsonValue value = parsed(R"({"a":1,"later":{"x":[]}})");
  ObjectReader reader(value, "", problems);
  int a = 0;
  reader.required("a", a);
  ASSERT_EQ(reader.unknown().size(), 1u);
  EXPECT_EQ(reader.unknown()[0]->key, "later");
  EXPECT_TRUE(problems.empty());
}

TEST(ObjectReader, WhatIsNoObjectIsOneProblemAndNothingElse) {
  ProblemList problems;
  const JsonValue value = parsed("[1]");
  ObjectReader reader(value, "x", problems);
  std::string name;
  reader.required("name", name).forbid("token", "").finish();
  EXPECT_FALSE(reader.is_object());
  ASSERT_EQ(problems.total(), 1u);
  EXPECT_EQ(problems.kept()[0].value, "a list of 1");
}

TEST(ProblemList, CountsBeyondWhatItKeeps) {
  ProblemList problems;
  for (int i = 0; i < 2000; ++i) problems.add("f" + std::to_string(i), "v", "e");
  EXPECT_EQ(problems.kept().size(), limits::kMaxProblems);
  const auto error = problems.fail(ErrorCode::InvalidConfig, "refused").value();
  EXPECT_EQ(error.total_problems, 2000u);
  EXPECT_EQ(error.message, "refused: f0: expected e, found v (and 1999 more)");
}

TEST(ScalarText, NumbersKeepTheTextOrHaveNone) {
  EXPECT_EQ(scalar_text(parsed("12")), "12");
  EXPECT_EQ(scalar_text(parsed("1.5")), "1.5");
  EXPECT_EQ(scalar_text(parsed("false")), "false");
  EXPECT_EQ(scalar_text(parsed("\"x\"")), "x");
  EXPECT_EQ(scalar_text(parsed("1.50")), std::nullopt);
  EXPECT_EQ(scalar_text(parsed("null")), std::nullopt);
  EXPECT_EQ(scalar_text(parsed("[]")), std::nullopt);
}

}  // namespace
}  // namespace rollcall
