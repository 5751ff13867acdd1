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
// Pure functions and values, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "core/codec/json_value.h"
#include "core/codec/json_writer.h"
#include "core/error.h"

namespace rollcall {

// What this version can read, and the `min_reader` that it writes.
inline constexpr std::uint64_t kStateReader = 1;

// Fields of a file beside those of the form itself, in order.
struct SealedFields {
  JsonValue::Object header;
  JsonValue::Object trailer;
};

// What went wrong where; the caller adds the file's name and the command that recovers.
struct SealError {
  std::size_t line = 0;  // from 1; 0: the file as a whole
  std::string reason;
  bool newer = false;  // written for a later version: the file is sound, this program is too old
};

// Called with each record in order; an answer is the reason why it is wrong. Nothing that it did
// counts unless read_sealed() succeeds: the digest is checked before the first call.
using RecordReader = std::function<std::optional<std::string>(const JsonValue& record)>;

tl::expected<SealedFields, SealError> read_sealed(std::string_view text, std::string_view format,
                                                  std::size_t max_records,
                                                  const RecordReader& on_record);

// Writes such a file, line by line. For one thread.
//   SealedWriter file("rollcall.holds", unknown.header);
//   file.record([&](JsonWriter& fields) { fields.field("provider", id.str()); });
//   Result<std::string> text = std::move(file).finish([](JsonWriter&) {});
class SealedWriter {
 public:
  using Fields = std::function<void(JsonWriter&)>;  // writes into an object that is already open

  explicit SealedWriter(std::string_view format, const JsonValue::Object& header = {});
  void record(const Fields& fields);  // at least one
  // INVALID_CONFIG if a text in it was not UTF-8.
  Result<std::string> finish(const Fields& trailer) &&;

 private:
  void line(const Fields& fields);

  std::string out_;
  std::size_t records_ = 0;
  std::optional<ProvisioningError> error_;  // the first one
};

// The fields of `object` that are not in `known`: kept, and appended to what is written next.
JsonValue::Object unknown_fields(const JsonValue::Object& object,
                                 std::initializer_list<std::string_view> known);
void write_fields(const JsonValue::Object& fields, JsonWriter& writer);

}  // namespace rollcall
