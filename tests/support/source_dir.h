// The root of the source tree that this test was built from.
#pragma once

#include <filesystem>

namespace rollcall::test {

std::filesystem::path source_dir();

}  // namespace rollcall::test
