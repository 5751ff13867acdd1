// For tests that use the real servers' fixtures.
#pragma once

#include <gtest/gtest.h>

// `expression` is an Outcome (environment.h): the test ends here with its sentence if it failed.
#define ASSERT_DONE(expression)          \
  do {                                   \
    const auto done_ = (expression);     \
    ASSERT_TRUE(done_) << done_.error(); \
  } while (false)
