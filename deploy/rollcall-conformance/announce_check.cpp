// Announcing, as Rollcall does it: to plug-ins that offer it.
#include <algorithm>
#include <chrono>
#include <string>

#include "core/announcer.h"
#include "deploy/rollcall-conformance/check_support.h"
#include "deploy/rollcall-conformance/checks.h"
#include "providers/common/cancel.h"
#include "providers/custom/plugin_messages.h"

namespace rollcall::conformance {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kTtl{3};
constexpr char kNodeId[] = "rollcall-conformance-node";

Announcement announcement() {
  Announcement what;
  what.node.id = NodeId(kNodeId);
  what.node.host = "192.0.2.1";  // RFC 5737: nobody's
  what.node.port = 9;
  what.ttl = kTtl;
  return what;
}

// Whether the node comes to be listed, or not, in time; a failed reading is none of the two.
bool comes_to(ClusterProvider& provider, const Clock& clock, bool listed) {
  const Cancel never;
  const MonoTime until = clock.now() + Duration(kTtl) + Duration(kPatience);
  while (clock.now() < until) {
    const auto list = provider.initial_snapshot(clock.now() + Duration(kPatience));
    const auto is_it = [](const ClusterNode& node) { return node.id.str() == kNodeId; };
    if (list && std::any_of(list->members.begin(), list->members.end(), is_it) == listed) {
      return true;
    }
    wait_for(-1, 0, clock.now() + Duration(milliseconds(100)), clock, never);
  }
  return false;
}

Result<bool> offers_announcing(PluginTarget& target, const Clock& clock) {
  auto raw = raw_session(target, clock);
  if (!raw) return tl::unexpected(std::move(raw.error()));
  auto answer = (*raw)->session.handshake(target.settings(), clock.now() + Duration(kPatience));
  if (!answer) return tl::unexpected(std::move(answer.error()));
  return answer->capabilities().announce();
}

}  // namespace

Verdict announces(PluginTarget& target) {
  const SteadyClock clock;
  const auto offered = offers_announcing(target, clock);
  if (!offered) return failed(text_of(offered.error()));
  if (!*offered) return {Outcome::NotChecked, "it does not offer the capability `announce`"};
  const auto provider = provider_of(target, clock, target.options().config);
  const auto soon = [&] { return clock.now() + Duration(kPatience); };
  const auto announcer = provider->announcer(announcement());
  for (const char* time : {"", " the second time"}) {
    auto announced = announcer->register_node(soon());
    if (!announced)
      return failed("Announce" + std::string(time) + ": " + text_of(announced.error()));
  }
  if (!comes_to(*provider, clock, true)) return failed("the announced node is not in a Snapshot");
  for (const char* time : {"", " the second time"}) {
    auto withdrawn = announcer->withdraw(soon());
    if (!withdrawn)
      return failed("Withdraw" + std::string(time) + ": " + text_of(withdrawn.error()));
  }
  if (!comes_to(*provider, clock, false)) return failed("a withdrawn node stays");
  return pass();
}

Verdict forgets_what_is_not_renewed(PluginTarget& target) {
  const SteadyClock clock;
  const auto offered = offers_announcing(target, clock);
  if (!offered) return failed(text_of(offered.error()));
  if (!*offered) return {Outcome::NotChecked, "it does not offer the capability `announce`"};
  const auto provider = provider_of(target, clock, target.options().config);
  auto announcer = provider->announcer(announcement());
  auto announced = announcer->register_node(clock.now() + Duration(kPatience));
  if (!announced) return failed("Announce: " + text_of(announced.error()));
  announcer.reset();  // nobody renews it
  if (!comes_to(*provider, clock, false)) return failed("a node that nobody renews stays");
  return pass();
}

}  // namespace rollcall::conformance
