// FileProviderStore: `providers.jsonl` in the state directory (SPEC 7), the embedded ProviderStore.
//
// A save writes the whole set as providers.jsonl.tmp, fsyncs it, keeps the generation before as
// providers.jsonl.prev, renames, and fsyncs the directory: a crash at any point leaves the old or
// the new set. If only the last step fails the outcome is unknown; until the last certain set has
// been rewritten every write is refused. Fields of a later version are kept, by provider.
//
// Threads: one at a time. The FileSystem outlives it; the directory is locked by StateDirectory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/codec/json_value.h"
#include "core/file_system.h"
#include "core/provider_store.h"
#include "provisioning/registry/sealed_file.h"

namespace rollcall {

inline constexpr std::string_view kProvidersFile = "providers.jsonl";
inline constexpr std::string_view kProvidersPrevious = "providers.jsonl.prev";
inline constexpr std::string_view kProvidersFormat = "rollcall.providers";

class FileProviderStore final : public ProviderStore {
 public:
  FileProviderStore(FileSystem& files, std::string directory);

  // An absent file is the empty set of revision 0, unless there is a previous generation: then
  // somebody lost it, and that is STORE_CORRUPTED.
  Result<StoredProviders> load() override;
  tl::expected<Revision, WriteOutcome> save(const std::vector<ProviderDescriptor>& providers,
                                            Revision expected) override;

 private:
  // What a later version wrote and this one does not know.
  struct Unknown {
    JsonValue::Object header;
    JsonValue::Object trailer;
    std::map<ProviderId, JsonValue::Object> records;
    std::map<ProviderId, JsonValue::Object> descriptors;
  };
  Result<std::string> encode(const StoredProviders& set) const;
  tl::expected<void, WriteOutcome> write(const StoredProviders& set);

  FileSystem& files_;
  const std::string directory_;
  bool loaded_ = false;
  bool outcome_unknown_ = false;  // a directory fsync failed since the last good write
  StoredProviders current_;       // the last set that is certainly there
  Unknown unknown_;
};

// Reads and validates a providers file without a store; what `store verify` uses.
Result<StoredProviders> read_providers_file(FileSystem& files, const std::string& directory,
                                            std::string_view name);

}  // namespace rollcall
