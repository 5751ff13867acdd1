// A set of providers as a text: the form of `providers.jsonl`, of a fleet's document, and of the
// local copy of that. JSON lines, each with a checksum, and a last one with count, revision and
// digest (sealed_file.h). Fields of a later version are kept, by provider.
//
// Pure functions and values, any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/codec/json_value.h"
#include "core/provider_store.h"
#include "provisioning/registry/sealed_file.h"

namespace rollcall {

inline constexpr std::string_view kProvidersFormat = "rollcall.providers";

// What a later version wrote and this one does not know: kept on rewrite, while the provider
// exists. The trailer's are also where a store keeps what is its own.
struct UnknownProviderFields {
  struct Record {
    JsonValue::Object line;
    JsonValue::Object descriptor;
    JsonValue::Object auth;
  };
  SealedFields file;
  std::map<ProviderId, Record> records;
};

// Everything validated, or the first thing that is wrong and its line. `unknown` is written only
// with success.
tl::expected<StoredProviders, SealError> decode_providers(std::string_view text,
                                                          UnknownProviderFields& unknown);
// INVALID_CONFIG if a text in it is not UTF-8.
Result<std::string> encode_providers(const StoredProviders& set,
                                     const UnknownProviderFields& unknown);

}  // namespace rollcall
