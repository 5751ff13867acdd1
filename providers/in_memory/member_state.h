// MemberState: the members of one in-memory provider. The registrar and the streams share it.
//
// On disk they are 256 files, `<state_dir>/members/<provider id>/00.json … ff.json`, by a hash of
// the id, so that a join rewrites 1/256 of the members and not all of them. A change is durable
// before it is visible, and visible before the call answers. When the outcome of a write is unknown
// (the directory could not be synced, SPEC 7), nothing more is written until that file was
// rewritten from memory. An earlier life may have died right after such a write: a file that was
// only read is written once more before a call is told that nothing needs to change in it.
//
// Threads: any. One write at a time; readers and streams never wait for the disk.
#pragma once

#include <array>
#include <bitset>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "core/provider.h"
#include "providers/in_memory/bucket_file.h"

namespace rollcall {

class MemberState : public MemberRegistrar {
 public:
  // Reads every bucket; STORE_CORRUPTED (file, line, reason), STORE_IO, LIMIT_EXCEEDED. Creates the
  // directory. `files` outlives the state.
  static Result<std::shared_ptr<MemberState>> open(FileSystem& files, std::string directory);

  Result<void> join(const ClusterNode& given) override;
  Result<void> leave(const NodeId& id) override;

  struct View {
    std::vector<ClusterNode> members;
    std::uint64_t version = 0;
  };
  View view() const;

  struct Changes {
    bool complete = false;  // false: `since` is too long ago; take a view()
    std::vector<ClusterNode> upserts;
    std::vector<NodeId> removals;
    std::uint64_t version = 0;
  };
  Changes changes_since(std::uint64_t since) const;

  // Waits until the version is above `since`, `*stop` is set (under wake()) or `at_most` has
  // passed.
  void wait(std::uint64_t since, const bool& stop, Duration at_most) const;
  // Sets `*stop` so that no wait() misses it.
  void wake(bool& stop) const noexcept;

 private:
  MemberState(FileSystem& files, std::string directory);
  Result<void> load();
  template <class Change>
  Result<void> write(const NodeId& id, Change change);
  Result<void> store(std::size_t number, const Bucket& bucket);
  Result<void> rewrite_uncertain();

  FileSystem& files_;
  const std::string directory_;

  // Only whoever has the turn (writing_) changes and reads these; load() comes before all turns.
  std::bitset<kBuckets> uncertain_;  // the last write of it had an unknown outcome
  std::bitset<kBuckets> only_read_;  // read from the disk, and not written in this life

  mutable std::mutex mutex_;                 // guards all below; never held during I/O
  mutable std::condition_variable changed_;  // a new version, or a stream was cancelled
  std::condition_variable turn_;             // writing_ became false
  bool writing_ = false;
  std::size_t waiting_ = 0;
  std::array<std::shared_ptr<const Bucket>, kBuckets> buckets_;
  std::size_t size_ = 0;
  std::uint64_t version_ = 0;
  std::deque<NodeId> recent_;  // what versions (version_ − size, version_] changed, one id each
};

}  // namespace rollcall
