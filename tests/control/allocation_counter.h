// Counts the bytes that this process allocates, to show a cost without measuring time. One thread.
#pragma once

#include <cstddef>

namespace rollcall::test {

std::size_t allocated_bytes();  // so far

}  // namespace rollcall::test
