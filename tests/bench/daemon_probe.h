// The real rollcalld on its embedded default: how long it takes to be ready, and what it holds when
// idle.
#pragma once

#include <optional>
#include <string>

namespace rollcall::bench {

struct DaemonFigures {
  double start_ms = 0;  // from exec to the line that says it serves
  double rss_mib = 0;   // resident, shared libraries included
  double anon_mib = 0;  // of these: its own memory
};
// Nothing (and a line on stderr) if the program is not there or does not come up. Ends it with
// SIGTERM.
std::optional<DaemonFigures> probe_daemon(const std::string& program);

}  // namespace rollcall::bench
