#include "deploy/rollcall/text.h"

#include <gtest/gtest.h>

#include "deploy/rollcall/table.h"

namespace rollcall::cli {
namespace {

using std::chrono::milliseconds;

TEST(TextTest, DurationsHaveTheTwoUnitsThatMatter) {
  EXPECT_EQ(duration_text(milliseconds(0)), "0 ms");
  EXPECT_EQ(duration_text(milliseconds(999)), "999 ms");
  EXPECT_EQ(duration_text(milliseconds(4'000)), "4 s");
  EXPECT_EQ(duration_text(milliseconds(4'250)), "4.2 s");
  EXPECT_EQ(duration_text(milliseconds(185'000)), "3 min 5 s");
  EXPECT_EQ(duration_text(milliseconds(7'200'000)), "2 h");
  EXPECT_EQ(duration_text(milliseconds(443'000'000)), "5 d 3 h");
  EXPECT_EQ(duration_text(milliseconds(-5)), "0 ms");
}

TEST(TextTest, DurationsAreReadWithTheirUnit) {
  EXPECT_EQ(*parse_duration("1500ms"), milliseconds(1'500));
  EXPECT_EQ(*parse_duration("90s"), milliseconds(90'000));
  EXPECT_EQ(*parse_duration("10m"), milliseconds(600'000));
  EXPECT_EQ(*parse_duration("24h"), milliseconds(86'400'000));
  EXPECT_EQ(*parse_duration("1d"), milliseconds(86'400'000));
  for (const char* bad : {"", "10", "m", "0s", "-1s", "1.5h", "10 m", "99999999999999999999s",
                          "9223372036854775807d"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(TextTest, PositionsAreReadAsTheyArePrinted) {
  const client::Position position{Epoch(4'294'967'297), SeqNo(1'099'511'627'777)};
  EXPECT_EQ(position_text(position), "4294967297:1099511627777");
  EXPECT_EQ(*parse_position(position_text(position)), position);
  for (const char* bad : {"", ":", "1", "1:", ":1", "0:1", "1:0", "a:b", "1:2:3", "-1:2"}) {
    EXPECT_FALSE(parse_position(bad)) << bad;
  }
}

TEST(TextTest, EndpointsKnowIPv6) {
  EXPECT_EQ(endpoint_text("10.0.0.1", 80), "10.0.0.1:80");
  EXPECT_EQ(endpoint_text("::1", 80), "[::1]:80");
  EXPECT_EQ(parse_endpoint("[::1]:80")->first, "::1");
  EXPECT_EQ(parse_endpoint("host:65535")->second, 65535);
  for (const char* bad : {"host", ":80", "host:", "host:65536", "::1:80", "[host]:80", "h:8x"}) {
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  }
}

TEST(TextTest, TimesAreUtc) {
  EXPECT_EQ(time_text(0), "never");
  EXPECT_EQ(time_text(1'700'000'000'123), "2023-11-14T22:13:20.123Z");
}

TEST(TextTest, Base64FollowsRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64(std::string("\0\xff", 2)), "AP8=");
}

TEST(TextTest, WhatComesFromOutsideCannotTouchTheTerminal) {
  EXPECT_EQ(shown("a\x1b[2Jb").find('\x1b'), std::string::npos);
  EXPECT_LE(shown(std::string(1'000, 'x')).size(), 256u);
}

TEST(TableTest, ColumnsAreAsWideAsTheirCharacters) {
  Table table({"ID", "WHAT"});
  table.row({"é", "one"});
  table.row({"long", ""});
  EXPECT_EQ(table.text(2), "  ID    WHAT\n  é     one\n  long\n");
}

}  // namespace
}  // namespace rollcall::cli
