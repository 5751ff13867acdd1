// SnapshotStore: encoded snapshots, shared by everyone who needs one (SPEC 5).
//
// At most two versions are held, and one more while somebody waits for placement to acknowledge it
// (or, that done, is being sent it: a stall ends that after 30 s). Other
// Readers hold a weak reference and start again with a newer version
// when theirs is gone, so that one that stalls pins no more than the chunk it is writing. A version
// is used as long as what follows it is in the newer half of the log: a thousand subscribers that
// arrive together cost one encoding.
//
// Threads: any. Encoding runs in encode_pending(), on a thread of its own (HubThreads), never under
// the lock and never on the writer's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/snapshot.h"
#include "provisioning/hub/encoders.h"
#include "provisioning/hub/mutex.h"

namespace rollcall {

struct EncodedSnapshot {
  std::shared_ptr<const TopologySnapshot> state;
  std::vector<std::shared_ptr<const std::string>> chunks;  // all but the last one (encoders.h)
  std::size_t bytes = 0;
};

class SnapshotStore {
 public:
  explicit SnapshotStore(const SnapshotEncoder& encoder) : encoder_(encoder) {}

  // The newest version with min ≤ seq_no ≤ max; null if there is none.
  std::shared_ptr<const EncodedSnapshot> find(SeqNo min, SeqNo max) const;
  // For who waits until placement has acknowledged a version of at least `min`: versions come and
  // go faster than that may take, so all who wait keep the same one, and another only once nobody
  // keeps it any more. Null: it is older than `min`, or there is none yet.
  std::shared_ptr<const EncodedSnapshot> keep(SeqNo min);
  // Somebody waits for a version of at least `min`.
  void want(SeqNo min);
  bool wanted() const;
  // Encodes `latest` if somebody wants more than there is; true if a version was added.
  bool encode_pending(const std::shared_ptr<const TopologySnapshot>& latest);

  struct Stats {
    std::uint64_t encoded = 0;  // versions, ever
    std::size_t versions = 0;
    std::size_t bytes = 0;
  };
  Stats stats() const;

 private:
  const SnapshotEncoder& encoder_;
  mutable Mutex mutex_;  // guards the list, not the encoding
  std::vector<std::shared_ptr<const EncodedSnapshot>> versions_ ROLLCALL_GUARDED_BY(mutex_);
  std::weak_ptr<const EncodedSnapshot> kept_ ROLLCALL_GUARDED_BY(mutex_);  // by who waits for it
  std::optional<SeqNo> wanted_ ROLLCALL_GUARDED_BY(mutex_);
  std::uint64_t encoded_ ROLLCALL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rollcall
