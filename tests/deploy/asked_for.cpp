#include "tests/deploy/asked_for.h"

#include <cctype>
#include <regex>
#include <string_view>

namespace rollcall::test {
namespace {

// Calls `found` with each match.
template <class Found>
void each_match(const std::string& text, const std::regex& pattern, const Found& found) {
  for (auto it = std::sregex_iterator(text.begin(), text.end(), pattern);
       it != std::sregex_iterator(); ++it) {
    found(*it);
  }
}

bool word_character(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::vector<Selector> selectors(const std::string& expression) {
  static const std::regex selector(R"(\b((?:rollcall|process)_\w+)(?:\{([^}]*)\})?)");
  static const std::regex matcher(R"re((\w+)\s*(=~|!~|!=|=)\s*"([^"]*)")re");
  std::vector<Selector> result;
  each_match(expression, selector, [&](const std::smatch& match) {
    result.push_back({match[1], {}});
    each_match(match[2], matcher, [&](const std::smatch& one) {
      result.back().matchers.push_back({one[1], one[2], one[3]});
    });
  });
  return result;
}

std::set<std::string> grouping_labels(const std::string& expression) {
  static const std::regex grouping(R"(\b(?:by|without|on|ignoring)\s*\(([^)]*)\))");
  static const std::regex word(R"(\w+)");
  std::set<std::string> result;
  each_match(expression, grouping, [&](const std::smatch& match) {
    each_match(match[1], word, [&](const std::smatch& label) { result.insert(label[0]); });
  });
  return result;
}

std::set<std::string> metric_names(const std::string& text) {
  std::set<std::string> result;  // by hand: the pattern is slow on a whole dashboard
  for (const std::string_view prefix : {"rollcall_", "process_"}) {
    for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
      if (at > 0 && word_character(text[at - 1])) continue;
      auto end = at;
      while (end < text.size() && word_character(text[end])) ++end;
      result.insert(text.substr(at, end - at));
    }
  }
  return result;
}

}  // namespace rollcall::test
