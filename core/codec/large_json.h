// Large backend answers (100,000 Consul entries are 56 MB), read fast and strictly: simdjson checks
// the whole document (grammar, UTF-8, depth, size) before anything is looked at, and the views
// below walk it without copying. Nothing throws; a wrong type is an empty optional, never a
// conversion.
//
//   auto document = LargeJson::parse(body);             // MALFORMED_RESPONSE, LIMIT_EXCEEDED
//   LargeArray list; if (!document->root().array(list)) …
//   for (JsonView item; list.next(item);) {
//     std::array<JsonField, 2> fields{{{"Node"}, {"Service"}}};
//     if (auto error = item.pick(fields)) …             // not an object, or a key twice
//     if (auto name = fields[0].value.get("Node").string()) …
//   }
//
// Threads: for one thread. Views and the string_views they give are valid as long as the LargeJson.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/limits.h"

namespace rollcall {

class LargeArray;
class LargeObject;
struct JsonField;

enum class LargeKind : std::uint8_t { Absent, Null, Bool, Integer, Double, String, Array, Object };

// A value in a LargeJson, or nothing at all (kind Absent), so that lookups can be chained:
// view.get("Node").get("Meta").string() is nullopt if any of it is missing.
class JsonView {
 public:
  JsonView() = default;
  LargeKind kind() const;
  bool present() const { return present_; }

  std::optional<std::string_view> string() const;
  std::optional<bool> boolean() const;
  std::optional<std::int64_t> i64() const;  // integers only; 1.0 isn't one
  std::optional<std::uint64_t> u64() const;
  std::optional<double> number() const;  // any number

  bool array(LargeArray& out) const;    // false: not an array
  bool object(LargeObject& out) const;  // false: not an object

  // The first field of that name; Absent if there is none or this is no object. O(fields). Where a
  // second one of the same name must not go unnoticed, use pick().
  JsonView get(std::string_view key) const;

  // Looks for several fields in one pass. An error text when this is no object or one of the asked
  // fields is there twice; nullptr if all is well. Fields that are missing stay Absent.
  const char* pick(std::span<JsonField> fields) const;

  // Whether all keys of this object (not of the objects inside) differ. O(n log n).
  bool keys_are_unique() const;

 private:
  friend class LargeJson;
  friend class LargeArray;
  friend class LargeObject;
  friend struct LargeJsonAccess;
  alignas(8) std::array<std::byte, 16> element_{};  // a simdjson::dom::element
  bool present_ = false;
};

struct JsonField {
  std::string_view key;
  JsonView value{};
};

class LargeArray {
 public:
  bool next(JsonView& out);  // false: the end

 private:
  friend class JsonView;
  alignas(8) std::array<std::byte, 16> at_{};
  alignas(8) std::array<std::byte, 16> end_{};
};

class LargeObject {
 public:
  bool next(std::string_view& key, JsonView& value);  // false: the end

 private:
  friend class JsonView;
  alignas(8) std::array<std::byte, 16> at_{};
  alignas(8) std::array<std::byte, 16> end_{};
};

struct LargeJsonLimits {
  std::size_t max_bytes = limits::kMaxBackendAnswerBytes;
  int max_depth = limits::kMaxDepth;
};

class LargeJson {
 public:
  // `text` isn't kept. Without a copy if its capacity exceeds its size by kPadding; else one copy.
  static constexpr std::size_t kPadding = 64;
  static Result<LargeJson> parse(const std::string& text, const LargeJsonLimits& limits = {});

  LargeJson(LargeJson&&) noexcept;
  LargeJson& operator=(LargeJson&&) noexcept;
  ~LargeJson();

  JsonView root() const;

 private:
  struct Parser;
  explicit LargeJson(std::unique_ptr<Parser> parser);
  std::unique_ptr<Parser> parser_;
};

}  // namespace rollcall
