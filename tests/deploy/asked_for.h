// What an expression asks of Rollcall's metrics, found in its text. It is no parser of the query
// language: Prometheus has that one.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace rollcall::test {

struct Matcher {
  std::string label;
  std::string op;  // "=", "!=", "=~", "!~"
  std::string value;
};

struct Selector {
  std::string metric;  // rollcall_… or process_…
  std::vector<Matcher> matchers;
};

std::vector<Selector> selectors(const std::string& expression);

// The labels that it groups, matches or ignores by.
std::set<std::string> grouping_labels(const std::string& expression);

// The words of `text` that are names of metrics by their form, wherever they stand.
std::set<std::string> metric_names(const std::string& text);

}  // namespace rollcall::test
