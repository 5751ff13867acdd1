// The registry file of a host's node processes: JSON lines, so that an error has a line and a
// person can read it.
//
//   {"format":"rollcall.local","min_reader":1,"revision":"7"}
//   {"id":"n1","host":"localhost",…,"pid":4711,"start_time":"221473","boot_id":"e8e8…",
//    "namespaces":"pid:[4026531836] time:[4026531834]","socket":"/run/n1.sock","version":"1.4.2",
//    "created":"2026-11-21T15:08:49.123Z"}                            (an entry is one line)
//   {"entries":1,"checksum":"0123456789abcdef"}
//
// The checksum is XXH64 (seed 0, lower-case hex) of every byte before its digits: what changed,
// went missing or was added anywhere is noticed, also in fields that this version does not know;
// those are kept when the file is written again (SPEC 7). No file is an empty registry; an empty
// file is a broken one.
//
// Threads: any. Whoever loads or saves holds the registry's lock (registry_lock.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/codec/json_value.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/node.h"
#include "core/time.h"
#include "providers/local/registry/process_identity.h"

namespace rollcall {

inline constexpr std::string_view kLocalRegistryFile = "registry.jsonl";
inline constexpr std::string_view kLocalLockFile = "registry.lock";

// What an entry says where its node does not say on which address it listens.
inline constexpr std::string_view kLocalHost = "localhost";
// The labels by which the members of a `local` provider carry what a ClusterNode has no field for.
inline constexpr std::string_view kSocketLabel = "rollcall-socket";
inline constexpr std::string_view kVersionLabel = "rollcall-version";

struct LocalEntry {
  ClusterNode node;  // without the two labels above
  ProcessIdentity process;
  std::string socket;   // absolute path of a Unix socket
  std::string version;  // may be empty
  WallTime created{};
  JsonValue::Object unknown;  // fields of a later version
};

struct RegistryContent {
  std::uint64_t revision = 0;       // rises with every change
  std::vector<LocalEntry> entries;  // in the order in which they came; ids are unique
  JsonValue::Object unknown;        // fields of the first line
};

// The member that a provider makes of it, with the two labels. Valid if the entry is.
ClusterNode labelled_node(const LocalEntry& entry);

// All that is wrong with an entry's node, socket and version; `field` prefixes the paths.
std::vector<Problem> validate_entry(const LocalEntry& entry, std::string_view field);

// The entries of what was read last, by the text of their lines: one that is still the same is not
// parsed again, so that a look costs with what changed. For one thread.
using RegistryCache = std::unordered_map<std::string, LocalEntry>;

// LIMIT_EXCEEDED (too many entries, too large), INVALID_CONFIG (a text that is no UTF-8).
Result<std::string> encode_registry(const RegistryContent& content);
// STORE_CORRUPTED with `path`, line, reason and the command that recovers.
// `cache` becomes that of this text, if it is sound.
Result<RegistryContent> decode_registry(std::string_view text, const std::string& path,
                                        RegistryCache* cache = nullptr);

// In `directory`. No file: an empty registry. STORE_CORRUPTED, STORE_IO.
Result<RegistryContent> load_registry(FileSystem& files, const std::string& directory,
                                      RegistryCache* cache = nullptr);
// Temporary file, fsync, rename, directory fsync: at every moment the old file or the new one is
// there. STORE_IO; "unknown" in it says that the new one may not survive a power cut.
Result<void> save_registry(FileSystem& files, const std::string& directory,
                           const RegistryContent& content);

}  // namespace rollcall
