#include "core/text.h"

#include <cstdint>

namespace rollcall {
namespace {

// Length of the valid character that starts at `at`, 0 if there is none.
std::size_t character_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(at);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  std::uint8_t low = 0x80;   // bounds of the second byte: they exclude overlong forms,
  std::uint8_t high = 0xbf;  // surrogates and code points above U+10FFFF
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (text.size() - at < length) return 0;
  if (byte(at + 1) < low || byte(at + 1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

bool is_control_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (byte(at) < 0x20 || byte(at) == 0x7f) return true;
  return byte(at) == 0xc2 && at + 1 < text.size() && byte(at + 1) >= 0x80 && byte(at + 1) <= 0x9f;
}

std::size_t first_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<std::uint8_t>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = character_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return text.size();
}

bool is_valid_utf8(std::string_view text) { return first_invalid_utf8(text) == text.size(); }

bool has_control_characters(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (is_control_at(text, at)) return true;
  }
  return false;
}

bool holds_credentials(std::string_view endpoint) {
  const auto scheme = endpoint.find("://");
  std::string_view authority =
      scheme == std::string_view::npos ? endpoint : endpoint.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  return authority.find('@') != std::string_view::npos;
}

std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  // A character has at most three continuation bytes; in text that isn't UTF-8 any cut will do.
  for (int i = 0; i < 3 && end > 0; ++i) {
    if ((static_cast<std::uint8_t>(text[end]) & 0xc0) != 0x80) break;
    --end;
  }
  return text.substr(0, end);
}

std::string printable(std::string_view text, std::size_t max_bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  static constexpr std::string_view kEllipsis = "...";
  std::string out;
  std::size_t fits = 0;  // how much of `out` leaves room for the ellipsis
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = is_control_at(text, at) ? 0 : character_length(text, at);
    if (length == 0) {
      const auto byte = static_cast<std::uint8_t>(text[at]);
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 0xf];
      ++at;
    } else {
      out.append(text, at, length);
      at += length;
    }
    if (out.size() + kEllipsis.size() <= max_bytes) fits = out.size();
    if (out.size() > max_bytes) {
      out.resize(fits);
      out += kEllipsis;
      break;
    }
  }
  return out;
}

}  // namespace rollcall
