// The rules of the house that can be read off the source tree: which folder may include which, what
// core may know, what may lie at the top, how long a file may be, and words that admit unfinished
// work or tests that prove nothing. CMake enforces the arrows a second time by its targets; this
// one also sees headers that nobody compiles.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace rollcall::arrows {

inline constexpr std::size_t kMaxLines = 500;  // a longer file has more than one subject

// Each complaint reads "path:line: what is wrong". Empty means that the tree keeps the rule.
using Complaints = std::vector<std::string>;

Complaints check_include_arrows(const std::filesystem::path& root);
Complaints check_core_headers(const std::filesystem::path& root);
Complaints check_clocks(const std::filesystem::path& root);
Complaints check_top_level(const std::filesystem::path& root);
Complaints check_file_lengths(const std::filesystem::path& root);
Complaints check_words(const std::filesystem::path& root);

// Whether a file in `from` may include one in `to` (folders such as "provisioning/hub").
bool may_include(std::string_view from, std::string_view to);

}  // namespace rollcall::arrows
