#include "core/codec/json_value.h"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "core/codec/object_reader.h"
#include "core/text.h"

namespace rollcall {
namespace {

std::optional<std::string> plain_text(const JsonValue& value) {
  switch (value.kind()) {
    case JsonValue::Kind::Bool:
      return *value.as_bool() ? "true" : "false";
    case JsonValue::Kind::Integer:
      return std::to_string(*value.as_i64());
    case JsonValue::Kind::Unsigned:
      return std::to_string(*value.as_u64());
    case JsonValue::Kind::Double: {
      std::array<char, 32> text{};
      const auto end = std::to_chars(text.data(), text.data() + text.size(), *value.as_double());
      return std::string(text.data(), end.ptr);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

JsonValue::JsonValue() = default;
JsonValue::JsonValue(bool value, SourcePosition position) : data_(value), position_(position) {}
JsonValue::JsonValue(std::int64_t value, SourcePosition position)
    : data_(value), position_(position) {}
JsonValue::JsonValue(std::uint64_t value, SourcePosition position) : position_(position) {
  // One representation a number: Unsigned only where Integer does not reach.
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    data_ = static_cast<std::int64_t>(value);
  } else {
    data_ = value;
  }
}
JsonValue::JsonValue(double value, SourcePosition position) : data_(value), position_(position) {}
JsonValue::JsonValue(std::string value, SourcePosition position)
    : data_(std::move(value)), position_(position) {}
JsonValue::JsonValue(Array value, SourcePosition position)
    : data_(std::move(value)), position_(position) {}
JsonValue::JsonValue(Object value, SourcePosition position)
    : data_(std::move(value)), position_(position) {}
JsonValue::JsonValue(const JsonValue&) = default;
JsonValue::JsonValue(JsonValue&&) noexcept = default;
JsonValue& JsonValue::operator=(const JsonValue&) = default;
JsonValue& JsonValue::operator=(JsonValue&&) noexcept = default;
JsonValue::~JsonValue() = default;

JsonValue::Kind JsonValue::kind() const { return static_cast<Kind>(data_.index()); }

const bool* JsonValue::as_bool() const { return std::get_if<bool>(&data_); }

std::optional<std::int64_t> JsonValue::as_i64() const {
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return *value;
  return std::nullopt;
}

std::optional<std::uint64_t> JsonValue::as_u64() const {
  if (const auto* value = std::get_if<std::uint64_t>(&data_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&data_); value != nullptr && *value >= 0) {
    return static_cast<std::uint64_t>(*value);
  }
  return std::nullopt;
}

std::optional<double> JsonValue::as_double() const {
  if (const auto* value = std::get_if<double>(&data_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&data_)) return static_cast<double>(*value);
  return std::nullopt;
}

const std::string* JsonValue::as_string() const { return std::get_if<std::string>(&data_); }

const JsonValue::Array* JsonValue::as_array() const { return std::get_if<Array>(&data_); }

const JsonValue::Object* JsonValue::as_object() const { return std::get_if<Object>(&data_); }

const JsonValue* JsonValue::find(std::string_view key) const {
  const Object* object = as_object();
  if (object == nullptr) return nullptr;
  for (const JsonMember& member : *object) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::string JsonValue::describe() const {
  switch (kind()) {
    case Kind::Null:
      return "null";
    case Kind::Array:
      return "a list of " + std::to_string(as_array()->size());
    case Kind::Object:
      return "an object of " + std::to_string(as_object()->size());
    case Kind::String:
      return as_string()->empty() ? "\"\"" : printable(*as_string(), limits::kMaxProblemValueBytes);
    default:
      return plain_text(*this).value_or("");
  }
}

std::string_view to_string(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::Null:
      return "null";
    case JsonValue::Kind::Bool:
      return "true or false";
    case JsonValue::Kind::Integer:
    case JsonValue::Kind::Unsigned:
      return "an integer";
    case JsonValue::Kind::Double:
      return "a number";
    case JsonValue::Kind::String:
      return "a string";
    case JsonValue::Kind::Array:
      return "a list";
    case JsonValue::Kind::Object:
      return "an object";
  }
  return "a value";
}

std::optional<std::string> scalar_text(const JsonValue& value) {
  if (const std::string* text = value.as_string()) return *text;
  if (!value.has_exact_text()) return std::nullopt;
  return plain_text(value);
}

}  // namespace rollcall
