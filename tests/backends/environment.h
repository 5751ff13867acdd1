// Where a test finds things: the built programs, the source tree, real servers, scratch space and
// free ports. Everything here may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "tests/support/source_dir.h"

namespace rollcall::test {

// Fixtures answer with a sentence for the reader of a failed test.
template <typename T>
using Outcome = tl::expected<T, std::string>;

// The directory of rollcalld and rollcall: ROLLCALL_BIN_DIR (set by CTest), else beside the running
// test binary.
std::filesystem::path bin_dir();

// A server's binary: the variable (an absolute path), then the PATH, then the cache of
// deploy/test.sh
// (${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}/<in_cache>, '*' in its first part
// matches any version).
Outcome<std::filesystem::path> find_server(const char* variable, std::string_view program,
                                           std::string_view in_cache);

// A directory of its own under TMPDIR, removed with everything in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Distinct loopback ports that nobody listens on (TCP and UDP). They lie below the range from which
// the kernel takes ports for outgoing connections: a client that keeps knocking at a killed
// server's port must be refused, and not meet itself or a stranger there. Empty if none could be
// found.
std::vector<std::uint16_t> free_ports(std::size_t count);

// Asks again and again until `condition` holds or the limit has passed; answers whether it held.
bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& condition);

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace rollcall::test
