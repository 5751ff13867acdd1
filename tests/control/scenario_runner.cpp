#include "tests/control/scenario_runner.h"

#include "core/codec/canonical.h"

namespace rollcall::test {

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
    const std::string found =
        next < log_.size() ? format_seconds(log_[next].at) + " " + log_[next].text : "nothing more";
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
    advance_to(kScenarioStart + action.at);
    line_ = action.line;
    if (!perform(action)) {
      wrong("this line can't be understood");
      return errors_;
    }
  }
  advance_to(kScenarioStart + scenario_.until);
  for (const auto& [id, what] : requests_) wrong("no reply to " + what);
  compare();
  return errors_;
}

std::vector<std::string> run_scenario(const Scenario& scenario) { return Runner(scenario).run(); }

}  // namespace rollcall::test
