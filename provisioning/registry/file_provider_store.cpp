#include "provisioning/registry/file_provider_store.h"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <utility>

#include "core/codec/descriptor_codec.h"
#include "core/codec/json_reader.h"
#include "core/limits.h"
#include "provisioning/registry/store_errors.h"

namespace rollcall {
namespace {

const std::initializer_list<std::string_view> kDescriptorFields = {
    "id",           "kind",    "priority", "endpoints",       "auth",
    "watch_params", "standby", "enabled",  "disabled_reason", "origin"};
const std::initializer_list<std::string_view> kAuthFields = {"token_file", "ca_file", "cert_file",
                                                             "key_file"};

JsonValue::Object known_fields(const JsonValue::Object& object,
                               std::initializer_list<std::string_view> known) {
  JsonValue::Object kept;
  for (const JsonMember& member : object) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) kept.push_back(member);
  }
  return kept;
}

// Takes what this version does not know out of a stored descriptor, so that the strict reader may
// judge the rest.
JsonValue split_descriptor(const JsonValue& stored, UnknownProviderFields::Record& unknown) {
  const JsonValue::Object* object = stored.as_object();
  if (object == nullptr) return stored;
  unknown.descriptor = unknown_fields(*object, kDescriptorFields);
  JsonValue::Object rest = known_fields(*object, kDescriptorFields);
  for (JsonMember& member : rest) {
    const JsonValue::Object* auth = member.key == "auth" ? member.value.as_object() : nullptr;
    if (auth == nullptr) continue;
    unknown.auth = unknown_fields(*auth, kAuthFields);
    JsonValue::Object known_auth = known_fields(*auth, kAuthFields);
    member.value = JsonValue(std::move(known_auth), member.value.position());
  }
  return JsonValue(std::move(rest), stored.position());
}

Result<void> write_merged(const ProviderDescriptor& d, const UnknownProviderFields::Record& unknown,
                          JsonWriter& writer) {
  if (unknown.descriptor.empty() && unknown.auth.empty()) {
    write_descriptor(d, DescriptorForm::Stored, writer);
    return {};
  }
  auto text = descriptor_to_json(d, DescriptorForm::Stored);
  if (!text) return tl::unexpected(std::move(text.error()));
  auto tree = parse_json(*text);
  if (!tree) return tl::unexpected(std::move(tree.error()));
  JsonValue::Object merged = *tree->as_object();
  merged.insert(merged.end(), unknown.descriptor.begin(), unknown.descriptor.end());
  if (!unknown.auth.empty()) {
    auto auth = std::find_if(merged.begin(), merged.end(),
                             [](const JsonMember& member) { return member.key == "auth"; });
    if (auth == merged.end()) {
      merged.push_back({"auth", {}, JsonValue(unknown.auth)});
    } else if (const JsonValue::Object* known = auth->value.as_object()) {
      JsonValue::Object both = *known;
      both.insert(both.end(), unknown.auth.begin(), unknown.auth.end());
      auth->value = JsonValue(std::move(both));
    }
  }
  writer.value(JsonValue(std::move(merged)));
  return {};
}

// Collects the records of a file.
struct Records {
  std::vector<ProviderDescriptor> providers;
  std::map<ProviderId, UnknownProviderFields::Record> unknown;

  std::optional<std::string> add(const JsonValue& record) {
    const JsonValue* stored = record.find("descriptor");
    if (stored == nullptr) return "holds no descriptor";
    UnknownProviderFields::Record kept;
    kept.line = unknown_fields(*record.as_object(), {"checksum", "descriptor"});
    ProblemList problems;
    ProviderDescriptor d = read_descriptor(split_descriptor(*stored, kept), "descriptor",
                                           DescriptorForm::Stored, problems);
    if (!problems.empty()) {
      return problems.fail(ErrorCode::StoreCorrupted, "the descriptor is not valid")
          .value()
          .message;
    }
    if (!unknown.emplace(d.id, std::move(kept)).second) {
      return "repeats the provider " + d.id.str();
    }
    providers.push_back(std::move(d));
    return std::nullopt;
  }
};

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

  Records records;
  auto fields = read_sealed(*text, kProvidersFormat, limits::kMaxProviders,
                            [&](const JsonValue& record) { return records.add(record); });
  const auto broken = [&](const SealError& error) {
    return tl::unexpected(corrupted(path, error, recovery_for(files, directory, name)));
  };
  if (!fields) return broken(fields.error());
  std::optional<std::uint64_t> revision;
  for (const JsonMember& member : fields->trailer) {
    if (member.key == "revision") revision = member.value.as_u64();
  }
  if (!revision)
    return broken({records.providers.size() + 2, "the last line has no revision", false});
  if (unknown != nullptr) {
    unknown->file.header = std::move(fields->header);
    unknown->file.trailer = unknown_fields(fields->trailer, {"revision"});
    unknown->records = std::move(records.unknown);
  }
  return std::optional<StoredProviders>({Revision(*revision), std::move(records.providers)});
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

Result<std::string> FileProviderStore::encode(const StoredProviders& set) const {
  static const UnknownProviderFields::Record kNothing;
  std::optional<ProvisioningError> error;
  SealedWriter file(kProvidersFormat, unknown_.file.header);
  for (const ProviderDescriptor& d : set.providers) {
    const auto found = unknown_.records.find(d.id);
    const auto& unknown = found == unknown_.records.end() ? kNothing : found->second;
    file.record([&](JsonWriter& fields) {
      fields.key("descriptor");
      if (auto written = write_merged(d, unknown, fields); !written) {
        error = std::move(written.error());
        fields.null();
      }
      write_fields(unknown.line, fields);
    });
  }
  auto text = std::move(file).finish([&](JsonWriter& fields) {
    fields.field("revision", set.revision.value());
    write_fields(unknown_.file.trailer, fields);
  });
  if (error) return tl::unexpected(std::move(*error));
  return text;
}

tl::expected<void, WriteOutcome> FileProviderStore::write(const StoredProviders& set, Keep keep) {
  const auto failed = [](ProvisioningError error) {
    return tl::unexpected<WriteOutcome>({false, std::move(error)});
  };
  auto text = encode(set);
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
