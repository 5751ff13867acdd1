#include "providers/local/registry/local_registry.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "providers/local/registry/limits.h"
#include "providers/local/registry/private_files.h"

namespace rollcall {
namespace {

std::string shown(const NodeId& id) { return printable(id.str(), limits::kMaxNodeIdBytes); }

auto find_id(std::vector<LocalEntry>& entries, const NodeId& id) {
  return std::find_if(entries.begin(), entries.end(),
                      [&](const LocalEntry& entry) { return entry.node.id == id; });
}

void drop_dead(std::vector<LocalEntry>& entries, Judge& life_of) {
  std::erase_if(entries,
                [&](const LocalEntry& entry) { return life_of(entry.process) == Life::Dead; });
}

Result<LocalEntry> make_entry(const Registration& registration, std::int64_t pid, WallTime now) {
  LocalEntry entry;
  entry.node = registration.node;
  if (entry.node.host.empty()) entry.node.host = kLocalHost;
  // A node may declare its incarnation by a label (SPEC 1); the file says it in its own field.
  if (const auto label = entry.node.labels.find(std::string(kIncarnationKey));
      entry.node.incarnation.empty() && label != entry.node.labels.end()) {
    entry.node.incarnation = label->second;
  }
  entry.socket = registration.socket;
  entry.version = registration.version;
  entry.created = now;
  if (auto problems = validate_entry(entry, "node"); !problems.empty()) {
    return fail(ErrorCode::InvalidConfig, "the registration is refused", std::move(problems));
  }
  auto process = identify_process(pid);
  if (!process) return tl::unexpected(std::move(process.error()));
  entry.process = std::move(*process);
  return entry;
}

// Puts `entry` into the registry; it gains what an older entry of the same process knows. It is
// written even where nothing changes: a registration that was told "unknown" is made durable by
// doing it again.
Result<bool> put(RegistryContent& content, LocalEntry& entry) {
  Judge life_of;
  drop_dead(content.entries, life_of);
  const auto known = find_id(content.entries, entry.node.id);
  if (known == content.entries.end()) {
    if (content.entries.size() >= limits::kMaxLocalEntries) {
      return fail(ErrorCode::LimitExceeded, "there are " +
                                                std::to_string(limits::kMaxLocalEntries) +
                                                " node processes already, which is the limit");
    }
    content.entries.push_back(entry);
    return true;
  }
  if (known->process == entry.process) {
    entry.created = known->created;
    entry.unknown = known->unknown;
  } else if (life_of(known->process) != Life::Unknown) {
    return fail(ErrorCode::DuplicateName, shown(entry.node.id) + " is process " +
                                              std::to_string(known->process.pid) +
                                              ", which is alive; choose another id");
  }  // else: of another namespace, as that of a container which was started again
  *known = entry;
  return true;
}

}  // namespace

LocalRegistry::LocalRegistry(FileSystem& files, const Clock& clock, std::string directory)
    : files_(files), clock_(clock), directory_(std::move(directory)) {}

Result<void> LocalRegistry::make_directory() const {
  auto checked = check_private_directory(directory_);
  if (checked || checked.error().code != ErrorCode::NotFound) return checked;
  if (auto made = files_.make_directory(directory_); !made) return made;
  return check_private_directory(directory_);
}

Result<void> LocalRegistry::locked(const LockWait& wait, const Change& change) const {
  if (auto checked = check_private_directory(directory_); !checked) {
    if (checked.error().code == ErrorCode::NotFound) {
      checked.error().message += "; the first registration makes this directory";
    }
    return checked;
  }
  const MonoTime until{Duration(stand_back_until_.load())};
  if (const MonoTime now = clock_.now(); now < until) {
    pause_for(std::min<Duration>(until - now, limits::kLockYield));
  }
  auto done = locked_here(wait, change);
  stand_back_until_ = (clock_.now() + limits::kLockYield).time_since_epoch().count();
  return done;
}

Result<void> LocalRegistry::locked_here(const LockWait& wait, const Change& change) const {
  const auto lock =
      RegistryLock::acquire(directory_ + "/" + std::string(kLocalLockFile), clock_, wait);
  if (!lock) return tl::unexpected(lock.error());
  const std::string path = directory_ + "/" + std::string(kLocalRegistryFile);
  if (auto checked = check_private_file(path); !checked) return checked;
  auto content = load();
  if (!content) return tl::unexpected(std::move(content.error()));
  auto changed = change(*content);
  if (!changed) return tl::unexpected(std::move(changed.error()));
  if (!*changed) return {};
  ++content->revision;
  return save_registry(files_, directory_, *content);
}

Result<RegistryContent> LocalRegistry::load() const {
  RegistryCache cache;
  {
    const std::lock_guard lock(mutex_);
    cache.swap(cache_);
  }
  auto content = load_registry(files_, directory_, &cache);
  const std::lock_guard lock(mutex_);
  cache_ = std::move(cache);
  return content;
}

Result<LocalEntry> LocalRegistry::register_self(const Registration& registration,
                                                const LockWait& wait) {
  return register_process(registration, ::getpid(), wait);
}

Result<LocalEntry> LocalRegistry::register_process(const Registration& registration,
                                                   std::int64_t pid, const LockWait& wait) {
  auto entry = make_entry(registration, pid, clock_.wall_now());
  if (!entry) return entry;
  if (auto made = make_directory(); !made) return tl::unexpected(std::move(made.error()));
  auto done = locked(wait, [&](RegistryContent& content) { return put(content, *entry); });
  if (!done) return tl::unexpected(std::move(done.error()));
  return entry;
}

Result<void> LocalRegistry::remove(const NodeId& id, const LockWait& wait) {
  return remove_entry(id, nullptr, wait);
}

Result<void> LocalRegistry::remove_self(const NodeId& id, const LockWait& wait) {
  const auto self = identify_process(::getpid());
  if (!self) return tl::unexpected(self.error());
  return remove_entry(id, &*self, wait);
}

Result<void> LocalRegistry::remove_entry(const NodeId& id, const ProcessIdentity* only,
                                         const LockWait& wait) {
  return locked(wait, [&](RegistryContent& content) -> Result<bool> {
    const auto found = find_id(content.entries, id);
    if (found == content.entries.end()) {
      return fail(ErrorCode::NotFound, "no entry has the id " + shown(id));
    }
    if (only != nullptr && found->process != *only) {
      return fail(ErrorCode::NotFound, shown(id) + " is process " +
                                           std::to_string(found->process.pid) +
                                           " now, and not this one");
    }
    content.entries.erase(found);
    Judge life_of;
    drop_dead(content.entries, life_of);
    return true;
  });
}

Result<Listing> LocalRegistry::list(const LockWait& wait) const {
  Listing listing;
  auto done = locked(wait, [&](RegistryContent& content) -> Result<bool> {
    Judge life_of;
    listing.revision = content.revision;
    for (LocalEntry& entry : content.entries) {
      const Life life = life_of(entry.process);
      listing.entries.push_back({std::move(entry), life});
    }
    return false;
  });
  if (!done) return tl::unexpected(std::move(done.error()));
  return listing;
}

Result<Collected> LocalRegistry::collect(const LockWait& wait, const Ended& ended) {
  Collected collected;
  bool looked = false;
  auto done = locked(wait, [&](RegistryContent& content) -> Result<bool> {
    Judge life_of;
    for (const LocalEntry& entry : content.entries) {
      const Life life = ended(entry.process) ? Life::Dead : life_of(entry.process);
      if (life == Life::Dead) {
        collected.lingering.push_back(entry.process);
      } else {
        (life == Life::Alive ? collected.live : collected.unjudged).push_back(entry);
      }
    }
    looked = true;
    collected.revision = content.revision;
    if (collected.lingering.empty()) return false;
    std::erase_if(content.entries, [&](const LocalEntry& entry) {
      return std::find(collected.lingering.begin(), collected.lingering.end(), entry.process) !=
             collected.lingering.end();
    });
    return true;
  });
  if (!done && !looked) return tl::unexpected(std::move(done.error()));
  if (done && !collected.lingering.empty()) {
    ++collected.revision;
    collected.lingering.clear();
  }
  return collected;
}

}  // namespace rollcall
