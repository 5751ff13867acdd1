// What every plug-in must do, as checks of a running one. The rules are those of
// proto/rollcall/v1/plugin.proto; each check says which one was broken and what was seen.
//
// Threads: one owner; a check may use threads of its own, which end with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "deploy/rollcall-conformance/plugin_target.h"

namespace rollcall::conformance {

enum class Outcome : std::uint8_t {
  Pass,
  Fail,
  Advice,      // allowed, but not good
  NotChecked,  // an option that it needs was not given
};
std::string_view to_string(Outcome outcome);  // "pass", "FAIL", "advice", "not checked"

struct Verdict {
  Outcome outcome = Outcome::Pass;
  std::string detail;
};

struct Check {
  std::string_view name;  // "watch.liveness"
  std::string_view rule;  // one sentence
  Verdict (*run)(PluginTarget& target);
};

// In the order in which they are run: later ones build on what earlier ones have shown.
const std::vector<Check>& all_checks();

}  // namespace rollcall::conformance
