// ProcessWatch: notices at once that a process ended, by a pidfd of each, gathered in one epoll
// descriptor. Where no pidfd can be had (Linux before 5.3, a filter of system calls, descriptors
// exhausted, the bound reached), the process is looked at when scan() is called.
//
// Entries of one process share a pidfd. Threads: belongs to one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "providers/common/unique_fd.h"
#include "providers/local/registry/process_identity.h"

namespace rollcall {

class ProcessWatch {
 public:
  // Watches by pidfd at most `max_pidfds` processes, and fewer where the process may open little.
  explicit ProcessWatch(std::size_t max_pidfds);

  // Follows exactly these, which were judged alive. What ended since is news. Of those known to
  // have ended, only `remembered` stay known: a zombie that judge() can't see through would
  // otherwise come back to life for as long as its entry stays in the file.
  void follow(const std::vector<ProcessIdentity>& alive,
              const std::vector<ProcessIdentity>& remembered);

  int fd() const { return epoll_.get(); }  // readable: drain(); -1: there is no epoll
  void drain();
  void scan();  // looks at those without a pidfd
  // Whether a process ended since the last call.
  bool take_news() { return std::exchange(news_, false); }
  bool ended(const ProcessIdentity& process) const { return ended_.contains(key(process)); }

  std::size_t scanned() const { return followed_.size() - by_token_.size(); }
  const std::string& why_scanned() const { return why_scanned_; }

 private:
  using Key = std::pair<std::int64_t, std::uint64_t>;  // process id and start time
  struct Followed {
    ProcessIdentity process;
    UniqueFd fd;              // none: scanned
    std::uint64_t token = 0;  // of its events
  };
  static Key key(const ProcessIdentity& p) { return {p.pid, p.start_ticks}; }
  enum class Watched { ByPidfd, ByScan, Ended };
  Watched watch(Followed& followed);
  void unwatch(Followed& followed);

  const std::size_t max_pidfds_;
  UniqueFd epoll_;
  std::map<Key, Followed> followed_;
  // Events carry a number that is never used twice, and not the descriptor's: that one is used
  // again, and a child that another thread just forked may keep a closed one's events coming.
  std::map<std::uint64_t, Key> by_token_;
  std::uint64_t last_token_ = 0;
  std::set<Key> ended_;
  bool news_ = false;
  std::string why_scanned_;
};

}  // namespace rollcall
