#include "core/codec/large_json.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace rollcall {

namespace dom = simdjson::dom;

// The views hold simdjson's own handles as bytes, so that its 36,000-line header stays in this
// file.
using ElementBytes = std::array<std::byte, 16>;
static_assert(sizeof(dom::element) == sizeof(ElementBytes));
static_assert(sizeof(dom::array::iterator) == sizeof(ElementBytes));
static_assert(sizeof(dom::object::iterator) == sizeof(ElementBytes));
static_assert(std::is_trivially_copyable_v<dom::element>);
static_assert(std::is_trivially_copyable_v<dom::array::iterator>);
static_assert(std::is_trivially_copyable_v<dom::object::iterator>);
static_assert(LargeJson::kPadding >= simdjson::SIMDJSON_PADDING);

struct LargeJson::Parser {
  dom::parser parser;
  dom::element root;
};

namespace {

constexpr std::size_t kFewKeys = 16;

ErrorCode code_of(simdjson::error_code error) {
  return error == simdjson::CAPACITY || error == simdjson::MEMALLOC ? ErrorCode::LimitExceeded
                                                                    : ErrorCode::MalformedResponse;
}

}  // namespace

struct LargeJsonAccess {
  static dom::element element(const JsonView& view) {
    return std::bit_cast<dom::element>(view.element_);
  }
  static JsonView view(const dom::element& element) {
    JsonView view;
    view.element_ = std::bit_cast<ElementBytes>(element);
    view.present_ = true;
    return view;
  }
};

namespace {

// The value as a T if it is one; simdjson converts nothing but numbers, see the callers.
template <class T>
std::optional<T> get_as(const JsonView& view) {
  if (!view.present()) return std::nullopt;
  T value;
  if (LargeJsonAccess::element(view).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

}  // namespace

LargeKind JsonView::kind() const {
  if (!present_) return LargeKind::Absent;
  switch (LargeJsonAccess::element(*this).type()) {
    case dom::element_type::ARRAY:
      return LargeKind::Array;
    case dom::element_type::OBJECT:
      return LargeKind::Object;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      return LargeKind::Integer;
    case dom::element_type::DOUBLE:
      return LargeKind::Double;
    case dom::element_type::STRING:
      return LargeKind::String;
    case dom::element_type::BOOL:
      return LargeKind::Bool;
    case dom::element_type::NULL_VALUE:
      return LargeKind::Null;
  }
  return LargeKind::Absent;
}

std::optional<std::string_view> JsonView::string() const { return get_as<std::string_view>(*this); }

std::optional<bool> JsonView::boolean() const { return get_as<bool>(*this); }

std::optional<std::int64_t> JsonView::i64() const { return get_as<std::int64_t>(*this); }

std::optional<std::uint64_t> JsonView::u64() const { return get_as<std::uint64_t>(*this); }

std::optional<double> JsonView::number() const { return get_as<double>(*this); }

bool JsonView::array(LargeArray& out) const {
  const auto list = get_as<dom::array>(*this);
  if (!list) return false;
  out.at_ = std::bit_cast<ElementBytes>(list->begin());
  out.end_ = std::bit_cast<ElementBytes>(list->end());
  return true;
}

bool JsonView::object(LargeObject& out) const {
  const auto fields = get_as<dom::object>(*this);
  if (!fields) return false;
  out.at_ = std::bit_cast<ElementBytes>(fields->begin());
  out.end_ = std::bit_cast<ElementBytes>(fields->end());
  return true;
}

bool LargeArray::next(JsonView& out) {
  auto at = std::bit_cast<dom::array::iterator>(at_);
  if (!(at != std::bit_cast<dom::array::iterator>(end_))) return false;
  out = LargeJsonAccess::view(*at);
  ++at;
  at_ = std::bit_cast<ElementBytes>(at);
  return true;
}

bool LargeObject::next(std::string_view& key, JsonView& value) {
  auto at = std::bit_cast<dom::object::iterator>(at_);
  if (!(at != std::bit_cast<dom::object::iterator>(end_))) return false;
  key = at.key();
  value = LargeJsonAccess::view(at.value());
  ++at;
  at_ = std::bit_cast<ElementBytes>(at);
  return true;
}

JsonView JsonView::get(std::string_view key) const {
  LargeObject fields;
  if (!object(fields)) return {};
  std::string_view name;
  for (JsonView value; fields.next(name, value);) {
    if (name == key) return value;
  }
  return {};
}

const char* JsonView::pick(std::span<JsonField> fields) const {
  for (JsonField& field : fields) field.value = JsonView();
  LargeObject object_fields;
  if (!object(object_fields)) return "not an object";
  std::string_view name;
  for (JsonView value; object_fields.next(name, value);) {
    for (JsonField& field : fields) {
      if (field.key != name) continue;
      if (field.value.present()) return "a key twice";
      field.value = value;
      break;
    }
  }
  return nullptr;
}

bool JsonView::keys_are_unique() const {
  LargeObject fields;
  if (!object(fields)) return true;
  std::vector<std::string_view> names;
  std::string_view name;
  for (JsonView value; fields.next(name, value);) {
    if (names.size() < kFewKeys && std::find(names.begin(), names.end(), name) != names.end()) {
      return false;
    }
    names.push_back(name);
  }
  if (names.size() <= kFewKeys) return true;
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

LargeJson::LargeJson(std::unique_ptr<Parser> parser) : parser_(std::move(parser)) {}
LargeJson::LargeJson(LargeJson&&) noexcept = default;
LargeJson& LargeJson::operator=(LargeJson&&) noexcept = default;
LargeJson::~LargeJson() = default;

Result<LargeJson> LargeJson::parse(const std::string& text, const LargeJsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorCode::LimitExceeded, "answer of " + std::to_string(text.size()) +
                                              " bytes: at most " +
                                              std::to_string(limits.max_bytes) + " are read");
  }
  auto parser = std::make_unique<Parser>();
  const auto depth = static_cast<std::size_t>(std::max(limits.max_depth, 1));
  constexpr std::size_t kSmallest = 32;
  if (const auto error = parser->parser.allocate(std::max(text.size(), kSmallest), depth)) {
    return fail(code_of(error), std::string("JSON answer: ") + simdjson::error_message(error));
  }
  if (const auto error = parser->parser.parse(text).get(parser->root)) {
    return fail(code_of(error), std::string("JSON answer: ") + simdjson::error_message(error));
  }
  return LargeJson(std::move(parser));
}

JsonView LargeJson::root() const { return LargeJsonAccess::view(parser_->root); }

}  // namespace rollcall
