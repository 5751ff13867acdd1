// TreeBuilder: what the JSON and the YAML reader share. Takes begin/key/scalar/end calls in
// document order, keeps the bounds (depth, number of values), refuses repeated keys, and gives the
// JsonValue.
//
// Private to core/codec. For one thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/codec/json_value.h"

namespace rollcall::codec {

class TreeBuilder {
 public:
  explicit TreeBuilder(const ReadLimits& read_limits) : limits_(read_limits) {}

  // All return false once something is wrong; `error()` says what, and nothing more may be called.
  bool begin(bool object, SourcePosition position);
  bool key(std::string name, SourcePosition position);
  bool scalar(JsonValue value);  // its position is set
  bool end();

  // Whether the innermost open container is an object whose next call must be key().
  bool wants_key() const { return !open_.empty() && open_.back().object && !open_.back().has_key; }
  bool complete() const { return complete_; }
  bool failed() const { return error_.has_value(); }
  bool fail(SourcePosition position, std::string expected, std::string found);
  ProvisioningError take_error() { return std::move(*error_); }
  JsonValue take() { return std::move(root_); }

 private:
  struct Open {
    bool object = false;
    bool has_key = false;
    SourcePosition position;
    JsonValue::Array items;
    JsonValue::Object members;
  };
  bool add(JsonValue value);
  bool count(SourcePosition position);
  bool check_keys_unique(JsonValue::Object& members);
  bool repeated(const JsonMember& first, const JsonMember& second);
  std::string path_of(const std::string& key) const;  // below what is open

  ReadLimits limits_;
  std::vector<Open> open_;
  std::size_t values_ = 0;
  JsonValue root_;
  bool complete_ = false;
  std::optional<ProvisioningError> error_;
};

// Line and column of a byte offset, counting from a known place.
class PositionTracker {
 public:
  explicit PositionTracker(std::string_view text) : text_(text) {}
  SourcePosition at(std::size_t offset);  // offsets must not decrease

 private:
  std::string_view text_;
  std::size_t offset_ = 0;
  std::size_t line_start_ = 0;
  std::uint32_t line_ = 1;
};

}  // namespace rollcall::codec
