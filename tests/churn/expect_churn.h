// What every backend's churn must come to; how long it takes is measured by bench_churn.
#pragma once

#include <gtest/gtest.h>

#include "tests/churn/sources.h"

namespace rollcall::test {

// Every change is told, or a later one of the same member instead of it, and in the end everything
// is as it was written last.
inline void expect_that_nothing_is_lost(Outcome<std::unique_ptr<ChurnSource>> source,
                                        std::size_t batch) {
  ASSERT_TRUE(source) << source.error();
  DaemonProcess daemon;
  daemon.set_config(kChurnConfig);
  const auto started = daemon.start();
  ASSERT_TRUE(started) << started.error();
  ChurnPlan plan;
  plan.changes = 10'000;
  plan.batch = batch;
  plan.seed = 20261121;
  SCOPED_TRACE("seed " + std::to_string(plan.seed));
  const auto figures = run_churn(**source, daemon, plan);
  ASSERT_TRUE(figures) << figures.error();
  EXPECT_EQ(figures->wrong, std::vector<std::string>{});
  EXPECT_EQ(figures->lost, 0u);
  EXPECT_EQ(figures->written, plan.changes);
  EXPECT_EQ(figures->seen + figures->superseded, plan.changes);
}

}  // namespace rollcall::test
