#include "core/codec/descriptor_codec.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include "core/codec/yaml_reader.h"
#include "core/text.h"

namespace rollcall {
namespace {

constexpr std::array<std::string_view, 6> kSecretNames = {"token",  "secret",  "password",
                                                          "passwd", "api_key", "private_key"};
constexpr std::string_view kUseReference =
    "no secret in the descriptor: put it into a file and name that in auth.token_file";

std::optional<Standby> standby_from_string(std::string_view text) {
  if (text == to_string(Standby::Hot)) return Standby::Hot;
  if (text == to_string(Standby::Cold)) return Standby::Cold;
  return std::nullopt;
}

std::optional<Origin> origin_from_string(std::string_view text) {
  if (text == to_string(Origin::Api)) return Origin::Api;
  if (text == to_string(Origin::Config)) return Origin::Config;
  return std::nullopt;
}

void forbid_secrets(ObjectReader& reader) {
  for (const std::string_view name : kSecretNames) reader.forbid(name, kUseReference);
}

void read_auth(ObjectReader& auth, AuthRef& out) {
  auth.optional("token_file", out.token_file)
      .optional("ca_file", out.ca_file)
      .optional("cert_file", out.cert_file)
      .optional("key_file", out.key_file);
  forbid_secrets(auth);
}

void read_watch_params(ObjectReader& reader, ProviderDescriptor& d) {
  const JsonValue* params = reader.take("watch_params");
  if (params == nullptr) return;
  bool secret = false;
  if (const JsonValue::Object* object = params->as_object()) {
    for (const JsonMember& member : *object) {
      if (std::find(kSecretNames.begin(), kSecretNames.end(), member.key) == kSecretNames.end()) {
        continue;
      }
      secret = true;
      reader.problems().add(reader.path_of("watch_params") + "." + member.key, "",
                            std::string(kUseReference), member.key_position);
    }
  }
  if (!secret) reader.scalars("watch_params", d.watch_params);
}

// Whether a problem of validate_descriptor() repeats one that reading already found: a field that
// could not be read still has its default, which validation then complains about.
bool already_named(const ProblemList& problems, std::size_t begin, const std::string& field) {
  const auto& kept = problems.kept();
  return std::any_of(kept.begin() + static_cast<std::ptrdiff_t>(begin), kept.end(),
                     [&](const Problem& problem) { return problem.field == field; });
}

}  // namespace

ProviderDescriptor read_descriptor(const JsonValue& value, const std::string& path,
                                   DescriptorForm form, ProblemList& problems) {
  ProviderDescriptor d;
  const std::size_t before = problems.kept().size();
  ObjectReader reader(value, path, problems);
  if (!reader.is_object()) return d;
  std::string id;
  reader.required("id", id)
      .required("kind", d.kind)
      .optional("priority", d.priority)
      .optional("endpoints", d.endpoints)
      .secrets_child("auth", [&](ObjectReader& auth) { read_auth(auth, d.auth); });
  read_watch_params(reader, d);
  reader.optional_enum("standby", d.standby, standby_from_string, "hot or cold")
      .optional("enabled", d.enabled)
      .optional("disabled_reason", d.disabled_reason);
  if (form == DescriptorForm::Stored) {
    reader.optional_enum("origin", d.origin, origin_from_string, "api or config");
  }
  d.id = ProviderId(std::move(id));
  forbid_secrets(reader);
  reader.finish();
  if (form == DescriptorForm::Unjudged) return d;
  for (Problem& problem : validate_descriptor(d, path)) {
    if (already_named(problems, before, problem.field)) continue;
    problems.add(std::move(problem.field), problem.value, std::move(problem.expected),
                 value.position());
  }
  return d;
}

std::vector<ProviderDescriptor> read_descriptor_list(const JsonValue& value,
                                                     const std::string& path, ProblemList& problems,
                                                     DescriptorForm form) {
  std::vector<ProviderDescriptor> out;
  const JsonValue::Array* list = value.as_array();
  if (list == nullptr) {
    problems.add(path, value.describe(), "a list of providers", value.position());
    return out;
  }
  if (list->size() > limits::kMaxProviders) {
    problems.add(path, std::to_string(list->size()),
                 "at most " + std::to_string(limits::kMaxProviders) + " providers",
                 value.position());
    return out;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    out.push_back(
        read_descriptor((*list)[i], path + "[" + std::to_string(i) + "]", form, problems));
  }
  return out;
}

namespace {

Result<void> check_ids_unique(const std::vector<ProviderDescriptor>& descriptors) {
  std::unordered_map<std::string_view, std::size_t> seen;
  std::vector<Problem> repeated;
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    const auto [first, added] = seen.emplace(descriptors[i].id.str(), i);
    if (added) continue;
    repeated.push_back(
        {"providers[" + std::to_string(i) + "].id", descriptors[i].id.str(),
         "an id of its own (also that of providers[" + std::to_string(first->second) + "])"});
  }
  if (repeated.empty()) return {};
  return fail(ErrorCode::DuplicateName, "two providers have one id", std::move(repeated));
}

}  // namespace

