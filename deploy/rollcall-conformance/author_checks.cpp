#include "deploy/rollcall-conformance/author_checks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "deploy/rollcall-conformance/check_support.h"
#include "providers/common/cancel.h"
#include "providers/custom/spawn.h"

namespace rollcall::conformance {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kCommand{30};        // of one command
constexpr seconds kTold{15};           // SPEC 3: what is silent for so long is taken as lost
constexpr milliseconds kBetween{500};  // between attempts

using View = std::map<std::string, ClusterNode>;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : std::string(name) + "=" + value;
}

// Empty: it ended with status 0. Its output is this program's.
std::string run(const std::string& command, const Clock& clock) {
  SpawnRequest request;
  request.argv = {"/bin/sh", "-c", command};
  for (const char* name : {"PATH", "HOME"}) {
    if (std::string text = variable(name); !text.empty()) request.environment.push_back(text);
  }
  const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  request.input = nothing.get();
  request.output = STDERR_FILENO;
  const auto child = spawn(request);
  if (!child) return text_of(child.error());
  const Cancel never;
  const Wake wake =
      wait_for(child->pidfd.get(), POLLIN, clock.now() + Duration(kCommand), clock, never);
  if (wake != Wake::Ready) ::kill(-child->pid, SIGKILL);
  int status = 0;
  ::waitpid(child->pid, &status, 0);
  if (wake != Wake::Ready) return "the command did not end within 30 s";
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return "the command failed with wait status " + std::to_string(status);
  }
  return "";
}

View view_of(const ProviderSnapshot& answer) {
  View view;
  for (const ClusterNode& node : answer.members) view.emplace(node.id.str(), node);
  return view;
}

void follow(const ProviderEvent& event, View& view) {
  if (const auto* all = std::get_if<ProviderSnapshot>(&event)) view = view_of(*all);
  if (const auto* change = std::get_if<ChangeAnswer>(&event)) {
    for (const ClusterNode& node : change->upserts) view[node.id.str()] = node;
    for (const NodeId& id : change->removals) view.erase(id.str());
  }
}

}  // namespace

Verdict changes_are_told(PluginTarget& target) {
  if (target.options().change_command.empty()) {
    return {Outcome::NotChecked, "give --change-command"};
  }
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, target.options().config);
  const auto stream = provider->stream();
  auto first = first_snapshot(*stream);
  if (!first) return failed(text_of(first.error()));
  const View before = view_of(*first);
  if (const std::string wrong = run(target.options().change_command, clock); !wrong.empty()) {
    return failed(wrong);
  }
  const MonoTime began = clock.now();
  View now = before;
  while (now == before) {
    if (clock.now() > began + Duration(kTold)) return failed("nothing was told for 15 s");
    auto event = next_answer(*stream);
    if (!event) return failed(text_of(event.error()));
    follow(*event, now);
  }
  const auto took = std::chrono::duration_cast<milliseconds>(clock.now() - began);
  const auto read = provider->initial_snapshot(clock.now() + Duration(kTold));
  if (!read) return failed("Snapshot after the change: " + text_of(read.error()));
  if (view_of(*read) != now) return failed("Snapshot and Watch tell different members after it");
  return pass("told after " + std::to_string(took.count()) + " ms");
}

Verdict rotated_token_is_used(PluginTarget& target) {
  if (target.options().rotate_command.empty() || target.options().token_file.empty()) {
    return {Outcome::NotChecked, "give --rotate-command and --token-file"};
  }
  const SteadyClock clock;
  const Cancel never;
  const auto provider = provider_of(target, clock, target.options().config);
  {
    const auto stream = provider->stream();
    if (auto first = first_snapshot(*stream); !first) {
      return failed("before the rotation: " + text_of(first.error()));
    }
  }
  if (const std::string wrong = run(target.options().rotate_command, clock); !wrong.empty()) {
    return failed(wrong);
  }
  const MonoTime began = clock.now();
  const Duration patience = seconds(target.options().rotate_seconds);
  std::string last;
  while (clock.now() < began + patience) {
    const auto stream = provider->stream();
    const auto first = first_snapshot(*stream);
    if (first) {
      const auto took = std::chrono::duration_cast<milliseconds>(clock.now() - began);
      return pass("members again after " + std::to_string(took.count()) + " ms");
    }
    last = text_of(first.error());
    wait_for(-1, 0, clock.now() + Duration(kBetween), clock, never);
  }
  return failed(std::to_string(target.options().rotate_seconds) + " s after the rotation: " + last);
}

}  // namespace rollcall::conformance
