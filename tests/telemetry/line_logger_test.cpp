#include "provisioning/telemetry/line_logger.h"

#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "core/codec/json_reader.h"
#include "core/limits.h"
#include "tests/support/manual_clock.h"

namespace rollcall {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class LineLoggerTest : public ::testing::Test {
 protected:
  std::string last() const { return lines_.empty() ? "" : lines_.back(); }
  JsonValue parsed() const {
    auto value = parse_json(last());
    EXPECT_TRUE(value) << last();
    return value ? *value : JsonValue();
  }
  std::string text_of(const JsonValue& value, const char* key) const {
    const JsonValue* found = value.find(key);
    return found != nullptr && found->as_string() != nullptr ? *found->as_string() : "";
  }

  test::ManualClock clock_;
  std::vector<std::string> lines_;
  LineLogger logger_{{}, clock_, [this](std::string_view line) { lines_.emplace_back(line); }};
};

TEST_F(LineLoggerTest, ALineIsOneJsonObjectWithTheEventFirst) {
  clock_.set_wall(from_unix_ms(1'790'000'000'042));
  logger_.warning("provider_held", {{"provider", "c1"},
                                    {"code", "MALFORMED_RESPONSE"},
                                    {"count", 5},
                                    {"big", std::uint64_t{18446744073709551615u}},
                                    {"ratio", 0.25},
                                    {"active", true}});
  EXPECT_EQ(last(),
            R"({"time":"2026-09-21T14:13:20.042Z","level":"warning","event":"provider_held",)"
            R"("provider":"c1","code":"MALFORMED_RESPONSE","count":5,"big":18446744073709551615,)"
            R"("ratio":0.25,"active":true})"
            "\n");
}

TEST_F(LineLoggerTest, NothingInATextBreaksTheLine) {
  logger_.info("x", {{"message", "a\nb\x1b[31m \"quoted\" \xff\xfe end"}});
  EXPECT_EQ(last().find('\n'), last().size() - 1);
  EXPECT_THAT(last(), AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\xff"))));
  EXPECT_THAT(text_of(parsed(), "message"), HasSubstr("a\nb"));
}

TEST_F(LineLoggerTest, EmptyTextsAreLeftOut) {
  logger_.info("x", {{"provider", ""}, {"message", "m"}});
  EXPECT_EQ(parsed().find("provider"), nullptr);
}

TEST_F(LineLoggerTest, LongTextsAndLinesAreCut) {
  const std::string long_text(100'000, 'x');
  logger_.info("x", {{"a", long_text},
                     {"b", long_text},
                     {"c", long_text},
                     {"d", long_text},
                     {"e", long_text},
                     {"last", 1}});
  EXPECT_LE(last().size(), limits::kMaxLogLineBytes);
  const JsonValue line = parsed();
  EXPECT_EQ(text_of(line, "a").size(), limits::kMaxLogTextBytes + 3);
  EXPECT_NE(line.find("last"), nullptr) << "short fields still fit";
}

TEST_F(LineLoggerTest, LogfmtQuotesOnlyWhatNeedsIt) {
  logger_.set_format(LogFormat::Logfmt);
  logger_.info("x", {{"provider", "c1"}, {"message", "two words = \"2\""}, {"n", -3}});
  EXPECT_THAT(last(),
              HasSubstr(R"(level=info event=x provider=c1 message="two words = \"2\"" n=-3)"));
}

TEST_F(LineLoggerTest, BelowTheLevelNothingIsWritten) {
  logger_.debug("x");
  EXPECT_THAT(lines_, IsEmpty());
  logger_.set_level(LogLevel::Debug);
  logger_.debug("x");
  EXPECT_EQ(lines_.size(), 1u);
  logger_.set_level(LogLevel::Error);
  logger_.warning("x");
  EXPECT_EQ(lines_.size(), 1u);
}

TEST_F(LineLoggerTest, AFloodOfOneEventIsBoundedAndCounted) {
  for (int i = 0; i < 1000; ++i) logger_.error("flood", {{"i", i}});
  EXPECT_EQ(lines_.size(), static_cast<std::size_t>(limits::kLogBurst));
  logger_.error("other");
  EXPECT_EQ(lines_.size(), static_cast<std::size_t>(limits::kLogBurst) + 1)
      << "a budget of its own";
  clock_.advance(std::chrono::seconds(1));
  logger_.error("flood");
  EXPECT_THAT(last(), HasSubstr("\"suppressed\":900"));
  for (int i = 0; i < 1000; ++i) logger_.error("flood");
  EXPECT_EQ(lines_.size(), static_cast<std::size_t>(limits::kLogBurst + 1 + limits::kLogPerSecond));
}

TEST_F(LineLoggerTest, InventedEventNamesShareOneBudget) {
  for (int i = 0; i < 10'000; ++i) logger_.info("event_" + std::to_string(i));
  EXPECT_LE(lines_.size(), limits::kLogEventNames + static_cast<std::size_t>(limits::kLogBurst));
}

TEST_F(LineLoggerTest, LinesOfSeveralThreadsDoNotMix) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string name = "thread_" + std::to_string(t);
      for (int i = 0; i < limits::kLogBurst; ++i) logger_.info(name, {{"i", i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(lines_.size(), static_cast<std::size_t>(4 * limits::kLogBurst));
  for (const std::string& line : lines_) EXPECT_TRUE(parse_json(line)) << line;
}

TEST(LogNamesTest, NamesGoBothWays) {
  for (const LogLevel level :
       {LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error}) {
    EXPECT_EQ(log_level_from_string(to_string(level)), level);
  }
  for (const LogFormat format : {LogFormat::Json, LogFormat::Logfmt}) {
    EXPECT_EQ(log_format_from_string(to_string(format)), format);
  }
  EXPECT_EQ(log_level_from_string("WARN"), std::nullopt);
}

}  // namespace
}  // namespace rollcall
