#include "provisioning/registry/providers_document.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "core/codec/descriptor_codec.h"
#include "core/codec/json_reader.h"
#include "core/limits.h"

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

// Collects the records of a document.
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

}  // namespace

tl::expected<StoredProviders, SealError> decode_providers(std::string_view text,
                                                          UnknownProviderFields& unknown) {
  Records records;
  auto fields = read_sealed(text, kProvidersFormat, limits::kMaxProviders,
                            [&](const JsonValue& record) { return records.add(record); });
  if (!fields) return tl::unexpected<SealError>(std::move(fields.error()));
  std::optional<std::uint64_t> revision;
  for (const JsonMember& member : fields->trailer) {
    if (member.key == "revision") revision = member.value.as_u64();
  }
  if (!revision) {
    return tl::unexpected<SealError>(
        {records.providers.size() + 2, "the last line has no revision", false});
  }
  unknown.file.header = std::move(fields->header);
  unknown.file.trailer = unknown_fields(fields->trailer, {"revision"});
  unknown.records = std::move(records.unknown);
  return StoredProviders{Revision(*revision), std::move(records.providers)};
}

Result<std::string> encode_providers(const StoredProviders& set,
                                     const UnknownProviderFields& unknown) {
  static const UnknownProviderFields::Record kNothing;
  std::optional<ProvisioningError> error;
  SealedWriter file(kProvidersFormat, unknown.file.header);
  for (const ProviderDescriptor& d : set.providers) {
    const auto found = unknown.records.find(d.id);
    const auto& kept = found == unknown.records.end() ? kNothing : found->second;
    file.record([&](JsonWriter& fields) {
      fields.key("descriptor");
      if (auto written = write_merged(d, kept, fields); !written) {
        error = std::move(written.error());
        fields.null();
      }
      write_fields(kept.line, fields);
    });
  }
  auto text = std::move(file).finish([&](JsonWriter& fields) {
    fields.field("revision", set.revision.value());
    write_fields(unknown.file.trailer, fields);
  });
  if (error) return tl::unexpected(std::move(*error));
  return text;
}

}  // namespace rollcall
