#include "core/codec/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "core/text.h"

namespace rollcall {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "JsonWriter: %s\n", what);
  std::abort();
}

// `text` is UTF-8.
void append_escaped(std::string_view text, std::string& out) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (is_control_at(text, at)) {
          if (static_cast<std::uint8_t>(c) == 0xc2) ++at;  // C1, of two bytes: U+0080 to U+009F
          const auto code = static_cast<std::uint8_t>(text[at]);
          out += "\\u00";
          out += kHex[code >> 4];
          out += kHex[code & 0xf];
        } else {
          out += c;
        }
    }
  }
}

}  // namespace

void JsonWriter::new_line() {
  if (indent_ == 0) return;
  out_ += '\n';
  out_.append(levels_.size() * static_cast<std::size_t>(indent_), ' ');
}

void JsonWriter::before_value() {
  require(!complete_, "a second document");
  if (levels_.empty()) {
    complete_ = true;  // a scalar is the whole document; begin() takes it back
    return;
  }
  Level& level = levels_.back();
  if (level.object) {
    require(level.key_written, "a value without a key");
    level.key_written = false;
    return;
  }
  if (!level.first) out_ += ',';
  level.first = false;
  new_line();
}

void JsonWriter::quoted(std::string_view text) {
  if (!is_valid_utf8(text) && bad_.empty()) bad_ = printable(text, limits::kMaxProblemValueBytes);
  out_ += '"';
  append_escaped(text, out_);
  out_ += '"';
}

JsonWriter& JsonWriter::begin(bool object) {
  before_value();
  complete_ = false;
  levels_.push_back({object, true, false});
  out_ += object ? '{' : '[';
  return *this;
}

JsonWriter& JsonWriter::end(bool object) {
  require(!levels_.empty() && levels_.back().object == object && !levels_.back().key_written,
          "an end that nothing began");
  const bool empty = levels_.back().first;
  levels_.pop_back();
  if (!empty) new_line();
  out_ += object ? '}' : ']';
  if (levels_.empty()) complete_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_object() { return begin(true); }
JsonWriter& JsonWriter::end_object() { return end(true); }
JsonWriter& JsonWriter::begin_array() { return begin(false); }
JsonWriter& JsonWriter::end_array() { return end(false); }

JsonWriter& JsonWriter::key(std::string_view name) {
  require(!levels_.empty() && levels_.back().object && !levels_.back().key_written,
          "a key where none is due");
  if (!levels_.back().first) out_ += ',';
  levels_.back().first = false;
  new_line();
  quoted(name);
  out_ += indent_ == 0 ? ":" : ": ";
  levels_.back().key_written = true;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view value) {
  before_value();
  quoted(value);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  before_value();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  before_value();
  out_ += std::to_string(value);
  return *this;
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t value) {
  before_value();
  out_ += std::to_string(value);
  return *this;
}

JsonWriter& JsonWriter::u64_text(std::uint64_t value) {
  before_value();
  out_ += '"';
  out_ += std::to_string(value);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  before_value();
  if (!std::isfinite(value)) {
    if (bad_.empty()) bad_ = "a number that is not finite";
    out_ += "null";
    return *this;
  }
  std::array<char, 32> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
  const std::string_view digits(text.data(), static_cast<std::size_t>(written.ptr - text.data()));
  out_ += digits;
  // Stays a number with a fraction when it is read again.
  if (digits.find_first_of(".e") == std::string_view::npos) out_ += ".0";
  return *this;
}

JsonWriter& JsonWriter::value(const JsonValue& value) {
  switch (value.kind()) {
    case JsonValue::Kind::Null:
      return null();
    case JsonValue::Kind::Bool:
      return boolean(*value.as_bool());
    case JsonValue::Kind::Integer:
      return integer(*value.as_i64());
    case JsonValue::Kind::Unsigned:
      return unsigned_integer(*value.as_u64());
    case JsonValue::Kind::Double:
      return number(*value.as_double());
    case JsonValue::Kind::String:
      return string(*value.as_string());
    case JsonValue::Kind::Array:
      begin_array();
      for (const JsonValue& item : *value.as_array()) this->value(item);
      return end_array();
    case JsonValue::Kind::Object:
      begin_object();
      for (const JsonMember& member : *value.as_object()) key(member.key).value(member.value);
      return end_object();
  }
  return *this;
}

JsonWriter& JsonWriter::field(std::string_view name,
                              const std::map<std::string, std::string>& texts) {
  key(name).begin_object();
  for (const auto& [text_name, text] : texts) key(text_name).string(text);
  return end_object();
}

Result<std::string> JsonWriter::finish() && {
  require(complete_ && levels_.empty(), "an unfinished document");
  if (!bad_.empty()) {
    return fail(ErrorCode::InvalidConfig, "cannot be written as JSON",
                {{"", bad_, "valid UTF-8 and finite numbers"}});
  }
  return std::move(out_);
}

std::string json_quoted_lossy(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t good = first_invalid_utf8(text);
    append_escaped(text.substr(0, good), out);
    text.remove_prefix(good);
    if (text.empty()) break;
    const auto byte = static_cast<std::uint8_t>(text[0]);
    out += "\\\\x";
    out += kHex[byte >> 4];
    out += kHex[byte & 0xf];
    text.remove_prefix(1);
  }
  return out + '"';
}

}  // namespace rollcall
