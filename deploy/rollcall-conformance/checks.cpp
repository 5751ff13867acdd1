#include "deploy/rollcall-conformance/checks.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/text.h"
#include "deploy/rollcall-conformance/author_checks.h"
#include "deploy/rollcall-conformance/check_support.h"
#include "providers/common/cancel.h"
#include "providers/custom/limits.h"
#include "providers/custom/plugin_messages.h"

namespace rollcall::conformance {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kMemoryAnswer{1};  // a handshake must not ask the backend
constexpr int kAttestations = 5;     // listened to
constexpr int kReconnects = 5;

std::string ms(Duration d) { return std::to_string(to_ms(d)) + " ms"; }

std::string count(std::size_t n, const std::string& what) { return std::to_string(n) + " " + what; }

// --- handshake ---

Verdict handshake_agrees(PluginTarget& target) {
  const SteadyClock clock;
  auto raw = raw_session(target, clock);
  if (!raw) return failed(text_of(raw.error()));
  const MonoTime began = clock.now();
  auto answer = (*raw)->session.handshake(target.settings(), began + Duration(kPatience));
  if (!answer) return failed(text_of(answer.error()));
  const auto identity = identity_from_plugin(*answer, target.options().attest_ms);
  if (!identity) return failed(text_of(identity.error()));
  if (identity->name.empty()) return failed("the plug-in gives no name");
  if (!identity->watch) return failed("the capability `watch` is missing");
  const Duration took = clock.now() - began;
  const std::string who = identity->name + " " + identity->version;
  if (took > Duration(kMemoryAnswer)) return failed(who + " took " + ms(took));
  return pass(who);
}

// Calls the plug-in with what Rollcall itself never sends.
Result<v1::HandshakeResponse> strange_handshake(PluginTarget& target,
                                                const v1::HandshakeRequest& request) {
  const auto channel =
      grpc::CreateChannel("unix:" + target.socket(), grpc::InsecureChannelCredentials());
  const auto stub = v1::ClusterProviderPlugin::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  v1::HandshakeResponse response;
  const grpc::Status status = stub->Handshake(&context, request, &response);
  if (!status.ok()) return tl::unexpected(error_from_status(status));
  return response;
}

v1::HandshakeRequest request_of(const PluginTarget& target) {
  v1::HandshakeRequest request;
  request.add_protocol_versions(limits::kPluginProtocolVersion);
  request.set_provider_id("conformance");
  request.set_token_file(target.options().token_file);
  request.set_attest_interval_ms(static_cast<std::uint32_t>(target.options().attest_ms));
  for (const auto& [key, value] : target.settings().config) {
    (*request.mutable_config())[key] = value;
  }
  return request;
}

Verdict handshake_of_the_future(PluginTarget& target) {
  v1::HandshakeRequest request = request_of(target);
  request.clear_protocol_versions();
  request.add_protocol_versions(999);
  const auto answer = strange_handshake(target, request);
  if (!answer) return pass("refused: " + answer.error().message);
  if (answer->protocol_version() == 999) return failed("it claims to speak version 999");
  return pass();
}

Verdict handshake_refuses_unknown_keys(PluginTarget& target) {
  v1::HandshakeRequest request = request_of(target);
  (*request.mutable_config())["rollcall-conformance-misspelt"] = "1";
  const auto answer = strange_handshake(target, request);
  if (answer) return {Outcome::Advice, "a misspelt key of config goes unnoticed"};
  if (answer.error().code != ErrorCode::InvalidConfig) {
    return failed("INVALID_ARGUMENT is expected, and not " + text_of(answer.error()));
  }
  return pass(answer.error().message);
}

// --- one answer ---

Verdict check_answers(PluginTarget& target) {
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, target.options().config);
  const MonoTime began = clock.now();
  const auto able = provider->check_connectivity(began + Duration(kPatience));
  if (!able) return failed(text_of(able.error()));
  if (!able->watch) return failed(able->missing);
  return pass(ms(clock.now() - began));
}

Verdict snapshot_is_whole(PluginTarget& target) {
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, target.options().config);
  const auto answer = provider->initial_snapshot(clock.now() + Duration(kPatience));
  if (!answer) return failed(text_of(answer.error()));
  return pass(count(answer->members.size(), "members"));
}

// --- watch ---

std::set<std::string> ids_of(const ProviderSnapshot& answer) {
  std::set<std::string> ids;
  for (const ClusterNode& node : answer.members) ids.insert(node.id.str());
  return ids;
}

