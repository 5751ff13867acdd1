// MemFileSystem: a FileSystem in memory that does to durable state what disks and power cuts do.
//
// The model. Content written and fsynced survives; content whose fsync failed may have survived as
// anything: the old content, nothing, a piece, all of it. A name (create, rename, remove) survives
// once its directory was fsynced; until then each of these steps may have been kept or lost, each
// for itself (a rename as one). A directory fsync that failed leaves its steps in doubt for good:
// a later successful one doesn't save them, only doing them again does (SPEC 7 "unknown").
// What is kept is drawn from a seed, so that every failure replays. There are no users and no
// modes: make_directory() refuses nobody.
//
// Threads: thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"

namespace rollcall::test {

enum class FileCall : std::uint8_t {
  Any,  // in a plan: whichever
  Read,
  WriteSynced,
  Rename,
  SyncDirectory,
  Remove,
  LinkOrCopy,
  MakeDirectory,
  List,
  Lock,
};
std::string_view to_string(FileCall call);

class MemFileSystem : public FileSystem {
 public:
  explicit MemFileSystem(std::uint64_t seed = 1);
  ~MemFileSystem() override;

  Result<std::string> read(const std::string& path, std::size_t max_bytes) override;
  Result<void> write_synced(const std::string& path, std::string_view data) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  Result<void> link_or_copy(const std::string& from, const std::string& to) override;
  Result<void> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, std::string_view holder) override;

  // --- failures; each kind of plan replaces the former one of its kind ---
  // The n-th of these calls from now on (1: the next) fails with STORE_IO; once.
  void fail_nth(FileCall call, std::uint64_t n);
  // Every such call fails with this probability (0: none), drawn from the seed.
  void fail_with_probability(FileCall call, double probability);
  // The power goes during the n-th changing call from now on (1: the next): it has happened, or
  // not, or in part, and every call fails until power_cut(). Write, Rename, SyncDirectory, Remove
  // and LinkOrCopy change.
  void cut_power_at(std::uint64_t n);
  bool power_is_off() const;
  void stop_failing();

  // What is left after losing power now. Locks are gone (their holder is), plans too.
  void power_cut();
  // The process died, the machine didn't: everything written stays, locks are gone.
  void process_death();

  // --- looking and tampering, beside the interface: never fails, not counted ---
  std::uint64_t calls(FileCall call = FileCall::Any) const;
  std::uint64_t changing_calls() const;
  std::optional<std::string> content(const std::string& path) const;
  void put(const std::string& path, std::string_view data);  // durable at once, directories too
  std::vector<std::string> paths() const;                    // of all files, sorted

 private:
  struct File {
    std::string now;        // what a reader sees
    std::string durable;    // what survives
    bool in_doubt = false;  // `durable` is older than `now`
  };
  using FilePtr = std::shared_ptr<File>;
  // A step in the directory that is not durable yet: names that come to be, names that go.
  struct Step {
    std::string directory;
    std::optional<std::string> gone;
    std::optional<std::string> name;
    FilePtr file;          // of `name`
    bool tainted = false;  // its directory's fsync failed
  };
  class Lock;
  enum class Fate : std::uint8_t { Do, Fail, PartlyThenFail };

  Fate fate_of(FileCall call);
  void apply(const Step& step, std::map<std::string, FilePtr>& names);
  void make_durable(const Step& step);
  void write_partly(const std::string& path, std::string_view data);
  bool draw(double probability);
  void unlock(const std::string& path, std::uint64_t life);
  tl::unexpected<ProvisioningError> io_error(FileCall call, const std::string& path) const;
  bool directory_exists(const std::string& path) const;

  mutable std::mutex mutex_;  // guards everything below
  std::mt19937_64 random_;
  std::map<std::string, FilePtr> names_;    // as processes see them
  std::map<std::string, FilePtr> durable_;  // as they are on the disk for certain
  std::vector<Step> steps_;                 // in order
  std::set<std::string> directories_;
  std::map<std::string, std::string> locks_;  // path → holder
  std::uint64_t life_ = 0;                    // locks of an earlier life unlock nothing
  std::map<FileCall, std::uint64_t> counts_;
  std::uint64_t changing_ = 0;
  std::optional<std::pair<FileCall, std::uint64_t>> fail_nth_;
  std::map<FileCall, double> probability_;
  std::optional<std::uint64_t> cut_at_;
  bool off_ = false;
};

}  // namespace rollcall::test
