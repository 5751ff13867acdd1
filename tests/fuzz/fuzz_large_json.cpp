// simdjson behind LargeJson and the strict reader agree on what is JSON and on what it says. Where
// they may differ is written down here: duplicate keys (only asked fields are checked in large
// answers), the byte order mark, the number of values.
#include "core/codec/json_reader.h"
#include "core/codec/large_json.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

using namespace rollcall;

void require_same(const JsonView& large, const JsonValue& small);

void require_same_object(const JsonView& large, const JsonValue::Object& small) {
  LargeObject fields;
  fuzz::require(large.object(fields), "both are objects");
  fuzz::require(large.keys_are_unique(), "the strict reader refuses repeated keys");
  std::size_t i = 0;
  std::string_view key;
  for (JsonView value; fields.next(key, value); ++i) {
    fuzz::require(i < small.size() && key == small[i].key, "the same keys");
    require_same(value, small[i].value);
  }
  fuzz::require(i == small.size(), "as many keys");
}

void require_same(const JsonView& large, const JsonValue& small) {
  switch (small.kind()) {
    case JsonValue::Kind::Null:
      fuzz::require(large.kind() == LargeKind::Null, "both null");
      return;
    case JsonValue::Kind::Bool:
      fuzz::require(large.boolean() == *small.as_bool(), "the same bool");
      return;
    case JsonValue::Kind::Integer:
      fuzz::require(large.i64() == small.as_i64(), "the same integer");
      return;
    case JsonValue::Kind::Unsigned:
      fuzz::require(large.u64() == small.as_u64(), "the same unsigned integer");
      return;
    case JsonValue::Kind::Double:
      fuzz::require(large.number() == small.as_double(), "the same double");
      return;
    case JsonValue::Kind::String:
      fuzz::require(large.string() == *small.as_string(), "the same string");
      return;
    case JsonValue::Kind::Object:
      return require_same_object(large, *small.as_object());
    case JsonValue::Kind::Array:
      break;
  }
  LargeArray items;
  fuzz::require(large.array(items), "both are lists");
  std::size_t i = 0;
  for (JsonView item; items.next(item); ++i) {
    fuzz::require(i < small.as_array()->size(), "as many items");
    require_same(item, (*small.as_array())[i]);
  }
  fuzz::require(i == small.as_array()->size(), "as many items");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  const auto large = LargeJson::parse(text);
  const auto small = parse_json(text);
  if (!large) fuzz::require_structured(large.error());
  if (large && small) require_same(large->root(), *small);
  const bool has_mark = text.substr(0, 3) == "\xEF\xBB\xBF";
  if (!large && small) fuzz::require(has_mark, "simdjson reads what the strict reader reads");
  if (large && !small) {
    const std::string& message = small.error().message;
    fuzz::require(message.find("each key once") != std::string::npos, "only for a repeated key");
  }
  return 0;
}
