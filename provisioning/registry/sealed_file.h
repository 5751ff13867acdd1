// The form of every state file of the registry (SPEC 7): JSON lines, each sealed by a checksum.
//
//   {"checksum":"<16 hex>","format":"rollcall.providers","min_reader":1}      header
//   {"checksum":"<16 hex>", …fields…}                                         a record a line
//   {"checksum":"<16 hex>","count":2,"digest":"<16 hex>", …fields…}           trailer
//
// A line's checksum is XXH64 (seed 0, lower-case hex) of everything after `{"checksum":"…",` up to
// the line's end; the digest is that of all bytes before the trailer. So any byte that changed,
// went missing or was added is noticed, also in fields that this version does not know; those are
// kept on rewrite. The form is frozen: a later version adds fields, and raises min_reader if it
// must.
//
// Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/codec/json_value.h"
#include "core/error.h"

namespace rollcall {

// What this version can read, and the `min_reader` that it writes.
inline constexpr std::uint64_t kStateReader = 1;

struct SealedFile {
  std::string format;  // "rollcall.providers"
  // Fields beside those of the form itself, in order.
  JsonValue::Object header;
  std::vector<JsonValue> records;  // objects; their lines are index + 2
  JsonValue::Object trailer;
};

// What went wrong where; the caller adds the file's name and the command that recovers.
struct SealError {
  std::size_t line = 0;  // from 1; 0: the file as a whole
  std::string reason;
  bool newer = false;  // written for a later version: the file is fine, this program is too old
};

// LIMIT_EXCEEDED of `max_records` is a SealError as well.
tl::expected<SealedFile, SealError> read_sealed(std::string_view text, std::string_view format,
                                                std::size_t max_records);
// INVALID_CONFIG if a text in it is not UTF-8.
Result<std::string> write_sealed(const SealedFile& file);

// The fields of `object` that are not in `known`, to be appended to what is written next.
JsonValue::Object unknown_fields(const JsonValue::Object& object,
                                 const std::vector<std::string_view>& known);

}  // namespace rollcall
