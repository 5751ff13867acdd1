#include "providers/local/local_announcer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "providers/common/cancel.h"
#include "providers/local/registry/local_registry.h"

namespace rollcall {
namespace {

class LocalAnnouncer : public Announcer {
 public:
  LocalAnnouncer(const LocalSettings& settings, const Announcement& what, FileSystem& files,
                 const Clock& clock)
      : lock_wait_(settings.lock_wait),
        what_(what),
        name_(settings.directory + "/" + what.node.id.str()),
        clock_(clock),
        registry_(files, clock, settings.directory) {}

  const std::string& registration() const override { return name_; }

  Result<Announced> register_node(MonoTime deadline) override {
    if (auto there = ready(); !there) return tl::unexpected(std::move(there.error()));
    if (what_.socket.empty()) {
      return fail(ErrorCode::InvalidConfig,
                  "the registry of node processes names sockets: set announce.socket");
    }
    Registration registration;
    registration.node = what_.node;
    registration.socket = what_.socket;
    auto entry = registry_.register_self(registration, wait(deadline));
    if (!entry) return tl::unexpected(reported(std::move(entry.error())));
    return Announced{what_.ttl, what_.node.id};
  }

  Result<Standing> renew(MonoTime deadline) override {
    if (auto there = ready(); !there) return tl::unexpected(std::move(there.error()));
    const auto self = identify_process(::getpid());
    if (!self) return tl::unexpected(self.error());
    const auto listing = registry_.list(wait(deadline));
    if (!listing) return tl::unexpected(reported(listing.error()));
    const bool ours = std::any_of(
        listing->entries.begin(), listing->entries.end(), [&](const ListedEntry& listed) {
          return listed.entry.node.id == what_.node.id && listed.entry.process == *self;
        });
    return ours ? Standing::Known : Standing::NotKnown;
  }

  Result<void> withdraw(MonoTime deadline) override {
    if (cancel_.cancelled()) return fail(ErrorCode::ShuttingDown, "cancelled");
    auto removed = registry_.remove_self(what_.node.id, wait(deadline));
    if (removed || removed.error().code == ErrorCode::NotFound) return {};
    return tl::unexpected(reported(std::move(removed.error())));
  }

  void cancel() noexcept override { cancel_.cancel(); }

 private:
  LockWait wait(MonoTime deadline) const {
    const Duration left = std::max(deadline - clock_.now(), Duration::zero());
    LockWait wait;
    wait.at_most = std::chrono::duration_cast<decltype(wait.at_most)>(std::min(lock_wait_, left));
    wait.cancelled = [this] { return cancel_.cancelled(); };
    return wait;
  }

  Result<void> ready() const {
    if (cancel_.cancelled()) return fail(ErrorCode::ShuttingDown, "cancelled");
    struct stat s {};
    if (::stat(registry_.directory().c_str(), &s) == 0) return {};
    return fail(ErrorCode::BackendUnavailable,
                registry_.directory() + ": " + std::strerror(errno) +
                    "; the registry's directory is not made anew, it may have been unmounted");
  }

  // As the provider tells it.
  static ProvisioningError reported(ProvisioningError error) {
    if (error.code == ErrorCode::NotFound) error.code = ErrorCode::BackendUnavailable;
    return error;
  }

  const Duration lock_wait_;
  const Announcement what_;
  const std::string name_;
  const Clock& clock_;
  Cancel cancel_;
  LocalRegistry registry_;
};

}  // namespace

std::unique_ptr<Announcer> make_local_announcer(const LocalSettings& settings,
                                                const Announcement& what, FileSystem& files,
                                                const Clock& clock) {
  return std::make_unique<LocalAnnouncer>(settings, what, files, clock);
}

}  // namespace rollcall
