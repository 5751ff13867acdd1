// What checks share: calls to the plug-in as Rollcall makes them.
//
// Threads: one owner.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "core/provider.h"
#include "deploy/rollcall-conformance/checks.h"
#include "providers/custom/plugin_session.h"

namespace rollcall::conformance {

inline constexpr std::chrono::seconds kPatience{15};  // one read, one check

inline Verdict pass(std::string detail = "") { return {Outcome::Pass, std::move(detail)}; }
inline Verdict failed(std::string detail) { return {Outcome::Fail, std::move(detail)}; }
std::string text_of(const ProvisioningError& error);  // "TIMEOUT: …"

// A provider that leads to the plug-in; never null.
std::unique_ptr<ClusterProvider> provider_of(const PluginTarget& target, const Clock& clock,
                                             const std::string& config);

// The first snapshot of a stream, or its first failure.
Result<ProviderSnapshot> first_snapshot(ProviderStream& stream);
// The answer to one event that is no failure.
Result<ProviderEvent> next_answer(ProviderStream& stream);

// core/provider.h promises it of every stream: after cancel() next() returns.
inline constexpr std::chrono::seconds kCancelAtMost{1};
// Cancels the stream from another thread, in the middle of a wait, and judges how long it takes
// until it is over, whatever it still says.
Verdict ends_when_cancelled(ProviderStream& stream, const Clock& clock);

// announce_check.cpp
Verdict announces(PluginTarget& target);
Verdict forgets_what_is_not_renewed(PluginTarget& target);

// A connection whose calls are made one by one.
struct RawSession {
  explicit RawSession(UniqueFd fd, const Clock& clock) : session(std::move(fd), clock, current) {}
  CurrentCall current;
  PluginSession session;
};
Result<std::unique_ptr<RawSession>> raw_session(const PluginTarget& target, const Clock& clock);

}  // namespace rollcall::conformance
