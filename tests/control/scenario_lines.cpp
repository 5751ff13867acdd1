// Runner, the part that does what a script's lines say.
#include <algorithm>
#include <set>

#include "core/codec/canonical.h"
#include "tests/control/scenario_runner.h"

namespace rollcall::test {

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
  const WallTime wall = from_unix_ms(1'790'000'000'000 + to_ms(now_ - kScenarioStart));
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
      if (words[i] == "read")
        given.times.read_began = kScenarioStart + *parse_duration(words[i + 1]);
    }
    said.add(std::move(given));
    actor.next.reset();
    if (verb == "beats") actor.next = now_ + actor.every;
  } else if (verb == "late") {  // late answers …: of the stream before, or of the stopped one
    Actor old = actor;
    if (!answers(words, 3, old)) return false;
    if (actor.running) said.generation = StreamGeneration(actor.generation.value() - 1);
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
  if (words[0] == "policy") {  // a reload of the configuration may bring both
    change.policy = policy_;
    if (!parse_policy(words, 1, *change.policy)) return false;
    policy_ = *change.policy;
    return true;
  }
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
    // One that was removed may still be talking.
    const auto known = actors_.find(words[0]);
    if (known != actors_.end() && words[1] == "late") return provider_line(words, known->second);
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

}  // namespace rollcall::test
