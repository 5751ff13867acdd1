#include "core/codec/yaml_reader.h"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "core/codec/json_reader.h"
#include "core/codec/object_reader.h"
#include "core/codec/tree_builder.h"
#include "core/text.h"

namespace rollcall {
namespace {

using codec::PositionTracker;
using codec::TreeBuilder;

constexpr std::string_view kYamlByteOrderMark = "\xEF\xBB\xBF";

class Parser {
 public:
  explicit Parser(std::string_view text) {
    ready_ = yaml_parser_initialize(&parser_) != 0;
    if (!ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (ready_) yaml_parser_delete(&parser_);
  }
  bool next(yaml_event_t& event) { return ready_ && yaml_parser_parse(&parser_, &event) != 0; }
  const yaml_parser_t& get() const { return parser_; }

 private:
  yaml_parser_t parser_{};
  bool ready_ = false;
};

struct Event {
  yaml_event_t raw{};
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&raw); }
};

SourcePosition position_of(const yaml_mark_t& mark) {
  return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> choices) {
  return std::find(choices.begin(), choices.end(), text) != choices.end();
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view unsigned_part(std::string_view text) {
  return !text.empty() && (text[0] == '-' || text[0] == '+') ? text.substr(1) : text;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?   (YAML 1.2, core schema)
bool is_float(std::string_view text) {
  std::string_view rest = unsigned_part(text);
  if (const auto e = rest.find_first_of("eE"); e != std::string_view::npos) {
    if (!is_digits(unsigned_part(rest.substr(e + 1)))) return false;
    rest = rest.substr(0, e);
  }
  const auto dot = rest.find('.');
  if (dot == std::string_view::npos) return is_digits(rest);
  const std::string_view whole = rest.substr(0, dot);
  const std::string_view fraction = rest.substr(dot + 1);
  if (whole.empty()) return is_digits(fraction);
  return is_digits(whole) && (fraction.empty() || is_digits(fraction));
}

// Builds the tree from libyaml's events and refuses what the header lists.
class Reader {
 public:
  Reader(std::string_view text, const ReadLimits& read_limits)
      : limits_(read_limits), parser_(text), tree_(read_limits) {}

  Result<JsonValue> run() {
    while (!ended_) {
      Event event;
      if (!parser_.next(event.raw)) {
        syntax_error();
        break;
      }
      if (!handle(event.raw)) break;
    }
    if (tree_.failed()) return tl::unexpected(tree_.take_error());
    return tree_.complete() ? tree_.take() : JsonValue();
  }

 private:
  bool handle(const yaml_event_t& event) {
    const SourcePosition position = position_of(event.start_mark);
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        return document_start(event, position);
      case YAML_STREAM_END_EVENT:
        ended_ = true;
        return true;
      case YAML_ALIAS_EVENT:
        return tree_.fail(position, "no aliases", "an alias");
      case YAML_SCALAR_EVENT:
        return scalar(event, position);
      case YAML_SEQUENCE_START_EVENT:
        return container(false, event.data.sequence_start.anchor, event.data.sequence_start.tag,
                         position);
      case YAML_MAPPING_START_EVENT:
        return container(true, event.data.mapping_start.anchor, event.data.mapping_start.tag,
                         position);
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return tree_.end();
      default:
        return true;
    }
  }

  bool document_start(const yaml_event_t& event, SourcePosition position) {
    const auto& start = event.data.document_start;
    if (start.version_directive != nullptr || start.tag_directives.start != nullptr) {
      return tree_.fail(position, "no directives", "a directive");
    }
    if (++documents_ > 1) return tree_.fail(position, "one document", "a second one");
    return true;
  }

  bool plain_node(const yaml_char_t* anchor, const yaml_char_t* tag, SourcePosition position) {
    if (anchor != nullptr) return tree_.fail(position, "no anchors", "an anchor");
    if (tag != nullptr) return tree_.fail(position, "no tags", "a tag");
    return true;
  }

  bool container(bool object, const yaml_char_t* anchor, const yaml_char_t* tag,
                 SourcePosition position) {
    if (!plain_node(anchor, tag, position)) return false;
    if (tree_.wants_key()) {
      return tree_.fail(position, "a key that is a text", "a list or an object as a key");
    }
    return tree_.begin(object, position);
  }

  bool scalar(const yaml_event_t& event, SourcePosition position) {
    const auto& data = event.data.scalar;
    if (!plain_node(data.anchor, data.tag, position)) return false;
    const std::string_view text(reinterpret_cast<const char*>(data.value), data.length);
    if (text.size() > limits::kMaxScalarBytes) {
      return tree_.fail(position,
                        "texts of at most " + std::to_string(limits::kMaxScalarBytes) + " bytes",
                        std::to_string(text.size()) + " bytes");
    }
    const bool plain = data.style == YAML_PLAIN_SCALAR_STYLE;
    if (tree_.wants_key()) {
      if (plain && text.empty()) return tree_.fail(position, "a key", "nothing before the colon");
      return tree_.key(std::string(text), position);
    }
    if (!plain) return tree_.scalar(JsonValue(std::string(text), position));
    return resolve(text, position);
  }

  // YAML 1.2, core schema.
  bool resolve(std::string_view text, SourcePosition position) {
    if (text.empty() || is_one_of(text, {"~", "null", "Null", "NULL"})) {
      JsonValue value;
      value.set_position(position);
      return tree_.scalar(std::move(value));
    }
    if (is_one_of(text, {"true", "True", "TRUE"})) return tree_.scalar(JsonValue(true, position));
    if (is_one_of(text, {"false", "False", "FALSE"})) {
      return tree_.scalar(JsonValue(false, position));
    }
    if (is_one_of(unsigned_part(text), {".inf", ".Inf", ".INF"}) ||
        is_one_of(text, {".nan", ".NaN", ".NAN"})) {
      return tree_.fail(position, "a finite number", std::string(text));
    }
    if (is_digits(unsigned_part(text))) return integer(text, unsigned_part(text), 10, position);
    const std::string_view prefix = text.substr(0, 2);
    if (prefix == "0x" || prefix == "0o") {
      const std::string_view digits = text.substr(2);
      const std::string_view allowed = prefix == "0x" ? "0123456789abcdefABCDEF" : "01234567";
      if (!digits.empty() && digits.find_first_not_of(allowed) == std::string_view::npos) {
        return integer(text, digits, prefix == "0x" ? 16 : 8, position);
      }
    }
    if (is_float(text)) return floating(text, position);
    return tree_.scalar(JsonValue(std::string(text), position));
  }

  bool integer(std::string_view text, std::string_view digits, int base, SourcePosition position) {
    std::uint64_t magnitude = 0;
    const auto parsed =
        std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
    const bool negative = text[0] == '-';
    constexpr std::uint64_t kMostNegative = std::uint64_t{1} << 63;
    if (parsed.ec != std::errc() || (negative && magnitude > kMostNegative)) {
      return tree_.fail(position, "an integer that fits 64 bits (a text needs quotes)",
                        printable(text, 64));
    }
    // 0 - magnitude wraps to the two's complement, the most negative number included.
    JsonValue value = negative ? JsonValue(static_cast<std::int64_t>(0 - magnitude), position)
                               : JsonValue(magnitude, position);
    value.set_exact_text(scalar_text(value) == text);
    return tree_.scalar(std::move(value));
  }

  bool floating(std::string_view text, SourcePosition position) {
    std::string_view digits = text[0] == '+' ? text.substr(1) : text;
    double number = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() ||
        !std::isfinite(number)) {
      return tree_.fail(position, "a number that fits (a text needs quotes)", printable(text, 64));
    }
    JsonValue value(number, position);
    value.set_exact_text(scalar_text(value) == text);
    return tree_.scalar(std::move(value));
  }

  void syntax_error() {
    const yaml_parser_t& parser = parser_.get();
    const char* problem = parser.problem != nullptr ? parser.problem : "unreadable";
    tree_.fail(position_of(parser.problem_mark), "valid YAML (" + std::string(problem) + ")", "");
  }

  ReadLimits limits_;
  Parser parser_;
  TreeBuilder tree_;
  int documents_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<JsonValue> parse_yaml(std::string_view text, const ReadLimits& read_limits) {
  if (text.size() > read_limits.max_bytes) {
    return fail(ErrorCode::LimitExceeded, "document of " + std::to_string(text.size()) +
                                              " bytes: at most " +
                                              std::to_string(read_limits.max_bytes) + " are read");
  }
  if (const std::size_t bad = first_invalid_utf8(text); bad != text.size()) {
    return fail_at(read_limits.code, PositionTracker(text).at(bad), "valid UTF-8",
                   printable(text.substr(bad, 1), 8));
  }
  return Reader(text, read_limits).run();
}

Result<JsonValue> parse_document(std::string_view text, const ReadLimits& read_limits) {
  std::string_view rest = text;
  if (rest.substr(0, kYamlByteOrderMark.size()) == kYamlByteOrderMark) {
    rest.remove_prefix(kYamlByteOrderMark.size());
  }
  const auto first = rest.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && (rest[first] == '{' || rest[first] == '[');
  return json ? parse_json(text, read_limits) : parse_yaml(text, read_limits);
}

}  // namespace rollcall
