#include "provisioning/telemetry/line_logger.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
  bool reads_ = true;
  LineLogger logger_{{}, clock_, [this](std::string_view line) {
                       if (reads_) lines_.emplace_back(line);
                       return reads_;
                     }};
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

TEST_F(LineLoggerTest, WhatNobodyReadIsCountedOnTheNextLine) {
  reads_ = false;
  for (int i = 0; i < 3; ++i) logger_.error("x");
  EXPECT_THAT(lines_, IsEmpty());
  reads_ = true;
  logger_.info("y");
  EXPECT_THAT(last(), HasSubstr("\"lost\":3"));
  logger_.info("y");
  EXPECT_THAT(last(), Not(HasSubstr("lost")));
  // What its budget had suppressed is missing as well, if the line that told of it is lost.
  for (int i = 0; i < 2 * limits::kLogBurst; ++i) logger_.error("flood");
  clock_.advance(std::chrono::seconds(1));
  reads_ = false;
  logger_.error("flood");
  reads_ = true;
  logger_.info("y");
  EXPECT_THAT(last(), HasSubstr("\"lost\":" + std::to_string(limits::kLogBurst + 1)));
}

TEST_F(LineLoggerTest, ALongLineSaysWhatIsMissingToo) {
  const std::string text(limits::kMaxLogTextBytes, 'x');
  std::size_t longest = 0;
  for (std::size_t cut = 0; cut < 400; ++cut) {
    clock_.advance(std::chrono::seconds(1));
    reads_ = false;
    logger_.error("x");
    reads_ = true;
    logger_.info("y", {{"a", text}, {"b", text}, {"c", text}, {"d", text.substr(cut)}});
    longest = std::max(longest, last().size());
    EXPECT_THAT(last(), HasSubstr("\"lost\":1"));
  }
  EXPECT_LE(longest, limits::kMaxLogLineBytes);
  EXPECT_GT(longest, limits::kMaxLogLineBytes - 64) << "none came near the limit";
}

// A descriptor that a test fills and reads.
class SinkEnds {
 public:
  explicit SinkEnds(bool socket) {
    EXPECT_EQ(socket ? ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) : ::pipe(ends_), 0);
    EXPECT_EQ(::fcntl(ends_[0], F_SETFL, O_NONBLOCK), 0);
  }
  ~SinkEnds() {
    for (const int end : ends_) ::close(end);
  }
  int writes() const { return ends_[1]; }
  std::string read() const {
    std::string all;
    std::array<char, 4096> piece{};
    for (ssize_t got = 0; (got = ::read(ends_[0], piece.data(), piece.size())) > 0;)
      all.append(piece.data(), static_cast<std::size_t>(got));
    return all;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(DescriptorSink, AReaderThatDoesNotReadIsNotWaitedFor) {
  for (const bool socket : {false, true}) {
    SCOPED_TRACE(socket ? "socket" : "pipe");
    const SinkEnds ends(socket);
    const LogSink sink = descriptor_sink(ends.writes());
    // Of three pieces, where a pipe has room for sixteen: the last line is cut short.
    const std::string line = std::string(10'000, 'x') + "\n";
    std::size_t taken = 0;
    while (sink(line)) ++taken;
    EXPECT_GT(taken, 0u);
    EXPECT_FALSE(sink(line)) << "lost as well";
    // Whole lines, and at most one that was begun; what follows it stands on a line of its own.
    const std::string before = ends.read();
    EXPECT_EQ(before.substr(0, taken * line.size()).find_first_not_of("x\n"), std::string::npos);
    EXPECT_TRUE(sink("next\n"));
    const bool begun = before.size() > taken * line.size();
    EXPECT_EQ(ends.read(), begun ? "\nnext\n" : "next\n");
  }
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
