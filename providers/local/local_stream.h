// LocalStream: follows the process registry of this host. inotify on its directory says that
// somebody registered or left, a pidfd of each process that it died, and a poll is the fallback for
// both; every attestation reads the registry again whatever they say.
//
// Each look reads under the registry's lock and drops the dead from the file. What can't be read,
// is broken, or holds an entry that can't be judged from here is a FailedAnswer, and the members of
// the last good look stay.
//
// Threads: a ProviderStream's rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/common/directory_watch.h"
#include "providers/common/unique_fd.h"
#include "providers/local/limits.h"
#include "providers/local/process_watch.h"
#include "providers/local/registry/local_registry.h"

namespace rollcall {

struct LocalSettings {
  std::string directory;
  Duration poll{};
  Duration attest{};
  Duration lock_wait{};
  bool labels = true;  // members carry kSocketLabel and kVersionLabel
  std::size_t max_pidfds = limits::kMaxPidfds;
};

class LocalStream : public ProviderStream {
 public:
  LocalStream(const LocalSettings& settings, FileSystem& files, const Clock& clock);
  ProviderEvent next() override;
  void cancel() noexcept override { cancel_.cancel(); }

 private:
  // What tells one registry file from another: each save brings a new one.
  struct Stamp {
    std::uint64_t inode = 0;
    std::int64_t size = -1;  // -1: there is no file
    std::int64_t changed_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  enum class Woken { Changed, Attest, Cancelled };
  Woken wait_for_change(MonoTime attest_at);
  Stamp stamp() const;
  // What there is to tell; nothing: the members are what was told last, confirmed at times_.
  std::optional<ProviderEvent> look();
  ProviderEvent failed(const ProvisioningError& error);
  std::string index(std::uint64_t revision) const;

  const LocalSettings settings_;
  const Clock& clock_;
  Cancel cancel_;
  LocalRegistry registry_;
  const std::string path_;  // of the registry file
  DirectoryWatch watch_;
  ProcessWatch processes_;
  UniqueFd both_;  // epoll over the two
  bool told_ = false;
  bool failed_ = false;               // the last event was a failure
  std::vector<ClusterNode> members_;  // what was told last
  Stamp stamp_;
  AnswerTimes times_;
};

// One look at the registry, for tools and checks; `lock_wait` bounds it.
Result<Collected> look_at_registry(LocalRegistry& registry, const LockWait& wait,
                                   const LocalRegistry::Ended& ended);
std::vector<ClusterNode> members_of(const Collected& collected, bool labels);

}  // namespace rollcall
