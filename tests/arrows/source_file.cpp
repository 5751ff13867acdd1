#include "tests/arrows/source_file.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <regex>
#include <string_view>

namespace rollcall::arrows {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> kTextSuffixes = {".h",  ".cpp", ".cc",    ".proto",
                                                           ".sh", ".md",  ".cmake", ".txt"};

bool looked_at(const fs::path& file) {
  return std::ranges::find(kTextSuffixes, file.extension().string()) != kTextSuffixes.end();
}

SourceFile read_file(const fs::path& root, const fs::path& file) {
  SourceFile result;
  result.path = fs::relative(file, root).generic_string();
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) result.lines.push_back(line);
  return result;
}

}  // namespace

std::string SourceFile::folder() const {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

bool SourceFile::is_header() const { return path.ends_with(".h"); }

bool SourceFile::is_cpp() const {
  return is_header() || path.ends_with(".cpp") || path.ends_with(".cc");
}

std::vector<Include> SourceFile::includes() const {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> result;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find("include") == std::string::npos) continue;  // the pattern is slow
    std::smatch match;
    if (!std::regex_search(lines[i], match, pattern)) continue;
    result.push_back({static_cast<int>(i + 1), match[1] == "<", match[2]});
  }
  return result;
}

std::vector<SourceFile> read_tree(const fs::path& root) {
  std::vector<SourceFile> result;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    const std::string name = it->path().filename().string();
    const bool hidden = name.starts_with('.');
    if (it->is_directory() && (hidden || (it.depth() == 0 && name == "build"))) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file() && !hidden && looked_at(it->path())) {
      result.push_back(read_file(root, it->path()));
    }
  }
  std::ranges::sort(result, {}, &SourceFile::path);
  return result;
}

}  // namespace rollcall::arrows
