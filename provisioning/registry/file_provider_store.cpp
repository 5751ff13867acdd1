#include "provisioning/registry/file_provider_store.h"

#include <set>
#include <utility>

#include "core/limits.h"
#include "provisioning/registry/store_errors.h"

namespace rollcall {
namespace {

std::string recovery_for(FileSystem& files, const std::string& directory, std::string_view name) {
  if (name != kProvidersFile) return set_aside_command(directory, name);
  auto previous = read_providers_file(files, directory, kProvidersPrevious, nullptr);
  if (previous && *previous) {
    return copy_command(directory, kProvidersPrevious, kProvidersFile) +
           "  # the generation before: revision " + std::to_string((*previous)->revision.value()) +
           ", " + std::to_string((*previous)->providers.size()) + " provider(s)";
  }
  std::string command = set_aside_command(directory, kProvidersFile);
  if (!previous) command += " && " + set_aside_command(directory, kProvidersPrevious);
  return command + "  # there is no sound earlier generation: register the providers again";
}

}  // namespace

Result<std::optional<StoredProviders>> read_providers_file(FileSystem& files,
                                                           const std::string& directory,
                                                           std::string_view name,
                                                           UnknownProviderFields* unknown) {
  const std::string path = store_path(directory, name);
  bool absent = false;
  auto text = read_state(files, path, limits::kMaxStateFileBytes, "", absent);
  if (!text) {
    if (text.error().code != ErrorCode::StoreCorrupted) return tl::unexpected(text.error());
    return tl::unexpected(
        corrupted(path, "is too large to be one of ours", recovery_for(files, directory, name)));
  }
  if (absent) return std::optional<StoredProviders>();

  UnknownProviderFields kept;
  auto set = decode_providers(*text, kept);
  if (!set) {
    return tl::unexpected(corrupted(path, set.error(), recovery_for(files, directory, name)));
  }
  if (unknown != nullptr) *unknown = std::move(kept);
  return std::optional<StoredProviders>(std::move(*set));
}

Result<std::optional<StoredProviders>> read_present_providers(FileSystem& files,
                                                              const std::string& directory,
                                                              UnknownProviderFields* unknown) {
  auto present = read_providers_file(files, directory, kProvidersFile, unknown);
  if (!present || *present) return present;
  auto previous = read_providers_file(files, directory, kProvidersPrevious, nullptr);
  if (!previous && previous.error().code != ErrorCode::StoreCorrupted) return previous;
  if (previous && !*previous) return present;
  return tl::unexpected(corrupted(store_path(directory, kProvidersFile),
                                  "is missing, but " + std::string(kProvidersPrevious) +
                                      " is there: providers were registered and the file was lost",
                                  recovery_for(files, directory, kProvidersFile)));
}

FileProviderStore::FileProviderStore(FileSystem& files, std::string directory)
    : files_(files), directory_(std::move(directory)) {}

Result<StoredProviders> FileProviderStore::load() {
  UnknownProviderFields unknown;
  auto read = read_present_providers(files_, directory_, &unknown);
  if (!read) return tl::unexpected(std::move(read.error()));
  current_ = read->value_or(StoredProviders{});
  unknown_ = std::move(unknown);
  outcome_unknown_ = read->has_value();
  if (auto settled = settle(); !settled) return tl::unexpected(std::move(settled.error().error));
  loaded_ = true;
  return current_;
}

tl::expected<void, WriteOutcome> FileProviderStore::write(const StoredProviders& set, Keep keep) {
  const auto failed = [](ProvisioningError error) {
    return tl::unexpected<WriteOutcome>({false, std::move(error)});
  };
  auto text = encode_providers(set, unknown_);
  if (!text) return failed(std::move(text.error()));
  const std::string path = store_path(directory_, kProvidersFile);
  const std::string temporary = path + ".tmp";
  if (auto written = files_.write_synced(temporary, *text); !written) {
    (void)files_.remove(temporary);  // a courtesy: the next write truncates it
    return failed(std::move(written.error()));
  }
  if (keep == Keep::Previous) {
    auto linked = files_.link_or_copy(path, store_path(directory_, kProvidersPrevious));
    if (!linked && linked.error().code != ErrorCode::NotFound) {
      (void)files_.remove(temporary);
      return failed(std::move(linked.error()));
    }
  }
  if (auto renamed = files_.rename(temporary, path); !renamed) {
    (void)files_.remove(temporary);
    return failed(std::move(renamed.error()));
  }
  if (auto synced = files_.sync_directory(directory_); !synced) {
    WriteOutcome outcome{true, std::move(synced.error())};
    outcome.error.code = ErrorCode::StoreIo;
    outcome.error.message += " (unknown: whether revision " + std::to_string(set.revision.value()) +
                             " survives a power cut; writes are refused until a rewrite succeeds)";
    return tl::unexpected<WriteOutcome>(std::move(outcome));
  }
  return {};
}

// Puts the last certain set back after an unknown outcome, so that what is on disk is what is
// known.
tl::expected<void, WriteOutcome> FileProviderStore::settle() {
  if (!outcome_unknown_) return {};
  // The file that is there was never accepted, so it must not become the previous generation.
  if (auto written = write(current_, Keep::Nothing); !written) {
    ProvisioningError error = std::move(written.error().error);
    error.code = ErrorCode::StoreIo;
    error.message = "refused: the outcome of an earlier write is unknown, and rewriting revision " +
                    std::to_string(current_.revision.value()) + " failed: " + error.message;
    return tl::unexpected<WriteOutcome>({false, std::move(error)});
  }
  outcome_unknown_ = false;
  return {};
}

tl::expected<Revision, WriteOutcome> FileProviderStore::save(
    const std::vector<ProviderDescriptor>& providers, Revision expected) {
  const auto failed = [](ErrorCode code, std::string message) {
    return tl::unexpected<WriteOutcome>({false, {code, std::move(message), {}, 0}});
  };
  if (!loaded_) {
    if (auto loaded = load(); !loaded) {
      return tl::unexpected<WriteOutcome>({false, std::move(loaded.error())});
    }
  }
  if (expected != current_.revision) {
    return failed(ErrorCode::RevisionConflict,
                  "the stored set has revision " + std::to_string(current_.revision.value()) +
                      ", expected " + std::to_string(expected.value()));
  }
  if (auto settled = settle(); !settled) return tl::unexpected(std::move(settled.error()));
  StoredProviders next{current_.revision.next(), providers};
  if (auto written = write(next, Keep::Previous); !written) {
    outcome_unknown_ = written.error().unknown;
    return tl::unexpected(std::move(written.error()));
  }
  current_ = std::move(next);
  std::set<ProviderId> kept;
  for (const ProviderDescriptor& d : current_.providers) kept.insert(d.id);
  std::erase_if(unknown_.records, [&](const auto& entry) { return !kept.contains(entry.first); });
  return current_.revision;
}

}  // namespace rollcall
