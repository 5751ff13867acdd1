// Runner: a scenario being run: the core, the providers as the script drives them, what happened.
// scenario_runner.cpp lets time pass, scenario_lines.cpp does what the lines say.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/control/scenario.h"
#include "tests/control/script_text.h"

namespace rollcall::test {

using Words = std::vector<std::string>;
inline constexpr MonoTime kScenarioStart{std::chrono::seconds(1000)};

// A provider as the script drives it.
struct Actor {
  enum class Habit : std::uint8_t { Silent, Beating, Failing };
  Habit habit = Habit::Silent;
  Duration every{std::chrono::seconds(5)};
  ErrorCode code = ErrorCode::BackendUnavailable;
  MemberMap view;
  std::uint64_t lineage = 0;
  StreamGeneration generation;
  bool running = false;
  std::optional<MonoTime> next;  // when the habit acts
};

struct Happened {
  Duration at{};
  std::string text;
};

// Runs one script. A value of one test.
class Runner {
 public:
  explicit Runner(const Scenario& scenario)
      : scenario_(scenario),
        core_(scenario.options),
        specs_(scenario.start.providers),
        policy_(scenario.options.policy),
        disk_waits_(scenario.disk_waits) {}

  std::vector<std::string> run();

 private:
  // time
  void step(Input input);
  void take(const Effects& effects);
  void take_event(const Event& event);
  void take_stream(const effect::StartStream& start);
  void advance_to(MonoTime at);
  void act_of_habit(Actor& actor, const std::string& name);
  // the script's lines
  bool perform(const Action& action);
  bool perform_one(const Words& words);
  bool provider_line(const Words& words, Actor& actor);
  bool operator_line(const Words& words);
  bool remoting_line(const Words& words);
  bool registry_line(const Words& words, input::ProvidersChanged& change);
  bool publish_line(const Words& words);
  bool disk_line(const Words& words);
  bool check_line(const Words& words);
  bool answers(const Words& words, std::size_t first, Actor& actor);
  ProviderReport report(const std::string& name, const Actor& actor) const;
  ProviderReport::Answer answer(const Actor& actor) const;
  RequestId request(const std::string& what);
  void check(bool ok, const std::string& what, const std::string& actual);
  void compare();

  void happened(const std::string& text) { log_.push_back({now_ - kScenarioStart, text}); }
  void wrong(const std::string& what) {
    errors_.push_back(format_seconds(now_ - kScenarioStart) + " (line " + std::to_string(line_) +
                      "): " + what);
  }

  const Scenario& scenario_;
  ProvisioningCore core_;
  std::vector<ProviderSpec> specs_;
  FailoverPolicy policy_;
  bool disk_waits_;
  std::map<std::string, Actor> actors_;
  std::map<std::uint64_t, std::string> requests_;
  std::deque<Input> due_;  // what follows from the last step at the same moment
  std::optional<std::uint64_t> writing_;
  std::optional<MonoTime> tick_;
  MonoTime now_ = kScenarioStart;
  int line_ = 0;
  std::uint64_t n_ = 0;
  MemberMap replica_;  // what a consumer that applies every delta holds
  std::vector<Happened> log_;
  std::vector<std::string> errors_;
};

}  // namespace rollcall::test
