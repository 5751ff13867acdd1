// JsonWriter: appends strict JSON to a string, without a tree in between. Keys and strings must be
// UTF-8; anything else makes the result an error instead of silently replaced characters.
//
//   JsonWriter w;
//   w.begin_object().field("id", node.id.str()).field_u64_text("hash", hash).end_object();
//   Result<std::string> text = std::move(w).finish();
//
// Threads: for one thread. Misuse (a value where a key is due, unbalanced ends) aborts: it is a
// broken invariant of the program, not input.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/codec/json_value.h"
#include "core/error.h"

namespace rollcall {

class JsonWriter {
 public:
  // indent 0: everything on one line; else that many spaces a level.
  explicit JsonWriter(int indent = 0) : indent_(indent) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& integer(std::int64_t value);
  JsonWriter& unsigned_integer(std::uint64_t value);
  JsonWriter& u64_text(std::uint64_t value);  // as a string: 64-bit numbers outgrow a double
  JsonWriter& number(double value);           // not finite: an error
  JsonWriter& value(const JsonValue& value);  // the whole tree

  JsonWriter& field(std::string_view name, std::string_view text) { return key(name).string(text); }
  JsonWriter& field(std::string_view name, const char* text) { return key(name).string(text); }
  template <std::same_as<bool> T>
  JsonWriter& field(std::string_view name, T value) {
    return key(name).boolean(value);
  }
  template <std::signed_integral T>
  JsonWriter& field(std::string_view name, T value) {
    return key(name).integer(value);
  }
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) JsonWriter& field(std::string_view name, T value) {
    return key(name).unsigned_integer(value);
  }
  JsonWriter& field_number(std::string_view name, double value) { return key(name).number(value); }
  JsonWriter& field_u64_text(std::string_view name, std::uint64_t value) {
    return key(name).u64_text(value);
  }
  JsonWriter& field(std::string_view name, const std::map<std::string, std::string>& texts);

  // INVALID_CONFIG if a text was not UTF-8 or a number not finite; else the document, complete.
  Result<std::string> finish() &&;

 private:
  struct Level {
    bool object;
    bool first;
    bool key_written;
  };
  void before_value();
  void new_line();
  void quoted(std::string_view text);
  JsonWriter& begin(bool object);
  JsonWriter& end(bool object);

  int indent_;
  std::string out_;
  std::vector<Level> levels_;
  bool complete_ = false;
  std::string bad_;  // the first text that could not be written
};

// `text` as a JSON string with its quotes; bytes that aren't UTF-8 become the characters \xNN (four
// characters, with the backslash escaped), which is for log lines, where losing a line is worse.
std::string json_quoted_lossy(std::string_view text);

}  // namespace rollcall