Verdict watch_agrees_with_snapshot(PluginTarget& target) {
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, target.options().config);
  // A change may come between the two; not between each pair.
  for (int tries = 0; tries < 3; ++tries) {
    const auto stream = provider->stream();
    auto watched = first_snapshot(*stream);
    if (!watched) return failed(text_of(watched.error()));
    auto read = provider->initial_snapshot(clock.now() + Duration(kPatience));
    if (!read) return failed("Snapshot beside a Watch: " + text_of(read.error()));
    if (ids_of(*watched) == ids_of(*read)) return pass(count(read->members.size(), "members"));
  }
  return failed("Snapshot and Watch never tell the same members");
}

Verdict watch_stays_alive(PluginTarget& target) {
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, target.options().config);
  const auto stream = provider->stream();
  auto first = first_snapshot(*stream);
  if (!first) return failed(text_of(first.error()));
  Duration longest{};
  MonoTime before = clock.now();
  for (int heard = 0; heard < kAttestations; ++heard) {
    auto event = next_answer(*stream);
    if (!event) return failed(text_of(event.error()));
    longest = std::max(longest, clock.now() - before);
    before = clock.now();
  }
  // What is asked for, and a tenth of it (at least 200 ms) for the way.
  const Duration asked = milliseconds(target.options().attest_ms);
  const std::string said = "longest silence " + ms(longest) + " of " + ms(asked);
  return longest > asked + std::max<Duration>(asked / 10, milliseconds(200)) ? failed(said)
                                                                             : pass(said);
}

Verdict watch_begins_anew(PluginTarget& target) {
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, target.options().config);
  for (int i = 0; i < kReconnects; ++i) {
    const auto stream = provider->stream();
    auto first = first_snapshot(*stream);
    if (!first) return failed("stream " + std::to_string(i + 1) + ": " + text_of(first.error()));
  }
  return pass(count(kReconnects, "streams, each with a snapshot"));
}

// Many streams that are cancelled: afterwards the process holds what it held before.
Verdict watch_leaves_nothing(PluginTarget& target) {
  const SteadyClock clock;
  const Cancel never;
  const auto provider = provider_of(target, clock, target.options().config);
  const auto follow = [&]() -> Result<void> {
    for (int i = 0; i < target.options().streams; ++i) {
      const auto stream = provider->stream();
      auto first = first_snapshot(*stream);
      if (!first) return tl::unexpected(std::move(first.error()));
    }
    return {};
  };
  if (auto warm = follow(); !warm) return failed(text_of(warm.error()));
  // Pools of threads grow to their size first; what grows with every stream is a leak.
  const auto spare = static_cast<std::size_t>(target.options().streams) / 4;
  wait_for(-1, 0, clock.now() + Duration(seconds(2)), clock, never);
  const auto before = target.held();
  if (!before) return failed(text_of(before.error()));
  if (auto done = follow(); !done) return failed(text_of(done.error()));
  Result<PluginTarget::Held> after = *before;
  const MonoTime deadline = clock.now() + Duration(seconds(10));
  do {
    after = target.held();
    if (!after) return failed(text_of(after.error()));
    if (after->descriptors <= before->descriptors + 1 &&
        after->threads <= before->threads + spare) {
      return pass(count(after->descriptors, "descriptors, ") + count(after->threads, "threads"));
    }
    wait_for(-1, 0, clock.now() + Duration(milliseconds(100)), clock, never);
  } while (clock.now() < deadline);
  return failed("10 s after " +
                count(static_cast<std::size_t>(target.options().streams), "streams ") +
                "descriptors went from " + std::to_string(before->descriptors) + " to " +
                std::to_string(after->descriptors) + ", threads from " +
                std::to_string(before->threads) + " to " + std::to_string(after->threads));
}

// Cancelling ends in time on Rollcall's side whatever the plug-in does; and the plug-in goes on
// serving. Whether it has ended its part as well shows in what it holds: watch.leaks.
Verdict watch_is_cancelled(PluginTarget& target) {
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, target.options().config);
  const auto stream = provider->stream();
  auto first = first_snapshot(*stream);
  if (!first) return failed(text_of(first.error()));
  Verdict verdict = ends_when_cancelled(*stream, clock);
  auto again = provider->check_connectivity(clock.now() + Duration(kPatience));
  if (!again) return failed("after a cancelled watch: " + text_of(again.error()));
  return verdict;
}

// --- strangers, emptiness, failures ---

