#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <set>

#include "core/codec/canonical.h"
#include "tests/control/scenario.h"
#include "tests/control/script_text.h"

namespace rollcall::test {
namespace {

using Words = std::vector<std::string>;
constexpr MonoTime kStart{std::chrono::seconds(1000)};

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

class Runner {
 public:
  explicit Runner(const Scenario& scenario)
      : scenario_(scenario), core_(scenario.options), specs_(scenario.start.providers),
        policy_(scenario.options.policy), disk_waits_(scenario.disk_waits) {}

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

  void happened(const std::string& text) { log_.push_back({now_ - kStart, text}); }
  void wrong(const std::string& what) {
    errors_.push_back(format_seconds(now_ - kStart) + " (line " + std::to_string(line_) +
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
  MonoTime now_ = kStart;
  int line_ = 0;
  std::uint64_t n_ = 0;
  MemberMap replica_;  // what a consumer that applies every delta holds
  std::vector<Happened> log_;
  std::vector<std::string> errors_;
};

// --- time ---------------------------------------------------------------------------------------

void Runner::step(Input input) {
  take(core_.step(input, now_));
  while (!due_.empty()) {
    Input next = std::move(due_.front());
    due_.pop_front();
    take(core_.step(next, now_));
  }
}

void Runner::take_event(const Event& event) {
  happened(format_event(event));
  if (event.seq_no != make_seq(scenario_.options.boot, ++n_)) wrong("a gap in seq_no");
  if (event.epoch != scenario_.options.epoch) wrong("another epoch");
  if (const auto* delta = std::get_if<event::Delta>(&event.body)) {
    if (delta->invalidates_hash != replica_.hash()) wrong("delta invalidates another hash");
    for (const LeftMember& left : delta->left) replica_ = replica_.without(left.id);
    for (const Member& member : delta->joined) replica_ = replica_.with(member);
    for (const Member& member : delta->changed) replica_ = replica_.with(member);
  }
  if (std::holds_alternative<event::Reset>(event.body)) {
    replica_ = core_.snapshot().members;  // the snapshot that follows
  }
  if (event.snapshot_hash != replica_.hash()) wrong("the hash proves another topology");
}

void Runner::take_stream(const effect::StartStream& start) {
  Actor& actor = actors_[start.provider.str()];
  if (actor.running) wrong("a second stream of " + start.provider.str() + " was started");
  if (start.generation <= actor.generation) wrong("a generation was used again");
  actor.generation = start.generation;
  actor.running = true;
  if (actor.habit != Actor::Habit::Silent) actor.next = now_;
}

void Runner::take(const Effects& effects) {
  tick_ = effects.next_tick;
  if (tick_ && *tick_ <= now_) wrong("the next tick isn't later");
  for (const Effect& effect : effects.list) {
    if (const auto* published = std::get_if<effect::Publish>(&effect)) {
      take_event(published->event);
    } else if (const auto* start = std::get_if<effect::StartStream>(&effect)) {
      take_stream(*start);
      if (scenario_.watch_streams) happened("stream start " + start->provider.str());
    } else if (const auto* stop = std::get_if<effect::StopStream>(&effect)) {
      Actor& actor = actors_[stop->provider.str()];
      if (!actor.running || actor.generation != stop->generation) wrong("no such stream to stop");
      actor.running = false;
      actor.next.reset();
      if (scenario_.watch_streams) happened("stream stop " + stop->provider.str());
    } else if (const auto* resume = std::get_if<effect::ResumeStream>(&effect)) {
      Actor& actor = actors_[resume->provider.str()];
      if (actor.habit != Actor::Habit::Silent) actor.next = resume->not_before;
      if (scenario_.watch_streams) happened("stream resume " + resume->provider.str());
    } else if (const auto* save = std::get_if<effect::SaveBlocks>(&effect)) {
      if (writing_) wrong("two writes in flight");
      writing_ = save->version;
      if (scenario_.watch_disk) happened("save blocks " + std::to_string(save->blocks.size()));
      if (!disk_waits_) {
        due_.push_back(input::BlocksSaved{save->version, std::nullopt});
        writing_.reset();
      }
    } else if (const auto* holds = std::get_if<effect::SaveHolds>(&effect)) {
      if (scenario_.watch_disk) happened("save holds " + std::to_string(holds->held.size()));
    } else if (const auto* reply = std::get_if<effect::Reply>(&effect)) {
      const auto known = requests_.find(reply->request.value());
      const std::string what = known == requests_.end() ? "twice?" : known->second;
      happened("reply " + what + " " +
               (reply->result ? "ok" : std::string(to_string(reply->result.error().code))));
      requests_.erase(reply->request.value());
    } else if (const auto* notice = std::get_if<effect::Notice>(&effect)) {
      if (scenario_.watch_notices) {
        happened("notice " + std::string(notice->event) + " " + notice->provider.str() +
                 (notice->code ? " " + std::string(to_string(*notice->code)) : ""));
      }
    }
  }
  if (replica_.hash() != core_.snapshot().hash()) wrong("consumers and the core differ");
}

void Runner::act_of_habit(Actor& actor, const std::string& name) {
  actor.next.reset();
  if (!actor.running) return;
  ProviderReport said = report(name, actor);
  if (actor.habit == Actor::Habit::Beating) {
    said.add(answer(actor));
    actor.next = now_ + actor.every;
  } else {
    said.add(FailedAnswer{actor.code, "as the script says"});
  }
  step(input::Answered{std::move(said)});
}

// Lets everything happen up to `at`: habits, and ticks after them.
void Runner::advance_to(MonoTime at) {
  for (;;) {
    std::string first;
    std::optional<MonoTime> when;
    for (const auto& [name, actor] : actors_) {
      if (actor.next && (!when || *actor.next < *when)) {
        when = actor.next;
        first = name;
      }
    }
    const bool tick = tick_ && (!when || *tick_ < *when);
    if (tick) when = tick_;
    if (!when || *when > at) break;
    now_ = std::max(now_, *when);
    if (tick) {
      tick_.reset();
      step(input::Tick{});
    } else {
      act_of_habit(actors_[first], first);
    }
  }
  now_ = at;
}

// --- the script's lines -------------------------------------------------------------------------

RequestId Runner::request(const std::string& what) {
  static_assert(sizeof(std::size_t) == sizeof(std::uint64_t));
  const std::uint64_t id = 1 + log_.size() * 1000 + requests_.size();
  requests_[id] = what;
  return RequestId(id);
}

ProviderReport Runner::report(const std::string& name, const Actor& actor) const {
  ProviderReport said;
  said.provider = ProviderId(name);
  said.generation = actor.generation;
  return said;
}

ProviderReport::Answer Runner::answer(const Actor& actor) const {
  const WallTime wall = from_unix_ms(1'790'000'000'000 + to_ms(now_ - kStart));
  return {actor.view, "7", actor.lineage, {now_, now_, wall}};
}

bool Runner::answers(const Words& words, std::size_t first, Actor& actor) {
  std::vector<Member> members;
  for (std::size_t i = first; i < words.size(); ++i) {
    if (words[i] == "nothing") continue;
    if (words[i] == "every" || words[i] == "lineage" || words[i] == "read") {
      ++i;
      continue;
    }
    const auto node = parse_member(words[i]);
    if (!node) return false;
    members.push_back(make_member(*node));
  }
  actor.view = MemberMap::from(std::move(members));
  for (std::size_t i = first; i + 1 < words.size(); ++i) {
    if (words[i] == "every") actor.every = parse_duration(words[i + 1]).value_or(actor.every);
    if (words[i] == "lineage") actor.lineage = std::stoull(words[i + 1]);
  }
  return true;
}

// PROVIDER answers|beats|silent|fails|keeps|ends|dies|late …
bool Runner::provider_line(const Words& words, Actor& actor) {
  const std::string& name = words[0];
  const std::string& verb = words[1];
  ProviderReport said = report(name, actor);
  if (verb == "silent") {
    actor.habit = Actor::Habit::Silent;
    actor.next.reset();
    return true;
  }
  if (verb == "beats" || verb == "answers") {
    if (!answers(words, 2, actor)) return false;
    actor.habit = verb == "beats" ? Actor::Habit::Beating : Actor::Habit::Silent;
    if (!actor.running) return true;  // a beating one answers when its stream starts
    auto given = answer(actor);
    for (std::size_t i = 2; i + 1 < words.size(); ++i) {
      if (words[i] == "read") given.times.read_began = kStart + *parse_duration(words[i + 1]);
    }
    said.add(std::move(given));
    actor.next.reset();
    if (verb == "beats") actor.next = now_ + actor.every;
  } else if (verb == "late") {  // late answers …: of the stream before
    Actor old = actor;
    if (!answers(words, 3, old)) return false;
    said.generation = StreamGeneration(actor.generation.value() - 1);
    said.add(answer(old));
  } else if ((verb == "fails" && words.size() == 3) || (verb == "keeps" && words.size() == 4)) {
    const auto code = error_code_from_string(words.back());
    if (!code) return false;
    actor.habit = verb == "keeps" ? Actor::Habit::Failing : Actor::Habit::Silent;
    actor.code = *code;
    actor.next.reset();
    said.add(FailedAnswer{*code, "as the script says"});
  } else if (verb == "ends" || verb == "dies") {
    Terminated end;
    end.ended = verb == "ends";
    if (!end.ended) end.code = error_code_from_string(words.back()).value_or(end.code);
    said.add(end);
    actor.running = false;
    actor.next.reset();
  } else {
    return false;
  }
  step(input::Answered{std::move(said)});
  return true;
}

bool Runner::operator_line(const Words& words) {
  if (words[0] == "switch" && words.size() >= 2) {
    Duration lasting{};
    if (words.size() == 4) lasting = parse_duration(words[3]).value_or(Duration(-1));
    step(input::SwitchTo{request("switch"), ProviderId(words[1]), lasting});
  } else if (words[0] == "clear") {
    step(input::ClearSwitch{request("clear")});
  } else if (words[0] == "release") {
    step(input::ReleaseRemovals{request("release")});
  } else if (words[0] == "drain") {
    step(input::Drain{request("drain")});
  } else if (words[0] == "policy") {
    if (!parse_policy(words, 1, policy_)) return false;
    step(input::PolicyChanged{policy_});
  } else {
    return false;
  }
  return true;
}

bool Runner::remoting_line(const Words& words) {
  if (words.size() != 2) return false;
  const auto node = parse_member(words[1]);
  if (!node) return false;
  if (words[0] == "quarantine") {
    step(input::Quarantine{request("quarantine"), node->id, node->incarnation});
  } else {
    step(input::Recover{request("recover"), node->id, node->incarnation});
  }
  return true;
}

bool Runner::registry_line(const Words& words, input::ProvidersChanged& change) {
  if (words.size() < 2) return false;
  const auto it = std::find_if(specs_.begin(), specs_.end(), [&](const ProviderSpec& s) {
    return s.descriptor.id.str() == words[1];
  });
  if (words[0] == "register") {
    ProviderSpec spec;
    spec.attest_interval = std::chrono::seconds(10);
    spec.descriptor.id = ProviderId(words[1]);
    spec.descriptor.kind = "custom";
    if (!parse_provider(words, 2, spec)) return false;
    specs_.push_back(std::move(spec));
    return true;
  }
  if (it == specs_.end()) return false;
  if (words[0] == "remove") {
    specs_.erase(it);
  } else if (words[0] == "update") {
    return parse_provider(words, 2, *it);
  } else {
    it->descriptor.enabled = words[0] == "enable";
    if (words[0] == "enable") change.release_holds.push_back(it->descriptor.id);
  }
  return true;
}

// publish TICK on last|SEQ PARTITION=NODE…
bool Runner::publish_line(const Words& words) {
  if (words.size() < 4) return false;
  input::PublishOwnership in;
  in.request = request("publish");
  in.epoch = scenario_.options.epoch;
  in.tick = std::stoull(words[1]);
  in.based_on = words[3] == "last" ? core_.snapshot().seq_no
                                   : make_seq(scenario_.options.boot, std::stoull(words[3]));
  for (std::size_t i = 4; i < words.size(); ++i) {
    if (words[i] == "foreign") {
      in.epoch = Epoch(99);
      continue;
    }
    const std::size_t equals = words[i].find('=');
    Lease lease;
    lease.partition = words[i].substr(0, equals);
    lease.owner = NodeId(words[i].substr(equals + 1));
    in.leases.push_back(std::move(lease));
  }
  step(std::move(in));
  return true;
}

// disk done | disk fails | disk works: the end of the write in flight, or of the waiting.
bool Runner::disk_line(const Words& words) {
  if (words.size() != 2) return false;
  if (words[1] == "waits" || words[1] == "works") {
    disk_waits_ = words[1] == "waits";
    if (disk_waits_ || !writing_) return true;
  }
  if (!writing_) {
    wrong("no write is in flight");
    return true;
  }
  input::BlocksSaved saved{*writing_, std::nullopt};
  if (words[1] == "fails") saved.error = ProvisioningError{ErrorCode::StoreIo, "disk", {}, 0};
  writing_.reset();
  step(std::move(saved));
  return true;
}

void Runner::check(bool ok, const std::string& what, const std::string& actual) {
  if (!ok) wrong("check " + what + ": it is " + actual);
}

// check active P | health P H | members … | stale | fresh | age D | held P | streams P…
bool Runner::check_line(const Words& words) {
  const TopologySnapshot& now = core_.snapshot();
  const std::string& what = words[1];
  if (what == "active" && words.size() == 3) {
    const std::string active = now.active.empty() ? "none" : now.active.str();
    check(active == words[2], "active", active);
  } else if (what == "health" && words.size() == 4) {
    for (const ProviderStatus& status : core_.providers()) {
      if (status.spec.descriptor.id.str() != words[2]) continue;
      check(to_string(status.health) == words[3], "health", std::string(to_string(status.health)));
    }
  } else if (what == "members") {
    std::string expected;
    for (std::size_t i = 2; i < words.size(); ++i) expected += " " + words[i];
    std::string actual;
    now.members.for_each([&](const Member& m) { actual += " " + format_member(m); });
    check(actual == expected, "members" + expected, actual);
  } else if (what == "stale" || what == "fresh") {
    check(now.stale == (what == "stale"), what, now.stale ? "stale" : "fresh");
  } else if (what == "no_topology") {
    check(!now.has_topology, what, "there");
  } else if (what == "age" && words.size() == 3) {
    const Duration age = now_ - now.confirmed_at;
    check(age == *parse_duration(words[2]), "age", format_seconds(age));
  } else if (what == "held" && words.size() == 3) {
    check(std::to_string(core_.removals_held()) == words[2], "held",
          std::to_string(core_.removals_held()));
  } else if (what == "blocks" && words.size() == 3) {
    check(std::to_string(core_.blocks().size()) == words[2], "blocks",
          std::to_string(core_.blocks().size()));
  } else if (what == "leases" && words.size() == 3) {
    const std::size_t leases = now.leases ? now.leases->size() : 0;
    check(std::to_string(leases) == words[2], "leases", std::to_string(leases));
  } else if (what == "pinned" && words.size() == 3) {
    const auto pinned = core_.pinned();
    check((pinned ? pinned->str() : "none") == words[2], "pinned", pinned ? pinned->str() : "none");
  } else if (what == "watching") {
    std::string expected;
    for (std::size_t i = 2; i < words.size(); ++i) expected += " " + words[i];
    std::string actual;
    for (const auto& [name, actor] : actors_) {
      if (actor.running) actual += " " + name;
    }
    check(actual == expected, "watching" + expected, actual);
  } else {
    return false;
  }
  return true;
}

bool Runner::perform_one(const Words& words) {
  static const std::set<std::string> kRegistry = {"register", "remove", "update", "enable",
                                                  "disable"};
  if (words.empty()) return false;
  if (words[0] == "check" && words.size() >= 2) return check_line(words);
  if (words[0] == "quarantine" || words[0] == "recover") return remoting_line(words);
  if (words[0] == "publish") return publish_line(words);
  if (words[0] == "disk") return disk_line(words);
  if (words.size() >= 2 && !kRegistry.contains(words[0])) {
    for (const ProviderSpec& spec : specs_) {
      if (spec.descriptor.id.str() == words[0]) return provider_line(words, actors_[words[0]]);
    }
  }
  return operator_line(words);
}

bool Runner::perform(const Action& action) {
  static const std::set<std::string> kRegistry = {"register", "remove", "update", "enable",
                                                  "disable"};
  if (!kRegistry.contains(action.words[0])) return perform_one(action.words);
  // Several changes, separated by ";", are one step (R5.4).
  input::ProvidersChanged change;
  Words part;
  for (std::size_t i = 0; i <= action.words.size(); ++i) {
    if (i < action.words.size() && action.words[i] != ";") {
      part.push_back(action.words[i]);
      continue;
    }
    if (!registry_line(part, change)) return false;
    part.clear();
  }
  change.providers = specs_;
  step(std::move(change));
  return true;
}

void Runner::compare() {
  std::size_t next = 0;
  bool any = false;
  std::string story;
  for (const Happened& h : log_) story += "\n    " + format_seconds(h.at) + " " + h.text;
  for (const Expectation& expected : scenario_.expected) {
    if (expected.any) {
      any = true;
      continue;
    }
    const auto matches = [&](const Happened& h) {
      return h.text == expected.text && h.at >= expected.from && h.at <= expected.to;
    };
    while (any && next < log_.size() && !matches(log_[next])) ++next;
    any = false;
    if (next < log_.size() && matches(log_[next])) {
      ++next;
      continue;
    }
    const std::string found = next < log_.size()
                                  ? format_seconds(log_[next].at) + " " + log_[next].text
                                  : "nothing more";
    errors_.push_back("line " + std::to_string(expected.line) + " expects '" + expected.text +
                      "' at " + format_seconds(expected.from) + ", there is '" + found +
                      "'. All that happened:" + story);
    return;
  }
  if (next < log_.size() && !any) {
    errors_.push_back("not expected: '" + format_seconds(log_[next].at) + " " + log_[next].text +
                      "'. All that happened:" + story);
  }
}

std::vector<std::string> Runner::run() {
  if (!scenario_.errors.empty()) return scenario_.errors;
  if (scenario_.start.cached) {
    // A consumer of this epoch begins with the snapshot of what is served.
    std::vector<Member> shown;
    scenario_.start.cached->members.for_each([&](const Member& m) {
      const auto block = scenario_.start.blocks.find(m.id());
      const bool blocked = block != scenario_.start.blocks.end() &&
                           (block->second.incarnation.empty() || m.node->incarnation.empty() ||
                            block->second.incarnation == m.node->incarnation);
      shown.push_back(with_blocked(m, blocked));
    });
    replica_ = MemberMap::from(std::move(shown));
  }
  step(scenario_.start);
  for (const Action& action : scenario_.actions) {
    advance_to(kStart + action.at);
    line_ = action.line;
    if (!perform(action)) {
      wrong("this line can't be understood");
      return errors_;
    }
  }
  advance_to(kStart + scenario_.until);
  for (const auto& [id, what] : requests_) wrong("no reply to " + what);
  compare();
  return errors_;
}

}  // namespace

std::vector<std::string> run_scenario(const Scenario& scenario) { return Runner(scenario).run(); }

}  // namespace rollcall::test
