#include "core/codec/json_reader.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "core/codec/object_reader.h"
#include "core/codec/tree_builder.h"
#include "core/text.h"

namespace rollcall {
namespace {

using codec::PositionTracker;
using codec::TreeBuilder;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// nlohmann's parser tells tokens but not where they stood. This one goes over the same text a
// second time, token by token, and finds out.
class TokenFinder {
 public:
  explicit TokenFinder(std::string_view text) : text_(text), positions_(text) {
    if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) at_ = kByteOrderMark.size();
  }

  // Start of the next token that isn't ',' or ':', stepping over it.
  SourcePosition next() {
    while (at_ < text_.size() && std::strchr(" \t\r\n,:", text_[at_]) != nullptr) ++at_;
    const SourcePosition position = positions_.at(at_);
    if (at_ < text_.size()) step_over();
    return position;
  }
  SourcePosition at(std::size_t offset) { return positions_.at(std::max(offset, at_)); }

 private:
  void step_over() {
    const char first = text_[at_++];
    if (first == '"') {
      while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
      ++at_;
    } else if (std::strchr("{}[]", first) == nullptr) {  // a number or true, false, null
      while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    }
    at_ = std::min(at_, text_.size());
  }
  static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' || c == '-' ||
           c == '.';
  }

  std::string_view text_;
  PositionTracker positions_;
  std::size_t at_ = 0;
};

// The part of nlohmann's sentence that says what is wrong, without the text that it read: that may
// be half a secret.
std::string reason_of(std::string_view what) {
  if (const auto column = what.find(", column "); column != std::string_view::npos) {
    const auto colon = what.find(": ", column);
    if (colon != std::string_view::npos) what.remove_prefix(colon + 2);
  }
  if (what.substr(0, 1) == "[") what = "a number overflows";  // out_of_range names the text
  what = what.substr(0, what.find("; last read"));
  return printable(what, limits::kMaxProblemValueBytes);
}

class Handler {
 public:
  using Json = nlohmann::json;

  Handler(std::string_view text, const ReadLimits& read_limits)
      : tokens_(text), tree_(read_limits) {}

  TreeBuilder& tree() { return tree_; }

  bool null() {
    JsonValue value;
    value.set_position(tokens_.next());
    return tree_.scalar(std::move(value));
  }
  bool boolean(bool value) { return tree_.scalar(JsonValue(value, tokens_.next())); }
  bool number_integer(Json::number_integer_t value) {
    return tree_.scalar(JsonValue(std::int64_t{value}, tokens_.next()));
  }
  bool number_unsigned(Json::number_unsigned_t value) {
    return tree_.scalar(JsonValue(std::uint64_t{value}, tokens_.next()));
  }
  bool number_float(Json::number_float_t value, const Json::string_t& source) {
    const SourcePosition position = tokens_.next();
    // The lexer falls back to a double for integers beyond 64 bits; that would lose digits.
    if (source.find_first_of(".eE") == std::string::npos) {
      return tree_.fail(position, "an integer that fits 64 bits", printable(source, 64));
    }
    JsonValue number(value, position);
    if (scalar_text(number) != source) number.set_exact_text(false);
    return tree_.scalar(std::move(number));
  }
  bool string(Json::string_t& value) {
    return tree_.scalar(JsonValue(std::move(value), tokens_.next()));
  }
  bool binary(Json::binary_t&) { return false; }  // not in JSON
  bool start_object(std::size_t) { return tree_.begin(true, tokens_.next()); }
  bool key(Json::string_t& name) { return tree_.key(std::move(name), tokens_.next()); }
  bool end_object() { return end(); }
  bool start_array(std::size_t) { return tree_.begin(false, tokens_.next()); }
  bool end_array() { return end(); }

  // `read`: how many bytes the lexer has taken, the one it stumbled over included.
  bool parse_error(std::size_t read, const std::string&, const nlohmann::detail::exception& error) {
    const SourcePosition position = tokens_.at(read == 0 ? 0 : read - 1);
    return tree_.fail(position, "valid JSON (" + reason_of(error.what()) + ")", "");
  }

 private:
  bool end() {
    tokens_.next();
    return tree_.end();
  }

  TokenFinder tokens_;
  TreeBuilder tree_;
};

}  // namespace

tl::unexpected<ProvisioningError> fail_at(ErrorCode code, SourcePosition position,
                                          std::string_view expected, std::string_view found) {
  std::string place =
      "line " + std::to_string(position.line) + ", column " + std::to_string(position.column);
  return fail(code, "unreadable", {{std::move(place), std::string(found), std::string(expected)}});
}

Result<JsonValue> parse_json(std::string_view text, const ReadLimits& read_limits) {
  if (text.size() > read_limits.max_bytes) {
    return fail(ErrorCode::LimitExceeded, "document of " + std::to_string(text.size()) +
                                              " bytes: at most " +
                                              std::to_string(read_limits.max_bytes) + " are read");
  }
  // nlohmann's lexer takes a NUL byte for the end of the text and ignores what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return fail_at(read_limits.code, PositionTracker(text).at(nul), "valid JSON (no NUL byte)", "");
  }
  Handler handler(text, read_limits);
  const bool parsed = nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &handler);
  if (handler.tree().failed()) return tl::unexpected(handler.tree().take_error());
  if (!parsed || !handler.tree().complete()) {
    return fail_at(read_limits.code, {1, 1}, "valid JSON", "an incomplete document");
  }
  return handler.tree().take();
}

}  // namespace rollcall
