#include "tests/support/source_dir.h"

namespace rollcall::test {

std::filesystem::path source_dir() { return ROLLCALL_SOURCE_DIR; }

}  // namespace rollcall::test
