#include "core/codec/object_reader.h"

#include <algorithm>
#include <charconv>

#include "core/text.h"

namespace rollcall {
namespace {

constexpr std::size_t kMaxKeyShown = 64;
constexpr std::size_t kMaxKnownKeysShown = 16;
constexpr const char* kWantsText = "a text; a number such as 007 or 1.10 in quotes";

}  // namespace

void ProblemList::add(std::string field, std::string_view value, std::string expected,
                      SourcePosition position) {
  ++total_;
  if (kept_.size() >= limits::kMaxProblems) return;
  // Wherever it was found: in a field of the wrong type, too.
  for (auto url = value.find("://"); url != std::string_view::npos;
       url = value.find("://", url + 1)) {
    if (!holds_credentials(value.substr(url))) continue;
    value = kHiddenValue;
    break;
  }
  if (position.line != 0) expected += " (line " + std::to_string(position.line) + ")";
  kept_.push_back(
      {std::move(field), printable(value, limits::kMaxProblemValueBytes), std::move(expected)});
}

void ProblemList::add_all(std::vector<Problem> problems, SourcePosition position) {
  for (Problem& problem : problems) {
    add(std::move(problem.field), problem.value, std::move(problem.expected), position);
  }
}

tl::unexpected<ProvisioningError> ProblemList::fail(ErrorCode code, std::string message) const {
  auto error = rollcall::fail(code, std::move(message), kept_);
  ProvisioningError& full = error.value();
  if (full.total_problems != total_) {
    full.message.resize(full.message.rfind(" (and "));
    full.message += " (and " + std::to_string(total_ - 1) + " more)";
    full.total_problems = total_;
  }
  return error;
}

ObjectReader::ObjectReader(const JsonValue& value, std::string path, ProblemList& problems,
                           bool hidden)
    : object_(value.as_object()),
      position_(value.position()),
      path_(std::move(path)),
      problems_(problems),
      hidden_(hidden) {
  if (object_ == nullptr) {
    problems_.add(path_, shown(value), "an object", value.position());
  }
}

std::string ObjectReader::shown(const JsonValue& value) const {
  return hidden_ ? std::string(kHiddenValue) : value.describe();
}

std::string ObjectReader::path_of(std::string_view key) const {
  std::string path = path_;
  if (!path.empty()) path += '.';
  return path + printable(key, kMaxKeyShown);
}

void ObjectReader::mark_known(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
}

const JsonValue* ObjectReader::take(std::string_view key) {
  if (object_ == nullptr) return nullptr;
  mark_known(key);
  for (const JsonMember& member : *object_) {
    if (member.key == key) return member.value.is_null() ? nullptr : &member.value;
  }
  return nullptr;
}

const JsonValue* ObjectReader::take_required(std::string_view key) {
  const JsonValue* value = take(key);
  if (value == nullptr && object_ != nullptr) {
    problems_.add(path_of(key), "", "a value: the field is required", position_);
  }
  return value;
}

void ObjectReader::add_problem(std::string_view key, const JsonValue& value,
                               std::string_view expected) {
  problems_.add(path_of(key), shown(value), std::string(expected), value.position());
}

ObjectReader& ObjectReader::required(std::string_view key, std::string& out) {
  const JsonValue* value = take_required(key);
  if (value == nullptr) return *this;
  if (value->as_string() == nullptr || value->as_string()->empty()) {
    add_problem(key, *value, "a non-empty string");
  } else {
    out = *value->as_string();
  }
  return *this;
}

ObjectReader& ObjectReader::optional(std::string_view key, std::string& out) {
  const JsonValue* value = take(key);
  if (value == nullptr) return *this;
  if (value->as_string() == nullptr) {
    add_problem(key, *value, "a string");
  } else {
    out = *value->as_string();
  }
  return *this;
}

ObjectReader& ObjectReader::required(std::string_view key, bool& out) {
  take_required(key);
  return optional(key, out);
}

ObjectReader& ObjectReader::optional(std::string_view key, bool& out) {
  const JsonValue* value = take(key);
  if (value == nullptr) return *this;
  if (value->as_bool() == nullptr) {
    add_problem(key, *value, "true or false");
  } else {
    out = *value->as_bool();
  }
  return *this;
}

ObjectReader& ObjectReader::optional(std::string_view key, double& out) {
  const JsonValue* value = take(key);
  if (value == nullptr) return *this;
  if (const auto number = value->as_double()) {
    out = *number;
  } else {
    add_problem(key, *value, "a number");
  }
  return *this;
}

ObjectReader& ObjectReader::optional(std::string_view key, std::vector<std::string>& out) {
  const JsonValue* value = take(key);
  if (value == nullptr) return *this;
  const JsonValue::Array* list = value->as_array();
  if (list == nullptr) {
    add_problem(key, *value, "a list of strings");
    return *this;
  }
  std::vector<std::string> texts;
  texts.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    if (const std::string* text = (*list)[i].as_string()) {
      texts.push_back(*text);
    } else {
      problems_.add(path_of(key) + "[" + std::to_string(i) + "]", shown((*list)[i]), "a string",
                    (*list)[i].position());
    }
  }
  if (texts.size() == list->size()) out = std::move(texts);
  return *this;
}

