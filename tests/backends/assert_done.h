// For tests that use the real servers' fixtures.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

namespace rollcall::test {

// Why it failed: a sentence as it is, an error of Rollcall (core/error.h, which those who only
// start servers don't link) with its code.
template <class Error>
std::string reason(const Error& error) {
  if constexpr (std::is_convertible_v<const Error&, std::string>) {
    return error;
  } else {
    return std::string(to_string(error.code)) + ": " + error.message;
  }
}

}  // namespace rollcall::test

// `expression` is an Outcome (environment.h) or a Result: the test ends here, with the reason, if
// it failed.
#define ASSERT_DONE(expression)                                    \
  do {                                                             \
    const auto done_ = (expression);                               \
    ASSERT_TRUE(done_) << ::rollcall::test::reason(done_.error()); \
  } while (false)
