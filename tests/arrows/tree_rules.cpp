#include "tests/arrows/tree_rules.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <set>

#include "tests/arrows/source_file.h"

namespace rollcall::arrows {
namespace {

namespace fs = std::filesystem;

// What proto/ generates.
bool is_generated(std::string_view include) {
  return include.starts_with("rollcall/v1/") || include.starts_with("etcd/v3/");
}

bool within(std::string_view folder, std::string_view layer) {
  return folder == layer || (folder.starts_with(layer) && folder[layer.size()] == '/');
}

bool within_any(std::string_view folder, std::initializer_list<std::string_view> layers) {
  return std::ranges::any_of(layers, [&](std::string_view layer) { return within(folder, layer); });
}

std::string at(const SourceFile& file, std::size_t line, std::string_view what) {
  return file.path + ":" + std::to_string(line) + ": " + std::string(what);
}

// Standard headers that core's headers may use. What is missing is missing on purpose: threads,
// locks, streams and files are not for a layer that only names things and decides nothing about
// time.
const std::set<std::string_view>& core_std_headers() {
  static const std::set<std::string_view> headers = {
      "algorithm",     "any",
      "array",         "bit",
      "bitset",        "cassert",
      "cctype",        "charconv",
      "chrono",        "cinttypes",
      "climits",       "cmath",
      "compare",       "concepts",
      "cstddef",       "cstdint",
      "cstdlib",       "cstring",
      "deque",         "exception",
      "filesystem",    "forward_list",
      "functional",    "initializer_list",
      "iterator",      "limits",
      "list",          "map",
      "memory",        "memory_resource",
      "new",           "numbers",
      "numeric",       "optional",
      "queue",         "random",
      "ranges",        "ratio",
      "set",           "source_location",
      "span",          "stack",
      "stdexcept",     "string",
      "string_view",   "system_error",
      "tuple",         "type_traits",
      "typeindex",     "typeinfo",
      "unordered_map", "unordered_set",
      "utility",       "variant",
      "vector",        "version",
  };
  return headers;
}

Complaints check_one_include(const fs::path& root, const SourceFile& file, const Include& include) {
  const auto line = static_cast<std::size_t>(include.line);
  if (is_generated(include.path)) {
    if (may_include(file.folder(), "proto")) return {};
    return {at(file, line, "against the arrows: this folder may not know the messages of proto")};
  }
  if (include.angled) {
    static const std::regex wire(R"(^(grpc|grpcpp|google/protobuf|httplib\.h))");
    if (within_any(file.folder(), {"core", "provisioning"}) &&
        std::regex_search(include.path, wire)) {
      return {at(file, line, "against the arrows: <" + include.path + "> is the wire's")};
    }
    return {};
  }
  const auto slash = include.path.rfind('/');
  const std::string to = slash == std::string::npos ? "" : include.path.substr(0, slash);
  if (to.empty() || include.path.find("..") != std::string::npos ||
      !fs::exists(root / include.path)) {
    return {at(file, line, "\"" + include.path + "\" is not a path from the root of the tree")};
  }
  if (may_include(file.folder(), to)) return {};
  return {at(file, line, "against the arrows: " + file.folder() + " may not include " + to)};
}

// A rule about the text of lines: what is looked for, where, and what to say.
struct WordRule {
  std::string word;
  bool any_case = false;
  bool only_in_tests = false;  // and there only in C++
  std::string_view complaint;
};

// The words are put together here, so that this file does not break its own rule.
const std::vector<WordRule>& word_rules() {
  static constexpr std::string_view kUnfinished = "unfinished by its own words";
  static constexpr std::string_view kIdle = "a test that does not test";
  static constexpr std::string_view kWaits = "a test that waits by the clock";
  static const std::vector<WordRule> rules = {
      {std::string("TO") + "DO", false, false, kUnfinished},
      {std::string("FIX") + "ME", false, false, kUnfinished},
      {std::string("XX") + "X", false, false, kUnfinished},
      {std::string("HA") + "CK", false, false, kUnfinished},
      {std::string("place") + "holder", true, false, kUnfinished},
      {std::string("not imple") + "mented", true, false, kUnfinished},
      {std::string("not yet imple") + "mented", true, false, kUnfinished},
      {std::string("GTEST_") + "SKIP", false, true, kIdle},
      {std::string("SUCC") + "EED()", false, true, kIdle},
      {std::string("sleep_") + "for", false, true, kWaits},
      {std::string("sleep_") + "until", false, true, kWaits},
      {std::string("usle") + "ep", false, true, kWaits},
      {std::string("nanosle") + "ep", false, true, kWaits},
  };
  return rules;
}

bool word_character(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; }

bool has_word(std::string_view line, std::string_view word) {
  for (auto at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const auto end = at + word.size();
    const bool begins = at == 0 || !word_character(line[at - 1]);
    const bool ends =
        end == line.size() || !word_character(word.back()) || !word_character(line[end]);
    if (begins && ends) return true;
  }
  return false;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

Complaints check_line(const SourceFile& file, std::size_t index) {
  const std::string& line = file.lines[index];
  const std::string lowered = lower(line);
  const bool in_test = file.is_cpp() && within(file.folder(), "tests") &&
                       !within(file.folder(), "tests/bench");  // which measure, and test nothing
  Complaints result;
  for (const WordRule& rule : word_rules()) {
    if (rule.only_in_tests && !in_test) continue;
    if (!has_word(rule.any_case ? lowered : line, rule.word)) continue;
    result.push_back(at(file, index + 1, rule.complaint) + ": " + line);
  }
  if (in_test && line.find(std::string("DISABLED") + "_") != std::string::npos) {
    result.push_back(at(file, index + 1, "a test that does not run") + ": " + line);
  }
  return result;
}

}  // namespace

bool may_include(std::string_view from, std::string_view to) {
  if (from == to || within(from, "tests")) return true;
  if (within(to, "tests")) return false;
  if (within(from, "core")) return within(to, "core");
  if (within(from, "proto")) return to == "proto";
  if (within(from, "provisioning")) return within_any(to, {"core", "provisioning"});
  if (from == "providers") return within_any(to, {"core", "providers", "proto"});
  if (within(from, "providers")) {
    // The folders below a kind are parts of it.
    return within(to, from) || within_any(to, {"core", "proto", "providers/common"});
  }
  if (within(from, "bridges/client")) return within_any(to, {"core", "proto", "bridges/client"});
  if (within(from, "bridges")) {
    return within_any(to, {"core", "provisioning", "bridges", "proto"});
  }
  if (within(from, "deploy/rollcall")) {
    // `store verify` reads a state directory with the loaders that rollcalld uses, `local` writes
    // the process registry as node processes do.
    return within_any(to, {"core", "proto", "bridges/client", "provisioning/registry",
                           "providers/in_memory", "providers/local/registry", "deploy/rollcall"});
  }
  return within(from, "deploy");
}

Complaints check_include_arrows(const fs::path& root) {
  Complaints result;
  for (const SourceFile& file : read_tree(root)) {
    if (!file.is_cpp()) continue;
    for (const Include& include : file.includes()) {
      for (auto& complaint : check_one_include(root, file, include)) {
        result.push_back(std::move(complaint));
      }
    }
  }
  return result;
}

Complaints check_core_headers(const fs::path& root) {
  Complaints result;
  for (const SourceFile& file : read_tree(root)) {
    if (!file.is_header() || !within(file.folder(), "core") ||
        within(file.folder(), "core/codec")) {
      continue;
    }
    for (const Include& include : file.includes()) {
      if (!include.angled || include.path == "tl/expected.hpp" ||
          core_std_headers().contains(include.path)) {
        continue;
      }
      result.push_back(at(file, static_cast<std::size_t>(include.line),
                          "core's headers may not know <" + include.path + ">"));
    }
  }
  return result;
}

Complaints check_clocks(const fs::path& root) {
  static const std::regex clock(
      R"(_clock::now|\bclock_gettime\b|\bgettimeofday\b|\brandom_device\b|\btime\((nullptr|NULL|0)\))");
  static constexpr std::string_view hints[] = {"::now", "time", "random_device"};
  Complaints result;
  for (const SourceFile& file : read_tree(root)) {
    if (!file.is_cpp() ||
        !within_any(file.folder(), {"core", "provisioning/control", "provisioning/failover"})) {
      continue;
    }
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      // Few lines have one of these; the expression costs more than reading the tree does.
      const bool suspicious = std::ranges::any_of(hints, [&](std::string_view hint) {
        return file.lines[i].find(hint) != std::string::npos;
      });
      if (suspicious && std::regex_search(file.lines[i], clock)) {
        result.push_back(at(file, i + 1, "time and chance are arguments here"));
      }
    }
  }
  return result;
}

Complaints check_top_level(const fs::path& root) {
  static const std::set<std::string_view> allowed = {
      "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "core", "provisioning",
      "providers",      "bridges",           "proto",   "deploy",    "tests"};
  // Not part of the tree: the build directory and a developer's own presets, both in .gitignore.
  static const std::set<std::string_view> ignored = {"build", "CMakeUserPresets.json",
                                                     "compile_commands.json"};
  Complaints result;
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') || allowed.contains(name) || ignored.contains(name)) continue;
    result.push_back(name + ": nothing else lives at the top");
  }
  return result;
}

Complaints check_file_lengths(const fs::path& root) {
  Complaints result;
  for (const SourceFile& file : read_tree(root)) {
    if (!file.is_cpp() || file.lines.size() <= kMaxLines) continue;
    result.push_back(at(file, file.lines.size(), "longer than " + std::to_string(kMaxLines)));
  }
  return result;
}

Complaints check_words(const fs::path& root) {
  Complaints result;
  for (const SourceFile& file : read_tree(root)) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (auto& complaint : check_line(file, i)) result.push_back(std::move(complaint));
    }
  }
  return result;
}

}  // namespace rollcall::arrows
