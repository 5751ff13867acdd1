// Scenario: one script of the decision core, parsed and run (tests/control/README.md says how
// scripts read). No threads, no real time: years pass in milliseconds.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/time.h"
#include "provisioning/control/provisioning_core.h"

namespace rollcall::test {

// One line that happens at a time.
struct Action {
  int line = 0;
  Duration at{};
  std::vector<std::string> words;
};

// One event that must come, not before `from` and not after `to`.
struct Expectation {
  int line = 0;
  Duration from{};
  Duration to{};
  std::string text;
  bool any = false;  // whatever comes, up to what matches the next one
};

struct Scenario {
  std::string name;
  CoreOptions options;
  input::Start start;
  std::vector<Action> actions;  // in order of time
  std::vector<Expectation> expected;
  bool watch_streams = false;
  bool watch_notices = false;
  bool watch_disk = false;
  bool disk_waits = false;  // a write is done when the script says so
  Duration until{};
  std::vector<std::string> errors;  // of the script itself
};

Scenario parse_scenario(const std::string& name, const std::string& text);

// What a `provider`, `register` or `update` line says, on top of `spec`. False: it makes no sense.
bool parse_provider(const std::vector<std::string>& words, std::size_t first, ProviderSpec& spec);
// What a `policy` line says. False: it makes no sense.
bool parse_policy(const std::vector<std::string>& words, std::size_t first, FailoverPolicy& policy);

// Runs it; what went wrong, in words for a person. Empty: as expected.
std::vector<std::string> run_scenario(const Scenario& scenario);

}  // namespace rollcall::test
