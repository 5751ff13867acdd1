// Which process is meant by an entry, and whether it still lives.
//
// A process id alone means nothing for long: it is reused. What identifies a process is its id
// together with the time at which it started (field 22 of /proc/<pid>/stat, in clock ticks since
// boot), the boot that those ticks count from, and the namespaces in which the id and the time
// were read: the same process has another id in another pid namespace (a container), and another
// start time in another time namespace.
//
// Threads: any; these functions read /proc and have no state.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace rollcall {

struct ProcessIdentity {
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::string boot_id;     // /proc/sys/kernel/random/boot_id; empty: could not be read
  std::string namespaces;  // "pid:[4026531836] time:[4026531834]"; empty: could not be read
  friend auto operator<=>(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// What this process sees of the machine.
struct HostIdentity {
  std::string boot_id;
  std::string namespaces;
  static HostIdentity read();
};

enum class Life {
  Alive,
  Dead,
  Unknown,  // registered in another namespace, where its id means another process
};
std::string_view to_string(Life life);  // "ALIVE", "DEAD", "UNKNOWN"

// The process that has this id now. INVALID_CONFIG (out of range, the id of a thread), NOT_FOUND
// (no such process, or it has ended), CAPABILITY_MISSING (/proc can't be read).
Result<ProcessIdentity> identify_process(std::int64_t pid);

// Dead only on proof: another boot, an id out of range, no such process, another start time, or a
// process that has ended and only waits for its parent. No permission to signal it, or to read its
// start time, means alive.
Life judge(const ProcessIdentity& process, const HostIdentity& host);

// judge() for many: each process is looked at once, however many entries it has. For one look.
class Judge {
 public:
  Life operator()(const ProcessIdentity& process);

 private:
  const HostIdentity host_ = HostIdentity::read();
  std::map<ProcessIdentity, Life> judged_;
};

// A descriptor that is readable once the process has ended, or a negative errno: ESRCH (no such
// process), EINVAL or ENOENT (the id of a thread), ENOSYS (Linux before 5.3), EMFILE, …
int open_pidfd(std::int64_t pid);

// What /proc/<pid>/stat says.
struct ProcessStat {
  char state = '?';
  std::int64_t threads = 0;
  std::uint64_t start_ticks = 0;
  // The first thread of a process may end before the others: then it is a zombie that lives.
  bool ended() const { return (state == 'Z' || state == 'X' || state == 'x') && threads <= 1; }
  bool stopped() const { return state == 'T' || state == 't'; }
};
// The second field is a name that may hold anything, brackets and spaces included.
std::optional<ProcessStat> parse_process_stat(std::string_view text);
std::optional<ProcessStat> read_process_stat(std::int64_t pid);

}  // namespace rollcall
