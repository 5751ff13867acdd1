// ProviderDescriptor ⇄ JSON: the file form of DESIGN ("A descriptor file is one JSON or YAML
// object, or a list"), the lines of providers.jsonl, and `providers:` in the configuration.
//
//   {"id":"c1","kind":"consul","priority":10,"endpoints":["http://127.0.0.1:8500"],
//    "auth":{"token_file":"/run/secrets/consul"},"watch_params":{"service":"db","wait_ms":10000},
//    "standby":"hot","enabled":true}
//
// id and kind are required. Scalars in watch_params are taken as text. Unknown keys are problems,
// and so is a secret in the open (`token`, `secret`, `password`): its value is never repeated. Pure
// functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/codec/json_value.h"
#include "core/codec/json_writer.h"
#include "core/codec/object_reader.h"
#include "core/descriptor.h"

namespace rollcall {

enum class DescriptorForm : std::uint8_t {
  Operator,  // what a person writes: no `origin`
  // The same, judged elsewhere: only what keeps it from being read is a problem here, so that whoever
  // knows the kinds (the sidecar) can name all the others together (R1.1).
  Unjudged,
  Stored,    // providers.jsonl: `origin` and `disabled_reason` as well
};

// Reads one, adds its problems (validate_descriptor() included, unless Unjudged) to `problems`.
// `path` prefixes.
ProviderDescriptor read_descriptor(const JsonValue& value, const std::string& path,
                                   DescriptorForm form, ProblemList& problems);

// A descriptor file: one object, a list, or {"providers":[…]}. Two with one id are DUPLICATE_NAME.
Result<std::vector<ProviderDescriptor>> parse_descriptors(
    std::string_view text, const ReadLimits& read_limits = {},
    DescriptorForm form = DescriptorForm::Operator);

// The same, of a tree that is already there. `path` prefixes ("providers").
std::vector<ProviderDescriptor> read_descriptor_list(const JsonValue& value,
                                                     const std::string& path,
                                                     ProblemList& problems,
                                                     DescriptorForm form = DescriptorForm::Operator);

// Whether a descriptor file says of a provider that it is enabled, or not. An update of one leaves
// that as it is when the file says nothing.
bool says_enabled(std::string_view text, const ReadLimits& read_limits = {});

// Written in a fixed order, fields with their default value included, so that equal descriptors
// give equal bytes (the store's checksum wants that).
void write_descriptor(const ProviderDescriptor& d, DescriptorForm form, JsonWriter& writer);
Result<std::string> descriptor_to_json(const ProviderDescriptor& d, DescriptorForm form,
                                       int indent = 0);

}  // namespace rollcall
