#include "provisioning/hub/snapshot_store.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace rollcall {

std::shared_ptr<const EncodedSnapshot> SnapshotStore::find(SeqNo min, SeqNo max) const {
  MutexLock lock(mutex_);
  for (auto version = versions_.rbegin(); version != versions_.rend(); ++version) {
    const SeqNo seq = (*version)->state->seq_no;
    if (min <= seq && seq <= max) return *version;
  }
  return nullptr;
}

std::shared_ptr<const EncodedSnapshot> SnapshotStore::keep(SeqNo min) {
  MutexLock lock(mutex_);
  std::shared_ptr<const EncodedSnapshot> kept = kept_.lock();
  if (kept == nullptr) {
    const bool fits = !versions_.empty() && versions_.back()->state->seq_no >= min;
    kept = fits ? versions_.back() : nullptr;
    if (fits) kept_ = kept;
  }
  return kept != nullptr && kept->state->seq_no >= min ? kept : nullptr;
}

void SnapshotStore::want(SeqNo min) {
  MutexLock lock(mutex_);
  wanted_ = std::max(wanted_.value_or(min), min);
}

bool SnapshotStore::wanted() const {
  MutexLock lock(mutex_);
  return wanted_.has_value();
}

bool SnapshotStore::encode_pending(const std::shared_ptr<const TopologySnapshot>& latest) {
  {
    MutexLock lock(mutex_);
    if (!wanted_) return false;
    const SeqNo min = *wanted_;
    wanted_.reset();
    // Somebody else's wish was granted in the meantime; the asker is still to be woken.
    if (!versions_.empty() && versions_.back()->state->seq_no >= min) return true;
  }
  auto version = std::make_shared<EncodedSnapshot>();
  version->state = latest;
  for (auto& chunk : encoder_.encode_chunks(*latest, limits::kMaxChunkBytes)) {
    version->bytes += chunk.size();
    version->chunks.push_back(std::make_shared<const std::string>(std::move(chunk)));
  }
  std::shared_ptr<const EncodedSnapshot> dropped;  // freed after the lock: it may be large
  MutexLock lock(mutex_);
  versions_.push_back(std::move(version));
  ++encoded_;
  if (versions_.size() > limits::kMaxSnapshotVersions) {
    dropped = std::move(versions_.front());
    versions_.erase(versions_.begin());
  }
  return true;
}

SnapshotStore::Stats SnapshotStore::stats() const {
  MutexLock lock(mutex_);
  Stats stats{encoded_, versions_.size(), 0};
  for (const auto& version : versions_) stats.bytes += version->bytes;
  return stats;
}

}  // namespace rollcall