Verdict survives_garbage(PluginTarget& target) {
  const SteadyClock clock;
  for (const std::string_view text : {std::string_view("GET / HTTP/1.1\r\n\r\n"),
                                      std::string_view("\0\xff\x01garbage\r\n", 12)}) {
    auto fd = target.connect();
    if (!fd) return failed(text_of(fd.error()));
    if (::write(fd->get(), text.data(), text.size()) < 0) return failed("it takes no bytes");
  }
  auto silent = target.connect();  // connected, and says nothing
  if (!silent) return failed(text_of(silent.error()));
  return check_answers(target);
}

Verdict empty_is_an_answer(PluginTarget& target) {
  if (!target.options().empty_config) return {Outcome::NotChecked, "give --empty-config"};
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, *target.options().empty_config);
  const auto read = provider->initial_snapshot(clock.now() + Duration(kPatience));
  if (!read) return failed("Snapshot: " + text_of(read.error()));
  const auto stream = provider->stream();
  auto watched = first_snapshot(*stream);
  if (!watched) return failed("Watch: " + text_of(watched.error()));
  const std::size_t members = read->members.size() + watched->members.size();
  return members == 0 ? pass() : failed(count(members, "members came"));
}

Verdict failure_is_no_emptiness(PluginTarget& target) {
  if (!target.options().broken_config) return {Outcome::NotChecked, "give --broken-config"};
  const SteadyClock clock;
  const auto provider = provider_of(target, clock, *target.options().broken_config);
  if (provider->check_connectivity(clock.now() + Duration(kPatience))) {
    return failed("CheckConnectivity says that all is well");
  }
  if (provider->initial_snapshot(clock.now() + Duration(kPatience))) {
    return failed("Snapshot gives an answer");
  }
  const auto stream = provider->stream();
  auto event = next_answer(*stream);
  if (event) return failed("Watch gives an answer");
  if (event.error().code == ErrorCode::MalformedResponse) return failed(text_of(event.error()));
  return pass(text_of(event.error()));
}

Verdict restarts(PluginTarget& target) {
  if (!target.started_here()) return {Outcome::NotChecked, "it was running already"};
  const SteadyClock clock;
  const auto old = target.pid();
  const MonoTime began = clock.now();
  if (auto again = target.restart(); !again) return failed(text_of(again.error()));
  const Duration took = clock.now() - began;
  const auto now = target.pid();
  if (!old || !now || *old == *now) return failed("it is the same process");
  const Verdict verdict = snapshot_is_whole(target);
  if (verdict.outcome != Outcome::Pass) return verdict;
  return pass("members again after " + ms(took));
}

}  // namespace

const std::vector<Check>& all_checks() {
  static const std::vector<Check> checks = {
      {"handshake.agrees", "speaks version 1, has a name, can watch, answers within 1 s",
       handshake_agrees},
      {"handshake.future", "does not claim a version that it can't know", handshake_of_the_future},
      {"handshake.config", "refuses unknown keys of config", handshake_refuses_unknown_keys},
      {"check.answers", "CheckConnectivity answers", check_answers},
      {"snapshot.whole", "Snapshot is complete, in order, valid and within the limits",
       snapshot_is_whole},
      {"watch.agrees", "Watch begins with the members that Snapshot tells, beside it",
       watch_agrees_with_snapshot},
      {"watch.liveness", "says something at least every attest interval", watch_stays_alive},
      {"watch.cancel", "a cancelled watch is over within 1 s and disturbs nothing",
       watch_is_cancelled},
      {"watch.reconnect", "every new watch begins with a snapshot", watch_begins_anew},
      {"watch.leaks", "no thread or descriptor is left behind by ended watches",
       watch_leaves_nothing},
      {"robust.garbage", "bytes of other protocols and silent peers do no harm", survives_garbage},
      {"answer.empty", "no members is an answer", empty_is_an_answer},
      {"answer.failure", "a backend that can't be reached is a failure, never an empty answer",
       failure_is_no_emptiness},
      {"watch.tells", "a change of the backend is told", changes_are_told},
      {"auth.rotates", "another token in the token file is taken up without a restart",
       rotated_token_is_used},
      {"announce.node", "an announced node is a member until it is withdrawn", announces},
      {"announce.ttl", "an announced node that nobody renews leaves by itself",
       forgets_what_is_not_renewed},
      {"process.restart", "ends by SIGTERM and comes back", restarts},
  };
  return checks;
}

}  // namespace rollcall::conformance
