#include "tests/backends/prometheus_server.h"

#include <gtest/gtest.h>

namespace rollcall::test {
namespace {

using namespace std::chrono_literals;

TEST(PrometheusServer, ScrapesItsTargetsAndAnswersQueries) {
  const auto first =
      PrometheusServer::start({.targets = {}, .metrics_path = "/metrics", .interval = "200ms"});
  ASSERT_TRUE(first) << first.error();
  // One server is the other's target: both are real.
  const auto second = PrometheusServer::start(
      {.targets = {(*first)->address()}, .metrics_path = "/metrics", .interval = "200ms"});
  ASSERT_TRUE(second) << second.error();
  EXPECT_TRUE((*second)->await_up(30s));
  const auto none = (*second)->value("no_such_metric");
  ASSERT_TRUE(none) << none.error();
  EXPECT_FALSE(none->has_value());
  (*first)->process().kill();
  EXPECT_TRUE(eventually(30s, [&] {
    const auto up = (*second)->value("up");
    return up && up->has_value() && **up == 0.0;
  }));
}

TEST(Promtool, PassesACleanPageAndComplainsAboutABadOne) {
  const auto clean = promtool_check_metrics(
      "# HELP rollcall_failovers_total Changes of the active provider.\n"
      "# TYPE rollcall_failovers_total counter\nrollcall_failovers_total 1\n");
  ASSERT_TRUE(clean) << clean.error();
  EXPECT_TRUE(clean->exit.ok()) << clean->output;
  EXPECT_EQ(clean->output, "");
  const auto bad = promtool_check_metrics("# TYPE failovers counter\nfailovers 1\n");
  ASSERT_TRUE(bad) << bad.error();
  EXPECT_FALSE(bad->exit.ok());
  EXPECT_NE(bad->output.find("failovers"), std::string::npos);
}

}  // namespace
}  // namespace rollcall::test
