// ObjectReader: takes an object of a JsonValue apart, declaratively, and collects *all* problems at
// once, each with its path, the value found and what was expected (R1.1, SPEC 8, 9).
//
//   ProblemList problems;
//   ObjectReader reader(value, "providers[2]", problems);
//   reader.required("id", id).optional("priority", priority).optional("port", port, {1, 65535});
//   reader.child("auth", [&](ObjectReader& auth) { auth.optional("token_file", file); });
//   reader.finish();                       // unknown keys are problems
//   if (!problems.empty()) return problems.fail(ErrorCode::InvalidConfig, "descriptor refused");
//
// An output is written only when its field is present and right. `null` counts as absent.
// Threads: for one thread. Keys are kept as views until finish(): string literals, usually.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/codec/json_value.h"
#include "core/error.h"

namespace rollcall {

// Problems of one document. Keeps the first limits::kMaxProblems and counts the rest, so that a
// hostile document of a million mistakes costs little.
class ProblemList {
 public:
  // `position`, if known, is appended to `expected` as "(line 7)".
  void add(std::string field, std::string_view value, std::string expected,
           SourcePosition position = {});
  void add_all(std::vector<Problem> problems, SourcePosition position = {});

  bool empty() const { return total_ == 0; }
  std::uint32_t total() const { return total_; }
  const std::vector<Problem>& kept() const { return kept_; }
  // Must not be empty.
  tl::unexpected<ProvisioningError> fail(ErrorCode code, std::string message) const;

 private:
  std::vector<Problem> kept_;
  std::uint32_t total_ = 0;
};

struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
};

class ObjectReader {
 public:
  // `path` is the value's own: "" at the top, "providers[2]". `hidden`: no value in it is shown.
  ObjectReader(const JsonValue& value, std::string path, ProblemList& problems,
               bool hidden = false);
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  // False: it isn't an object (a problem was added); every other call then does nothing.
  bool is_object() const { return object_ != nullptr; }
  const std::string& path() const { return path_; }
  ProblemList& problems() { return problems_; }
  std::string path_of(std::string_view key) const;

  // The field's value, and the key counts as known. Null: absent or null.
  const JsonValue* take(std::string_view key);
  // As take(), a problem when absent.
  const JsonValue* take_required(std::string_view key);

  ObjectReader& required(std::string_view key, std::string& out);  // must not be empty
  ObjectReader& optional(std::string_view key, std::string& out);  // may be ""
  ObjectReader& required(std::string_view key, bool& out);
  ObjectReader& optional(std::string_view key, bool& out);
  ObjectReader& optional(std::string_view key, double& out);
  ObjectReader& optional(std::string_view key, std::vector<std::string>& out);
  // Scalars of any kind as text: 10, true and "x" become "10", "true" and "x".
  ObjectReader& scalars(std::string_view key, std::map<std::string, std::string>& out);
  // As scalars(), for strings only.
  ObjectReader& strings(std::string_view key, std::map<std::string, std::string>& out);

  // Integers are never narrowed: what doesn't fit T (or the range) is a problem.
  template <std::integral T>
  requires(!std::same_as<T, bool>) ObjectReader& required(std::string_view key, T& out,
                                                          IntegerRange range = {}) {
    assign(take_required(key), key, out, range);
    return *this;
  }
  template <std::integral T>
  requires(!std::same_as<T, bool>) ObjectReader& optional(std::string_view key, T& out,
                                                          IntegerRange range = {}) {
    assign(take(key), key, out, range);
    return *this;
  }
  // 64-bit numbers are strings in our JSON (they outgrow a double): "18446744073709551615". A
  // number is accepted too.
  ObjectReader& required_u64_text(std::string_view key, std::uint64_t& out);
  ObjectReader& optional_u64_text(std::string_view key, std::uint64_t& out);

  // A string that `parse` turns into an optional<T>; `expected` says what the choices are.
  template <class T, class Parse>
  ObjectReader& optional_enum(std::string_view key, T& out, Parse parse,
                              std::string_view expected) {
    const JsonValue* value = take(key);
    if (value == nullptr) return *this;
    const std::string* text = value->as_string();
    auto parsed = text != nullptr ? parse(std::string_view(*text)) : decltype(parse("")){};
    if (parsed) {
      out = *parsed;
    } else {
      add_problem(key, *value, expected);
    }
    return *this;
  }

  // Calls `fn` with a reader of the object there, and finishes it (its unknown keys are problems).
  ObjectReader& child(std::string_view key, const std::function<void(ObjectReader&)>& fn);
  // The same of an object that refers to secrets: one may stand where its reference belongs.
  ObjectReader& secrets_child(std::string_view key, const std::function<void(ObjectReader&)>& fn);
  ObjectReader& required_child(std::string_view key, const std::function<void(ObjectReader&)>& fn);
  // For each object of the list there: `fn(reader, index)`.
  ObjectReader& children(std::string_view key,
                         const std::function<void(ObjectReader&, std::size_t)>& fn);

  // A key that may be there and is none of our business.
  ObjectReader& ignore(std::string_view key);
  // A key that must not be there, with the reason; its value is never shown (it may be a secret).
  ObjectReader& forbid(std::string_view key, std::string_view expected);
  // Keys that nobody asked for are problems; the known ones are named. Their values aren't shown.
  void finish();
  // The same keys, for formats that keep unknown fields (state files, SPEC 7).
  std::vector<const JsonMember*> unknown() const;

  void add_problem(std::string_view key, const JsonValue& value, std::string_view expected);

 private:
  template <std::integral T>
  void assign(const JsonValue* value, std::string_view key, T& out, IntegerRange range) {
    if (value == nullptr) return;
    if constexpr (std::numeric_limits<T>::is_signed) {
      range.min = std::max<std::int64_t>(range.min, std::numeric_limits<T>::min());
    } else {
      range.min = std::max<std::int64_t>(range.min, 0);
    }
    range.max = std::min<std::uint64_t>(range.max,
                                        static_cast<std::uint64_t>(std::numeric_limits<T>::max()));
    if (integer_in_range(*value, key, range)) {
      const auto small = value->as_i64();
      out = small ? static_cast<T>(*small) : static_cast<T>(*value->as_u64());
    }
  }
  bool integer_in_range(const JsonValue& value, std::string_view key, const IntegerRange& range);
  ObjectReader& text_map(std::string_view key, std::map<std::string, std::string>& out,
                         bool strings_only);
  void assign_u64_text(const JsonValue* value, std::string_view key, std::uint64_t& out);
  void mark_known(std::string_view key);
  ObjectReader& child(std::string_view key, bool hidden,
                      const std::function<void(ObjectReader&)>& fn);
  std::string shown(const JsonValue& value) const;

  const JsonValue::Object* object_ = nullptr;
  SourcePosition position_;  // of the object: where a field that is missing is missing
  std::string path_;
  ProblemList& problems_;
  const bool hidden_;
  std::vector<std::string_view> known_;      // in the order they were asked for
  std::vector<std::string_view> forbidden_;  // reported by forbid(), not once more by finish()
};

// A scalar as text; nullopt for null, lists, objects, and for numbers that were written in another
// way than we would write them (JsonValue::has_exact_text).
std::optional<std::string> scalar_text(const JsonValue& value);

}  // namespace rollcall