Result<std::vector<ProviderDescriptor>> parse_descriptors(std::string_view text,
                                                          const ReadLimits& read_limits,
                                                          DescriptorForm form) {
  auto document = parse_document(text, read_limits);
  if (!document) return tl::unexpected(std::move(document.error()));
  ProblemList problems;
  std::vector<ProviderDescriptor> out;
  const JsonValue* list = &*document;
  if (const JsonValue* providers = document->find("providers")) {
    ObjectReader(*document, "", problems).ignore("providers").finish();
    list = providers;
  }
  if (list->as_object() != nullptr) {
    out.push_back(read_descriptor(*list, "", form, problems));
  } else {
    out = read_descriptor_list(*list, "providers", problems, form);
  }
  if (!problems.empty()) return problems.fail(read_limits.code, "descriptor refused");
  if (auto unique = check_ids_unique(out); !unique) {
    return tl::unexpected(std::move(unique.error()));
  }
  return out;
}

bool says_enabled(std::string_view text, const ReadLimits& read_limits) {
  const auto document = parse_document(text, read_limits);
  if (!document) return false;
  const auto says = [](const JsonValue& value) {
    const JsonValue* enabled = value.find("enabled");
    return enabled != nullptr && !enabled->is_null();
  };
  const JsonValue* providers = document->find("providers");
  const JsonValue& top = providers != nullptr ? *providers : *document;
  const JsonValue::Array* list = top.as_array();
  return list == nullptr ? says(top) : std::any_of(list->begin(), list->end(), says);
}

void write_descriptor(const ProviderDescriptor& d, DescriptorForm form, JsonWriter& writer) {
  writer.begin_object()
      .field("id", d.id.str())
      .field("kind", d.kind)
      .field("priority", d.priority)
      .key("endpoints")
      .begin_array();
  for (const std::string& endpoint : d.endpoints) writer.string(endpoint);
  writer.end_array().key("auth").begin_object();
  const auto reference = [&](std::string_view name, const std::string& path) {
    if (!path.empty()) writer.field(name, path);
  };
  reference("token_file", d.auth.token_file);
  reference("ca_file", d.auth.ca_file);
  reference("cert_file", d.auth.cert_file);
  reference("key_file", d.auth.key_file);
  writer.end_object()
      .field("watch_params", d.watch_params)
      .field("standby", to_string(d.standby))
      .field("enabled", d.enabled);
  if (!d.disabled_reason.empty()) writer.field("disabled_reason", d.disabled_reason);
  if (form == DescriptorForm::Stored) writer.field("origin", to_string(d.origin));
  writer.end_object();
}

Result<std::string> descriptor_to_json(const ProviderDescriptor& d, DescriptorForm form,
                                       int indent) {
  JsonWriter writer(indent);
  write_descriptor(d, form, writer);
  return std::move(writer).finish();
}

}  // namespace rollcall
