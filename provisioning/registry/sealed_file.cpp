#include "provisioning/registry/sealed_file.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "core/codec/canonical.h"
#include "core/codec/json_reader.h"
#include "core/text.h"
#include "provisioning/registry/hex.h"

namespace rollcall {
namespace {

constexpr std::string_view kLineStart = R"({"checksum":")";
constexpr std::size_t kMaxShown = 128;  // of a text that a broken file holds
constexpr std::string_view kAfterChecksum = R"(",)";
// {"checksum":"0123456789abcdef",
constexpr std::size_t kPrefixBytes = kLineStart.size() + kHexDigits + kAfterChecksum.size();

tl::unexpected<SealError> broken(std::size_t line, std::string reason) {
  return tl::unexpected<SealError>({line, std::move(reason), false});
}

// The line's object, once its checksum has been found right.
tl::expected<JsonValue, SealError> read_line(std::string_view line, std::size_t number) {
  if (line.size() <= kPrefixBytes || !line.starts_with(kLineStart) ||
      line.substr(kLineStart.size() + kHexDigits, kAfterChecksum.size()) != kAfterChecksum) {
    return broken(number, "does not begin with a checksum");
  }
  const auto checksum = from_hex(line.substr(kLineStart.size(), kHexDigits));
  if (!checksum) return broken(number, "the checksum is not 16 hexadecimal digits");
  if (*checksum != xxh64(line.substr(kPrefixBytes))) {
    return broken(number, "the checksum does not match the line");
  }
  ReadLimits read_limits;
  read_limits.max_bytes = line.size();
  read_limits.code = ErrorCode::StoreCorrupted;
  auto value = parse_json(line, read_limits);
  if (!value) return broken(number, value.error().message);
  if (value->as_object() == nullptr) return broken(number, "is not an object");
  return std::move(*value);
}

std::optional<SealError> check_header(const JsonValue& header, std::string_view format) {
  const JsonValue* name = header.find("format");
  const std::string* text = name != nullptr ? name->as_string() : nullptr;
  if (text == nullptr) return SealError{1, "names no format", false};
  if (*text != format) {
    return SealError{
        1, "is of format " + printable(*text, kMaxShown) + ", not " + std::string(format), false};
  }
  const JsonValue* min_reader = header.find("min_reader");
  const auto needed = min_reader != nullptr ? min_reader->as_u64() : std::nullopt;
  if (!needed) return SealError{1, "names no min_reader", false};
  if (*needed > kStateReader) {
    return SealError{1,
                     "needs a reader of version " + std::to_string(*needed) + ", this one is " +
                         std::to_string(kStateReader),
                     true};
  }
  return std::nullopt;
}

// `body` is everything before the trailer, of `records` records.
std::optional<SealError> check_trailer(const JsonValue& trailer, std::string_view body,
                                       std::size_t records, std::size_t line) {
  const JsonValue* digest = trailer.find("digest");
  const JsonValue* count = trailer.find("count");
  if (digest == nullptr || count == nullptr) {
    return SealError{line, "the last line, with count and digest, is missing", false};
  }
  const std::string* text = digest->as_string();
  const auto value = text != nullptr ? from_hex(*text) : std::nullopt;
  if (!value) return SealError{line, "the digest is not 16 hexadecimal digits", false};
  if (count->as_u64() != std::uint64_t{records}) {
    return SealError{
        line, "counts " + count->describe() + " records, there are " + std::to_string(records),
        false};
  }
  if (*value != xxh64(body)) return SealError{line, "the digest does not match the file", false};
  return std::nullopt;
}

}  // namespace

