// StateFiles: what a sidecar must remember beside its providers (SPEC 5, 6, 7).
//
//   boot.jsonl       the boot counter, one higher at each start
//   boot.jsonl.copy  the same once more
//   blocks.jsonl     nodes that remoting quarantined
//   holds.jsonl      providers held back by R5.2
//   observed.jsonl   of a provider when it was accepted: unreachable, lacking a capability
//   topology.jsonl   the last confirmed topology
//
// Each is sealed (sealed_file.h), written atomically, and validated when read: a corrupt one is
// STORE_CORRUPTED with file, line, reason and the command that recovers, and never half a value.
// An absent one is empty. A write whose directory fsync failed is STORE_IO and `unknown`; the whole
// file is written again next time, so that the next success settles it.
//
// Threads: every function may be called from any thread, but each file from one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/ids.h"
#include "core/limits.h"
#include "core/member_map.h"
#include "core/time.h"
#include "provisioning/control/block_table.h"
#include "provisioning/registry/sealed_file.h"

namespace rollcall {

inline constexpr std::string_view kBootFile = "boot.jsonl";
inline constexpr std::string_view kBootCopy = "boot.jsonl.copy";
inline constexpr std::string_view kBlocksFile = "blocks.jsonl";
inline constexpr std::string_view kHoldsFile = "holds.jsonl";
inline constexpr std::string_view kObservedFile = "observed.jsonl";
inline constexpr std::string_view kTopologyFile = "topology.jsonl";

// seq_no = boot << 40 | n (SPEC 5): what fits into 64 bits.
inline constexpr std::uint64_t kMaxBoot = (std::uint64_t{1} << (64 - kSeqBootShift)) - 1;

// What was seen of one provider when it was accepted, in this sidecar's eyes. The key ties it to
// the backend that was asked: an entry for another one says nothing about the descriptor of that
// id. So the entries of a new set can be stored before the set itself, and a crash in between
// confuses nobody.
struct ObservedKey {
  ProviderId provider;
  std::uint64_t backend = 0;  // backend_digest() of the descriptor
  friend auto operator<=>(const ObservedKey&, const ObservedKey&) = default;
};
struct ObservedProvider {
  bool accepted_unreachable = false;
  std::optional<std::string> missing_capability;
  friend bool operator==(const ObservedProvider&, const ObservedProvider&) = default;
};
using ObservedProviders = std::map<ObservedKey, ObservedProvider>;
// Equal for descriptors of the same_backend().
std::uint64_t backend_digest(const ProviderDescriptor& d);

// What boots as SPEC 7's "last confirmed topology"; the age is the service's to work out.
struct SavedTopology {
  MemberMap members;
  WallTime observed_at{};
  ProviderId provider;
};

// Why a file was not saved.
struct SaveError : ProvisioningError {
  bool unknown = false;  // as in WriteOutcome: it may or may not survive a power cut
};
using Saved = tl::expected<void, SaveError>;

class StateFiles {
 public:
  // `directory` exists and is locked by the caller. A text that would be refused when it is read is
  // not written: LIMIT_EXCEEDED, and the file stays as it was.
  StateFiles(FileSystem& files, std::string directory,
             std::size_t max_topology_bytes = limits::kMaxTopologyFileBytes);

  // Reads the counter, adds one, writes it durably, answers it: never the same twice.
  // STORE_CORRUPTED (also check_first_boot()), STORE_IO; an unknown outcome stops the start like
  // any other failure, and the next start counts on from whichever number is there.
  Result<std::uint64_t> next_boot();
  // Of an absent counter: whether it may start at 1. STORE_CORRUPTED if any other state is there,
  // because numbers that were given out would be given out again.
  Result<void> check_first_boot();

  // Monotonic fields of a Block aren't stored: the caller sets them from the wall times. Blocks
  // that had expired are there too.
  Result<BlockTable> load_blocks();
  Saved save_blocks(const BlockTable& blocks);

  Result<std::vector<ProviderId>> load_holds();
  Saved save_holds(const std::vector<ProviderId>& held);

  Result<std::optional<ObservedProviders>> load_observed();  // nullopt: nothing was ever saved
  Saved save_observed(const ObservedProviders& observed);

  // nullopt: there is none. Members' blocks aren't part of it (they are in blocks.jsonl).
  Result<std::optional<SavedTopology>> load_topology();
  Saved save_topology(const SavedTopology& topology);

  // The counter as it is; nullopt: absent. For `store verify`, as are the load functions above.
  Result<std::optional<std::uint64_t>> read_boot(std::string_view name);

  const std::string& directory() const { return directory_; }

 private:
  // Fields of a later version, by file and, where records have a key, by that.
  struct Unknown {
    SealedFields file;
    std::map<std::string, JsonValue::Object> records;
  };
  // False: absent.
  Result<bool> load(std::string_view name, std::string_view format, std::size_t max_records,
                    const RecordReader& on_record, SealedFields& fields);
  Saved store(std::string_view name, Result<std::string> text);
  std::size_t max_bytes_of(std::string_view name) const;
  std::string boot_recovery();
  void remember(std::string_view name, Unknown unknown);
  Unknown unknown_of(std::string_view name);

  FileSystem& files_;
  const std::string directory_;
  const std::size_t max_topology_bytes_;
  std::mutex mutex_;  // guards unknown_
  std::map<std::string, Unknown, std::less<>> unknown_;
};

}  // namespace rollcall