ObjectReader& ObjectReader::text_map(std::string_view key, std::map<std::string, std::string>& out,
                                     bool strings_only) {
  const JsonValue* value = take(key);
  if (value == nullptr) return *this;
  const JsonValue::Object* object = value->as_object();
  if (object == nullptr) {
    add_problem(key, *value, "an object of texts");
    return *this;
  }
  std::map<std::string, std::string> texts;
  for (const JsonMember& member : *object) {
    auto text = scalar_text(member.value);
    if (strings_only && member.value.as_string() == nullptr) text.reset();
    if (text) {
      texts.emplace(member.key, std::move(*text));
    } else {
      problems_.add(path_of(key) + "." + printable(member.key, kMaxKeyShown), shown(member.value),
                    strings_only ? "a string" : kWantsText, member.value.position());
    }
  }
  if (texts.size() == object->size()) out = std::move(texts);
  return *this;
}

ObjectReader& ObjectReader::scalars(std::string_view key, std::map<std::string, std::string>& out) {
  return text_map(key, out, false);
}

ObjectReader& ObjectReader::strings(std::string_view key, std::map<std::string, std::string>& out) {
  return text_map(key, out, true);
}

bool ObjectReader::integer_in_range(const JsonValue& value, std::string_view key,
                                    const IntegerRange& range) {
  bool fits = false;
  if (const auto small = value.as_i64()) {
    fits = *small >= range.min && (*small < 0 || static_cast<std::uint64_t>(*small) <= range.max);
  } else if (const auto large = value.as_u64()) {
    fits = *large <= range.max;  // above every possible min
  }
  if (!fits) {
    add_problem(
        key, value,
        "an integer from " + std::to_string(range.min) + " to " + std::to_string(range.max));
  }
  return fits;
}

void ObjectReader::assign_u64_text(const JsonValue* value, std::string_view key,
                                   std::uint64_t& out) {
  if (value == nullptr) return;
  if (const auto number = value->as_u64()) {
    out = *number;
    return;
  }
  if (const std::string* text = value->as_string()) {
    std::uint64_t number = 0;
    const char* end = text->data() + text->size();
    const auto parsed = std::from_chars(text->data(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) {
      out = number;
      return;
    }
  }
  add_problem(key, *value, "a 64-bit number as a string");
}

ObjectReader& ObjectReader::required_u64_text(std::string_view key, std::uint64_t& out) {
  assign_u64_text(take_required(key), key, out);
  return *this;
}

ObjectReader& ObjectReader::optional_u64_text(std::string_view key, std::uint64_t& out) {
  assign_u64_text(take(key), key, out);
  return *this;
}

ObjectReader& ObjectReader::child(std::string_view key,
                                  const std::function<void(ObjectReader&)>& fn) {
  return child(key, hidden_, fn);
}

ObjectReader& ObjectReader::secrets_child(std::string_view key,
                                          const std::function<void(ObjectReader&)>& fn) {
  return child(key, true, fn);
}

ObjectReader& ObjectReader::child(std::string_view key, bool hidden,
                                  const std::function<void(ObjectReader&)>& fn) {
  const JsonValue* value = take(key);
  if (value == nullptr) return *this;
  ObjectReader reader(*value, path_of(key), problems_, hidden);
  if (reader.is_object()) {
    fn(reader);
    reader.finish();
  }
  return *this;
}

ObjectReader& ObjectReader::required_child(std::string_view key,
                                           const std::function<void(ObjectReader&)>& fn) {
  take_required(key);
  return child(key, fn);
}

ObjectReader& ObjectReader::children(std::string_view key,
                                     const std::function<void(ObjectReader&, std::size_t)>& fn) {
  const JsonValue* value = take(key);
  if (value == nullptr) return *this;
  const JsonValue::Array* list = value->as_array();
  if (list == nullptr) {
    add_problem(key, *value, "a list of objects");
    return *this;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    ObjectReader reader((*list)[i], path_of(key) + "[" + std::to_string(i) + "]", problems_,
                        hidden_);
    if (!reader.is_object()) continue;
    fn(reader, i);
    reader.finish();
  }
  return *this;
}

ObjectReader& ObjectReader::ignore(std::string_view key) {
  mark_known(key);
  return *this;
}

ObjectReader& ObjectReader::forbid(std::string_view key, std::string_view expected) {
  if (object_ == nullptr) return *this;
  for (const JsonMember& member : *object_) {
    if (member.key != key) continue;
    forbidden_.push_back(key);
    problems_.add(path_of(key), "", std::string(expected), member.key_position);
  }
  return *this;
}

std::vector<const JsonMember*> ObjectReader::unknown() const {
  std::vector<const JsonMember*> members;
  if (object_ == nullptr) return members;
  const auto contains = [](const std::vector<std::string_view>& keys, std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  for (const JsonMember& member : *object_) {
    if (!contains(known_, member.key) && !contains(forbidden_, member.key)) {
      members.push_back(&member);
    }
  }
  return members;
}

void ObjectReader::finish() {
  std::string expected;
  for (const JsonMember* member : unknown()) {
    if (expected.empty()) {
      expected = "a known field: ";
      for (std::size_t i = 0; i < known_.size() && i < kMaxKnownKeysShown; ++i) {
        if (i != 0) expected += ", ";
        expected += known_[i];
      }
      if (known_.size() > kMaxKnownKeysShown) expected += ", ...";
    }
    problems_.add(path_of(member->key), "", expected, member->key_position);
  }
}

}  // namespace rollcall
