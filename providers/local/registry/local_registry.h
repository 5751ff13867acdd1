// LocalRegistry: how the node processes of a host put themselves on record, for the provider kind
// `local` to find them. This is what a node links; it needs a FileSystem (PosixFileSystem), a Clock
// (HostClock) and the directory that its sidecar follows.
//
//   LocalRegistry registry(files, clock, "/var/lib/rollcall/local");
//   Registration self;
//   self.node.id = NodeId("n1");
//   self.socket = "/run/n1/rpc.sock";
//   self.version = "1.4.2";
//   auto entry = registry.register_self(self);
//
// The file is the source of truth. Every call loads, changes and saves it in one region under one
// exclusive lock, so that no registration is lost, however many come at once; a call that returned
// success is durable. Entries of processes that have died are dropped whenever the file is written.
// The directory (0700) and the files (0600) belong to one user, whom all these processes share;
// anything looser, or somebody else's, is refused.
//
// Threads: any; calls of one process wait for each other as those of several do. Each blocks on the
// disk, and for the lock as long as its LockWait says.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file_system.h"
#include "core/node.h"
#include "core/time.h"
#include "providers/local/registry/process_identity.h"
#include "providers/local/registry/registry_file.h"
#include "providers/local/registry/registry_lock.h"

namespace rollcall {

struct Registration {
  ClusterNode node;     // id is required; an empty host becomes "localhost", with port 0
  std::string socket;   // required
  std::string version;  // may be empty
};

struct ListedEntry {
  LocalEntry entry;
  Life life = Life::Alive;
};

struct Listing {
  std::uint64_t revision = 0;
  std::vector<ListedEntry> entries;  // those of the dead too, until somebody writes the file
};

struct Collected {
  std::uint64_t revision = 0;
  std::vector<LocalEntry> live;
  std::vector<LocalEntry> unjudged;        // Life::Unknown: not from here
  std::vector<ProcessIdentity> lingering;  // dead, but the file could not be written without them
};

class LocalRegistry {
 public:
  // `files` and `clock` outlive it. No I/O.
  LocalRegistry(FileSystem& files, const Clock& clock, std::string directory);

  const std::string& directory() const { return directory_; }

  // Puts this process, or another one, on record; again by the same process: changes its entry. The
  // directory is made where there is none. INVALID_CONFIG with every problem; DUPLICATE_NAME if
  // another process that lives has this id; NOT_FOUND if there is no such process;
  // CAPABILITY_MISSING without /proc; LIMIT_EXCEEDED; and what all calls may answer: TIMEOUT (the
  // lock, with its holder), SHUTTING_DOWN (cancelled), STORE_CORRUPTED, STORE_IO,
  // PERMISSION_DENIED, and NOT_FOUND without a directory.
  Result<LocalEntry> register_self(const Registration& registration, const LockWait& wait = {});
  Result<LocalEntry> register_process(const Registration& registration, std::int64_t pid,
                                      const LockWait& wait = {});

  // NOT_FOUND if there is no such entry; for remove_self(), also if it is another process's: a
  // successor that took the id over stays.
  Result<void> remove(const NodeId& id, const LockWait& wait = {});
  Result<void> remove_self(const NodeId& id, const LockWait& wait = {});

  // Reads only.
  Result<Listing> list(const LockWait& wait = {}) const;

  // Reads, and drops the dead from the file. `ended` knows of processes that are dead whatever
  // judge() finds (a pidfd said so). That the file can't be written is no error: who lives is known
  // all the same.
  using Ended = std::function<bool(const ProcessIdentity&)>;
  Result<Collected> collect(const LockWait& wait, const Ended& ended);

 private:
  // Answers whether it changed the content.
  using Change = std::function<Result<bool>(RegistryContent&)>;
  Result<void> locked(const LockWait& wait, const Change& change) const;
  Result<void> locked_here(const LockWait& wait, const Change& change) const;
  Result<RegistryContent> load() const;
  Result<void> make_directory() const;
  Result<void> remove_entry(const NodeId& id, const ProcessIdentity* only, const LockWait& wait);

  FileSystem& files_;
  const Clock& clock_;
  const std::string directory_;
  mutable std::mutex mutex_;  // guards cache_, which is taken out while it is used
  mutable RegistryCache cache_;
  // limits::kLockYield: not before this time (of clock_) is the lock asked for again.
  mutable std::atomic<Duration::rep> stand_back_until_{0};
};

}  // namespace rollcall
