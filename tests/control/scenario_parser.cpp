#include <charconv>
#include <sstream>

#include "core/codec/canonical.h"
#include "tests/control/scenario.h"
#include "tests/control/script_text.h"

namespace rollcall::test {
namespace {

using Words = std::vector<std::string>;

template <class Number>
bool parse_number(const std::string& text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_time(const std::string& text, Duration& out) {
  const auto parsed = parse_duration(text);
  if (parsed) out = *parsed;
  return parsed.has_value();
}

// Expectations that stand for several events in a row.
std::vector<std::string> expand(const Words& words, std::size_t first) {
  const std::string& kind = words[first];
  std::string rest;
  for (std::size_t i = first; i < words.size(); ++i) rest += (i > first ? " " : "") + words[i];
  const auto members = [&](std::size_t from, const std::string& sign, const std::string& remote,
                           std::vector<std::string>& out) {
    if (from >= words.size()) return;
    std::string delta = "delta";
    for (std::size_t i = from; i < words.size(); ++i) delta += " " + sign + words[i];
    out.push_back(delta);
    for (std::size_t i = from; i < words.size(); ++i) {
      out.push_back("remote_topology " + remote + " " + words[i]);
    }
  };
  std::vector<std::string> out;
  if (kind == "opening") {
    out.push_back("availability_changed UNAVAILABLE STARTING paused stale");
  } else if (kind == "activated" && first + 1 < words.size()) {
    out.push_back("provider_changed none→" + words[first + 1] + " RECOVERED");
    members(first + 2, "+", "JOIN", out);
    out.push_back("availability_changed AVAILABLE CONFIRMED");
  } else if (kind == "joins") {
    members(first + 1, "+", "JOIN", out);
  } else if (kind == "leaves") {
    members(first + 1, "-", "LEAVE", out);
  } else {
    out.push_back(rest);
  }
  return out;
}

class Parser {
 public:
  Scenario parse(const std::string& name, const std::string& text) {
    scenario_.name = name;
    scenario_.options.epoch = make_epoch(1, 7);
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
      ++line_;
      const Words words = split_words(line);
      if (!words.empty() && !statement(words)) error("can't be understood: " + line);
    }
    if (scenario_.until == Duration::zero()) scenario_.until = last_ + std::chrono::seconds(1);
    if (scenario_.until < last_) error("until comes before the last line");
    return std::move(scenario_);
  }

 private:
  void error(const std::string& what) {
    scenario_.errors.push_back("line " + std::to_string(line_) + ": " + what);
  }

  bool statement(const Words& words) {
    if (words[0] == "at") return action(words);
    if (words[0] == "expect") return expectation(words);
    if (words[0] == "until") return words.size() == 2 && parse_time(words[1], scenario_.until);
    return declaration(words);
  }

  bool in_order(Duration at) {
    if (at < last_) return false;
    last_ = at;
    return true;
  }

  bool action(const Words& words) {
    Action action;
    action.line = line_;
    if (words.size() < 3 || !parse_time(words[1], action.at) || !in_order(action.at)) return false;
    action.words.assign(words.begin() + 2, words.end());
    scenario_.actions.push_back(std::move(action));
    return true;
  }

  bool expectation(const Words& words) {
    if (words.size() < 2) return false;
    Expectation expected;
    expected.line = line_;
    if (words[1] == "any") {
      expected.any = true;
      scenario_.expected.push_back(expected);
      return true;
    }
    if (words.size() < 3) return false;
    const std::size_t dots = words[1].find("..");
    const bool timed =
        dots == std::string::npos
            ? parse_time(words[1], expected.from) && parse_time(words[1], expected.to)
            : parse_time(words[1].substr(0, dots), expected.from) &&
                  parse_time(words[1].substr(dots + 2), expected.to);
    if (!timed || !in_order(expected.from)) return false;
    for (std::string& text : expand(words, 2)) {
      expected.text = std::move(text);
      scenario_.expected.push_back(expected);
    }
    return true;
  }

  bool declaration(const Words& words) {
    if (words[0] == "provider" && words.size() >= 2) {
      ProviderSpec spec;
      spec.attest_interval = std::chrono::seconds(10);
      spec.descriptor.id = ProviderId(words[1]);
      spec.descriptor.kind = "custom";
      if (!parse_provider(words, 2, spec)) return false;
      scenario_.start.providers.push_back(std::move(spec));
      return true;
    }
    if (words[0] == "policy") return parse_policy(words, 1, scenario_.options.policy);
    if (words[0] == "seed")
      return words.size() == 2 && parse_number(words[1], scenario_.options.seed);
    if (words[0] == "log_bytes") {
      return words.size() == 2 && parse_number(words[1], scenario_.options.log_bytes);
    }
    if (words[0] == "held") {
      for (std::size_t i = 1; i < words.size(); ++i) scenario_.start.held.emplace_back(words[i]);
      return words.size() > 1;
    }
    if (words[0] == "watch" && words.size() == 2) return watch(words[1]);
    if (words[0] == "disk" && words.size() == 2 && words[1] == "waits") {
      scenario_.disk_waits = true;
      return true;
    }
    if (words[0] == "cached") return cached(words);
    if (words[0] == "block") return block(words);
    return false;
  }

  bool watch(const std::string& what) {
    if (what == "streams") scenario_.watch_streams = true;
    if (what == "notices") scenario_.watch_notices = true;
    if (what == "disk") scenario_.watch_disk = true;
    return what == "streams" || what == "notices" || what == "disk";
  }

  // cached [age DURATION] MEMBER…
  bool cached(const Words& words) {
    CachedTopology cached;
    cached.age = std::chrono::minutes(1);
    std::size_t i = 1;
    if (words.size() > 2 && words[1] == "age") {
      if (!parse_time(words[2], cached.age)) return false;
      i = 3;
    }
    std::vector<Member> members;
    for (; i < words.size(); ++i) {
      const auto node = parse_member(words[i]);
      if (!node) return false;
      members.push_back(make_member(*node));
    }
    cached.members = MemberMap::from(std::move(members));
    scenario_.start.cached = std::move(cached);
    return true;
  }

  // block NODE[#INCARNATION] [recovering] [for DURATION]
  bool block(const Words& words) {
    if (words.size() < 2) return false;
    const auto node = parse_member(words[1]);
    if (!node) return false;
    Block block;
    block.node = node->id;
    block.incarnation = node->incarnation;
    Duration left = std::chrono::hours(1);
    for (std::size_t i = 2; i < words.size(); ++i) {
      if (words[i] == "recovering") {
        block.recovering = true;
      } else if (words[i] == "for" && i + 1 < words.size()) {
        if (!parse_time(words[++i], left)) return false;
      } else {
        return false;
      }
    }
    block.expires_mono = MonoTime(std::chrono::seconds(1000)) + left;
    scenario_.start.blocks[block.node] = block;
    return true;
  }

  Scenario scenario_;
  int line_ = 0;
  Duration last_{};
};

}  // namespace

bool parse_provider(const Words& words, std::size_t first, ProviderSpec& spec) {
  for (std::size_t i = first; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool more = i + 1 < words.size();
    if (word == "cold" || word == "hot") {
      spec.descriptor.standby = word == "cold" ? Standby::Cold : Standby::Hot;
    } else if (word == "disabled" || word == "enabled") {
      spec.descriptor.enabled = word == "enabled";
    } else if (word == "priority" && more) {
      if (!parse_number(words[++i], spec.descriptor.priority)) return false;
    } else if (word == "attest" && more) {
      if (!parse_time(words[++i], spec.attest_interval)) return false;
    } else if (word == "lacks" && more) {
      spec.missing_capability = words[++i];
    } else if (word == "endpoint" && more) {
      spec.descriptor.endpoints = {words[++i]};
    } else {
      return false;
    }
  }
  return true;
}

bool parse_policy(const Words& words, std::size_t first, FailoverPolicy& policy) {
  if (first + 1 >= words.size()) return false;
  const std::string& name = words[first];
  const std::string& value = words[first + 1];
  if (name == "leave_guard") {
    policy.leave_guard.enabled = value != "off";
    if (value == "off") return true;
    policy.leave_guard.max_share = std::stod(value);
    return first + 2 < words.size() && parse_time(words[first + 2], policy.leave_guard.hold);
  }
  if (name == "mode" || name == "identity") {
    const auto mode = topology_mode_from_string(value);
    const auto identity = merge_identity_from_string(value);
    if (mode) policy.mode = *mode;
    if (identity) policy.identity = *identity;
    return name == "mode" ? mode.has_value() : identity.has_value();
  }
  if (name == "max_errors") return parse_number(value, policy.max_errors);
  if (name == "hold_failures") return parse_number(value, policy.hold_failures);
  if (name == "degraded_after") return parse_time(value, policy.degraded_after);
  if (name == "timeout") return parse_time(value, policy.timeout);
  if (name == "backoff") return parse_time(value, policy.backoff_initial);
  if (name == "backoff_max") return parse_time(value, policy.backoff_max);
  if (name == "cooldown") return parse_time(value, policy.cooldown);
  if (name == "hold_window") return parse_time(value, policy.hold_window);
  if (name == "rollback_stand") return parse_time(value, policy.rollback_stand);
  if (name == "block_lifetime") return parse_time(value, policy.block_lifetime);
  return false;
}

Scenario parse_scenario(const std::string& name, const std::string& text) {
  return Parser().parse(name, text);
}

}  // namespace rollcall::test
