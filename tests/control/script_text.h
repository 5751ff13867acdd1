// The words of a scenario script: durations, members, events, as text (tests/control/README.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/node.h"
#include "core/time.h"

namespace rollcall::test {

// "15s", "1.5s", "500ms", "10m", "24h". None: not a duration.
std::optional<Duration> parse_duration(std::string_view text);
std::string format_seconds(Duration d);  // "15s", "2.125s"

std::vector<std::string> split_words(
    std::string_view line);  // by blanks; "#" after a blank: comment

// ID[#INCARNATION][/STATUS][@HOST][!], "!" meaning blocked.
std::optional<ClusterNode> parse_member(std::string_view text);
std::string format_member(const Member& member);

// "delta -a +b ~c!", "provider_changed none→consul RECOVERED" …
std::string format_event(const Event& event);

}  // namespace rollcall::test
