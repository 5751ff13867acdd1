// JsonValue: what a small JSON or YAML document (configuration, descriptor, member file, state
// file) is read into. A tree of plain values in which every value knows its line and column,
// numbers are exact, and objects keep their order. Large backend answers go through large_json.h
// instead.
//
// Threads: a value; const access from several threads at once is safe. Depth is bounded by the
// readers, so destroying one recurses no deeper than ReadLimits::max_depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/limits.h"

namespace rollcall {

struct SourcePosition {
  std::uint32_t line = 0;    // from 1; 0: not from a document
  std::uint32_t column = 0;  // from 1; in bytes (JSON) or characters (YAML)
};

// A key that an object holds twice.
struct RepeatedKey {
  std::string path;  // "failover.timeout"
  SourcePosition position;
  SourcePosition first;
};

// What a reader accepts, and which code its refusals carry: INVALID_CONFIG for what an operator
// wrote, STORE_CORRUPTED for state files, MALFORMED_RESPONSE for backends. A document above
// max_bytes is LIMIT_EXCEEDED, whatever `code` says.
struct ReadLimits {
  std::size_t max_bytes = limits::kMaxConfigBytes;
  int max_depth = limits::kMaxDepth;  // a scalar has depth 0, [] and {} have 1
  std::size_t max_values = limits::kMaxDocumentValues;
  ErrorCode code = ErrorCode::InvalidConfig;
  // A repeated key ends the reading with an error, unless this is set: then the repetitions are
  // noted there, the first value stands, and reading goes on, so that all problems can be told.
  std::vector<RepeatedKey>* repeated = nullptr;
};

struct JsonMember;

class JsonValue {
 public:
  using Array = std::vector<JsonValue>;
  using Object = std::vector<JsonMember>;  // in the document's order; keys are unique

  enum class Kind : std::uint8_t {
    Null,
    Bool,
    Integer,   // fits std::int64_t
    Unsigned,  // above INT64_MAX, fits std::uint64_t
    Double,    // written with a fraction or an exponent; finite
    String,    // valid UTF-8; may hold U+0000
    Array,
    Object,
  };

  JsonValue();  // null
  explicit JsonValue(bool value, SourcePosition position = {});
  explicit JsonValue(std::int64_t value, SourcePosition position = {});
  explicit JsonValue(std::uint64_t value, SourcePosition position = {});
  explicit JsonValue(double value, SourcePosition position = {});
  explicit JsonValue(std::string value, SourcePosition position = {});
  explicit JsonValue(const char*) = delete;  // would become a bool
  explicit JsonValue(Array value, SourcePosition position = {});
  explicit JsonValue(Object value, SourcePosition position = {});
  JsonValue(const JsonValue&);
  JsonValue(JsonValue&&) noexcept;
  JsonValue& operator=(const JsonValue&);
  JsonValue& operator=(JsonValue&&) noexcept;
  ~JsonValue();

  Kind kind() const;
  SourcePosition position() const { return position_; }
  void set_position(SourcePosition position) { position_ = position; }
  bool is_null() const { return kind() == Kind::Null; }
  // False for a number that was not written the way we would write it (007, 1.10, 0x1f, 1e3): taken
  // as text it would silently become another text.
  bool has_exact_text() const { return exact_text_; }
  void set_exact_text(bool exact) { exact_text_ = exact; }

  // Null (or nullopt) when the value is of another kind. No conversions but between the two integer
  // kinds: 1.0 isn't an integer and "1" isn't a number.
  const bool* as_bool() const;
  std::optional<std::int64_t> as_i64() const;
  std::optional<std::uint64_t> as_u64() const;
  std::optional<double> as_double() const;  // any number; integers above 2^53 lose digits
  const std::string* as_string() const;
  const Array* as_array() const;
  const Object* as_object() const;

  const JsonValue* find(std::string_view key) const;  // null: absent, or not an object

  // Short text for Problem::value: scalars as they are, `an object of 3`, `a list of 2`.
  std::string describe() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
               Object>
      data_;
  SourcePosition position_;
  bool exact_text_ = true;
};

// "a string", "an integer", "an object" …
std::string_view to_string(JsonValue::Kind kind);

struct JsonMember {
  std::string key;
  SourcePosition key_position;
  JsonValue value;
};

}  // namespace rollcall