tl::expected<SealedFields, SealError> read_sealed(std::string_view text, std::string_view format,
                                                  std::size_t max_records,
                                                  const RecordReader& on_record) {
  if (text.empty()) return broken(0, "is empty");
  const std::size_t header_end = text.find('\n');
  if (header_end == std::string_view::npos)
    return broken(1, "is cut in the middle of the first line");
  auto header = read_line(text.substr(0, header_end), 1);
  if (!header) return tl::unexpected<SealError>(std::move(header.error()));
  if (auto error = check_header(*header, format)) return tl::unexpected<SealError>(*error);

  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  if (text.back() != '\n') return broken(lines + 1, "is cut in the middle of a line");
  if (lines < 2) return broken(lines, "the last line, with count and digest, is missing");
  const std::size_t records = lines - 2;
  if (records > max_records) {
    return broken(0, "holds " + std::to_string(records) + " records, at most " +
                         std::to_string(max_records) + " are allowed");
  }
  const std::size_t trailer_begin = text.find_last_of('\n', text.size() - 2) + 1;
  auto trailer = read_line(text.substr(trailer_begin, text.size() - 1 - trailer_begin), lines);
  if (!trailer) return tl::unexpected<SealError>(std::move(trailer.error()));
  if (auto error = check_trailer(*trailer, text.substr(0, trailer_begin), records, lines)) {
    // A line that is wrong by itself says more than a digest over all of them.
    std::size_t at = header_end + 1;
    for (std::size_t number = 2; number < lines; ++number) {
      const std::size_t end = text.find('\n', at);
      if (auto line = read_line(text.substr(at, end - at), number); !line) {
        return tl::unexpected<SealError>(std::move(line.error()));
      }
      at = end + 1;
    }
    return tl::unexpected<SealError>(std::move(*error));
  }

  std::size_t at = header_end + 1;
  for (std::size_t number = 2; number < lines; ++number) {
    const std::size_t end = text.find('\n', at);
    auto record = read_line(text.substr(at, end - at), number);
    if (!record) return tl::unexpected<SealError>(std::move(record.error()));
    if (auto reason = on_record(*record)) return broken(number, std::move(*reason));
    at = end + 1;
  }
  return SealedFields{unknown_fields(*header->as_object(), {"checksum", "format", "min_reader"}),
                      unknown_fields(*trailer->as_object(), {"checksum", "count", "digest"})};
}

SealedWriter::SealedWriter(std::string_view format, const JsonValue::Object& header) {
  line([&](JsonWriter& fields) {
    fields.field("format", format).field("min_reader", kStateReader);
    write_fields(header, fields);
  });
}

void SealedWriter::record(const Fields& fields) {
  line(fields);
  ++records_;
}

Result<std::string> SealedWriter::finish(const Fields& trailer) && {
  const std::string digest = to_hex(xxh64(out_));
  line([&](JsonWriter& fields) {
    fields.field("count", records_).field("digest", digest);
    trailer(fields);
  });
  if (error_) return tl::unexpected<ProvisioningError>(std::move(*error_));
  return std::move(out_);
}

void SealedWriter::line(const Fields& fields) {
  JsonWriter writer;
  writer.begin_object();
  fields(writer);
  writer.end_object();
  auto object = std::move(writer).finish();
  if (!object) {
    if (!error_) error_ = std::move(object.error());
    return;
  }
  assert(object->size() > 2 && "a line needs at least one field");
  const std::string_view rest = std::string_view(*object).substr(1);  // without its {
  out_.append(kLineStart).append(to_hex(xxh64(rest))).append(kAfterChecksum).append(rest);
  out_.push_back('\n');
}

JsonValue::Object unknown_fields(const JsonValue::Object& object,
                                 std::initializer_list<std::string_view> known) {
  JsonValue::Object unknown;
  for (const JsonMember& member : object) {
    if (std::find(known.begin(), known.end(), member.key) == known.end()) unknown.push_back(member);
  }
  return unknown;
}

void write_fields(const JsonValue::Object& fields, JsonWriter& writer) {
  for (const JsonMember& member : fields) writer.key(member.key).value(member.value);
}

}  // namespace rollcall
