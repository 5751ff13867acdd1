// FileProviderStore: `providers.jsonl` in the state directory (SPEC 7), the embedded ProviderStore.
//
// A save writes the whole set as providers.jsonl.tmp, fsyncs it, keeps the generation before as
// providers.jsonl.prev, renames, and fsyncs the directory: a crash at any point leaves the old or
// the new set. If only the last step fails the outcome is unknown; until the last certain set has
// been rewritten every write is refused. Fields of a later version are kept, by provider.
//
// Threads: one at a time. The FileSystem outlives it; the directory is locked by StateDirectory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"
#include "core/provider_store.h"
#include "provisioning/registry/providers_document.h"

namespace rollcall {

inline constexpr std::string_view kProvidersFile = "providers.jsonl";
inline constexpr std::string_view kProvidersPrevious = "providers.jsonl.prev";
// The local copy of a set that a fleet shares (provisioning/fleet), in the same form.
inline constexpr std::string_view kFleetFile = "fleet.jsonl";

class FileProviderStore final : public ProviderStore {
 public:
  FileProviderStore(FileSystem& files, std::string directory);

  // An absent file is the empty set of revision 0, unless there is a previous generation: then
  // somebody lost it, and that is STORE_CORRUPTED. What was read is written again before it counts:
  // an earlier process may have died right after a directory fsync that failed, and what it left
  // must not vanish in a power cut after this one has acted on it. STORE_IO if that fails.
  Result<StoredProviders> load() override;
  tl::expected<Revision, WriteOutcome> save(const std::vector<ProviderDescriptor>& providers,
                                            Revision expected) override;

 private:
  enum class Keep : std::uint8_t { Previous, Nothing };  // whether what is there becomes .prev
  tl::expected<void, WriteOutcome> write(const StoredProviders& set, Keep keep);
  tl::expected<void, WriteOutcome> settle();

  FileSystem& files_;
  const std::string directory_;
  bool loaded_ = false;
  bool outcome_unknown_ = false;  // a directory fsync failed since the last good write
  StoredProviders current_;       // the last set that is certainly there
  UnknownProviderFields unknown_;
};

// Reads and validates one generation; nullopt: absent. Changes nothing. `unknown` may be null.
Result<std::optional<StoredProviders>> read_providers_file(FileSystem& files,
                                                           const std::string& directory,
                                                           std::string_view name,
                                                           UnknownProviderFields* unknown);

// The present generation, as load() sees it: absent is nullopt only if nothing was ever stored.
Result<std::optional<StoredProviders>> read_present_providers(FileSystem& files,
                                                              const std::string& directory,
                                                              UnknownProviderFields* unknown);

}  // namespace rollcall
