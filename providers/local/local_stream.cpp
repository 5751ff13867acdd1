#include "providers/local/local_stream.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "providers/common/limits.h"

namespace rollcall {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

UniqueFd epoll_over(int first, int second) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  for (const int fd : {first, second}) {
    epoll_event event{};
    event.events = EPOLLIN;
    // Where one of them can't be had, the poll stands in for it.
    if (fd >= 0) (void)::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  }
  return epoll;
}

std::string names_of(const std::vector<LocalEntry>& entries) {
  return printable(entries.front().node.id.str(), 64) +
         (entries.size() > 1 ? " and " + std::to_string(entries.size() - 1) + " more" : "");
}

}  // namespace

Result<Collected> look_at_registry(LocalRegistry& registry, const LockWait& wait,
                                   const LocalRegistry::Ended& ended) {
  auto collected = registry.collect(wait, ended);
  if (!collected) {
    // A registry that nobody can find isn't an empty one: a directory that was there may have been
    // unmounted.
    if (collected.error().code == ErrorCode::NotFound) {
      collected.error().code = ErrorCode::BackendUnavailable;
    }
    return collected;
  }
  if (!collected->unjudged.empty()) {
    return fail(ErrorCode::PermissionDenied,
                names_of(collected->unjudged) +
                    ": registered in another pid or time namespace, so that whether they live "
                    "can't be told here; run nodes and rollcalld in the same namespaces, or, if "
                    "they are gone: rollcall local remove ID");
  }
  return collected;
}

std::vector<ClusterNode> members_of(const Collected& collected, bool labels) {
  std::vector<ClusterNode> members;
  members.reserve(collected.live.size());
  for (const LocalEntry& entry : collected.live) {
    members.push_back(labels ? labelled_node(entry) : entry.node);
  }
  std::sort(members.begin(), members.end(),
            [](const ClusterNode& a, const ClusterNode& b) { return a.id < b.id; });
  return members;
}

LocalStream::LocalStream(const LocalSettings& settings, FileSystem& files, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      registry_(files, clock, settings.directory),
      path_(settings.directory + "/" + std::string(kLocalRegistryFile)),
      watch_(path_),
      processes_(settings.max_pidfds),
      both_(epoll_over(watch_.fd(), processes_.fd())) {}

ProviderEvent LocalStream::next() {
  const MonoTime attest_at = clock_.now() + settings_.attest;
  Woken woken = Woken::Attest;
  if (!told_ || failed_) {
    watch_.refresh();  // before the first look, so that no change falls between the two
    (void)watch_.drain();
  } else {
    woken = wait_for_change(attest_at);
  }
  while (woken != Woken::Cancelled && !cancel_.cancelled()) {
    if (auto event = look()) return std::move(*event);
    if (woken == Woken::Attest) return UnchangedAnswer{times_};
    woken = wait_for_change(attest_at);
  }
  return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
}

LocalStream::Woken LocalStream::wait_for_change(MonoTime attest_at) {
  MonoTime poll_at = clock_.now() + settings_.poll;
  while (true) {
    if (processes_.take_news()) return Woken::Changed;
    const Wake wake = wait_for(both_.get(), POLLIN, std::min(attest_at, poll_at), clock_, cancel_);
    if (wake == Wake::Cancelled) return Woken::Cancelled;
    if (wake == Wake::Ready) {
      const bool written = watch_.drain().changed;
      processes_.drain();
      if (!written) continue;
      watch_.refresh();
      return Woken::Changed;
    }
    const MonoTime now = clock_.now();
    if (now >= attest_at) return Woken::Attest;
    poll_at = now + settings_.poll;
    watch_.refresh();
    processes_.scan();
    if (stamp() != stamp_) return Woken::Changed;
  }
}

LocalStream::Stamp LocalStream::stamp() const {
  struct stat s {};
  if (::stat(path_.c_str(), &s) != 0) return {};
  return {s.st_ino, s.st_size, s.st_ctim.tv_sec * kSecond + s.st_ctim.tv_nsec};
}

std::optional<ProviderEvent> LocalStream::look() {
  AnswerTimes times;
  times.read_began = clock_.now();
  const Stamp before = stamp();  // a save that follows shows as another one
  const LockWait wait{settings_.lock_wait, [this] { return cancel_.cancelled(); }};
  auto collected = look_at_registry(registry_, wait, [this](const ProcessIdentity& process) {
    return processes_.ended(process);
  });
  if (!collected) return failed(collected.error());
  std::vector<ProcessIdentity> alive;
  alive.reserve(collected->live.size());
  for (const LocalEntry& entry : collected->live) alive.push_back(entry.process);
  processes_.follow(alive, collected->lingering);
  std::vector<ClusterNode> members = members_of(*collected, settings_.labels);
  times.complete = clock_.now();
  times.observed_at = clock_.wall_now();
  times_ = times;
  stamp_ = before;
  failed_ = false;
  if (told_ && members == members_) return std::nullopt;
  told_ = true;
  members_ = members;
  ProviderSnapshot answer;
  answer.members = std::move(members);
  answer.backend_index = index(collected->revision);
  answer.times = times;
  return answer;
}

ProviderEvent LocalStream::failed(const ProvisioningError& error) {
  failed_ = true;
  if (error.code == ErrorCode::ShuttingDown) {
    return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
  }
  return FailedAnswer{error.code,
                      std::string(utf8_prefix(error.message, limits::kMaxFailureDetailBytes))};
}

std::string LocalStream::index(std::uint64_t revision) const {
  std::string text = "revision " + std::to_string(revision);
  if (processes_.scanned() == 0) return text;
  return text + "; without a pidfd, scanned every " + std::to_string(to_ms(settings_.poll)) +
         " ms: " + std::to_string(processes_.scanned()) + " (" + processes_.why_scanned() + ")";
}

}  // namespace rollcall
