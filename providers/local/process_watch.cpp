#include "providers/local/process_watch.h"

#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "providers/local/limits.h"

namespace rollcall {
namespace {

std::size_t affordable(std::size_t wanted) {
  rlimit open_files{};
  if (::getrlimit(RLIMIT_NOFILE, &open_files) != 0) return wanted;
  return std::min<std::size_t>(wanted, open_files.rlim_cur / limits::kPidfdShare);
}

}  // namespace

ProcessWatch::ProcessWatch(std::size_t max_pidfds)
    : max_pidfds_(affordable(max_pidfds)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void ProcessWatch::follow(const std::vector<ProcessIdentity>& alive,
                          const std::vector<ProcessIdentity>& remembered) {
  std::set<Key> wanted;
  for (const ProcessIdentity& process : alive) wanted.insert(key(process));
  for (auto at = followed_.begin(); at != followed_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    unwatch(at->second);
    at = followed_.erase(at);
  }
  std::set<Key> kept;
  for (const ProcessIdentity& process : remembered) {
    if (ended(process)) kept.insert(key(process));
  }
  ended_ = std::move(kept);
  for (const ProcessIdentity& process : alive) {
    auto at = followed_.find(key(process));
    if (at == followed_.end()) at = followed_.emplace(key(process), Followed{process, {}, 0}).first;
    if (at->second.fd) continue;
    if (watch(at->second) != Watched::Ended) continue;
    followed_.erase(at);
    news_ = true;
  }
}

ProcessWatch::Watched ProcessWatch::watch(Followed& followed) {
  const auto scan_because = [&](int error) {
    why_scanned_ = "pidfd: " + std::generic_category().message(error);
    return Watched::ByScan;
  };
  if (by_token_.size() >= max_pidfds_) {
    why_scanned_ = "above the limit of " + std::to_string(max_pidfds_) + " pidfds";
    return Watched::ByScan;
  }
  const int opened = open_pidfd(followed.process.pid);
  if (opened == -ESRCH) {
    ended_.insert(key(followed.process));
    return Watched::Ended;
  }
  if (opened < 0) return scan_because(-opened);
  UniqueFd fd(opened);
  // It may be another process by now: then what was judged alive a moment ago is dead.
  if (judge(followed.process, HostIdentity{}) == Life::Dead) return Watched::Ended;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = ++last_token_;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return scan_because(errno);
  by_token_.emplace(last_token_, key(followed.process));
  followed.fd = std::move(fd);
  followed.token = last_token_;
  return Watched::ByPidfd;
}

void ProcessWatch::unwatch(Followed& followed) {
  if (!followed.fd) return;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, followed.fd.get(), nullptr);
  by_token_.erase(followed.token);
  followed.fd.reset();
}

void ProcessWatch::drain() {
  std::array<epoll_event, limits::kPidfdEvents> events{};
  int count = 0;
  do {
    count = ::epoll_wait(epoll_.get(), events.data(), limits::kPidfdEvents, 0);
    for (int i = 0; i < count; ++i) {
      // By value: the kernel's structure is packed, and a reference into it misaligned.
      const std::uint64_t token = events[static_cast<std::size_t>(i)].data.u64;
      const auto found = by_token_.find(token);
      if (found == by_token_.end()) continue;
      const auto followed = followed_.find(found->second);
      ended_.insert(followed->first);
      unwatch(followed->second);
      followed_.erase(followed);
      news_ = true;
    }
  } while (count == limits::kPidfdEvents);
}

void ProcessWatch::scan() {
  if (scanned() == 0) return;
  const HostIdentity host = HostIdentity::read();
  for (const auto& [id, followed] : followed_) {
    if (!followed.fd && judge(followed.process, host) == Life::Dead) news_ = true;
  }
}

}  // namespace rollcall
