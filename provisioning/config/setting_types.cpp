#include "provisioning/config/setting_types.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>

namespace rollcall {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

template <class T>
struct Unit {
  std::string_view name;
  T size;
};
// Largest first. Only the first whose number is whole is written back.
constexpr std::array<Unit<Duration>, 4> kDurations = {{{"h", Duration(hours(1))},
                                                       {"m", Duration(minutes(1))},
                                                       {"s", Duration(seconds(1))},
                                                       {"ms", Duration(milliseconds(1))}}};
constexpr std::array<Unit<std::uint64_t>, 3> kSizes = {
    {{"GiB", std::uint64_t{1} << 30}, {"MiB", std::uint64_t{1} << 20}, {"KiB", 1024}}};

template <class T>
bool parse_whole(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// "15s" -> 15, "s".
bool split_number(std::string_view text, std::uint64_t& number, std::string_view& unit) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos) return false;
  unit = text.substr(digits);
  return parse_whole(text.substr(0, digits), number);
}

}  // namespace

std::optional<std::string> input_text(const SettingInput& input) {
  const std::string* text = input.value.as_string();
  return text != nullptr ? std::optional<std::string>(*text) : std::nullopt;
}

std::optional<bool> input_bool(const SettingInput& input) {
  if (const bool* value = input.value.as_bool()) return *value;
  const std::string* text = input.is_text ? input.value.as_string() : nullptr;
  if (text != nullptr && *text == "true") return true;
  if (text != nullptr && *text == "false") return false;
  return std::nullopt;
}

std::optional<std::int64_t> input_integer(const SettingInput& input) {
  if (!input.is_text) return input.value.as_i64();
  const std::string* text = input.value.as_string();
  std::int64_t number = 0;
  if (text == nullptr || !parse_whole(*text, number)) return std::nullopt;
  return number;
}

std::optional<double> input_number(const SettingInput& input) {
  if (!input.is_text) return input.value.as_double();
  const std::string* text = input.value.as_string();
  double number = 0;
  if (text == nullptr || !parse_whole(*text, number)) return std::nullopt;
  return number;
}

std::optional<std::vector<std::string>> input_list(const SettingInput& input) {
  std::vector<std::string> list;
  if (const JsonValue::Array* items = input.value.as_array()) {
    for (const JsonValue& item : *items) {
      const std::string* text = item.as_string();
      if (text == nullptr) return std::nullopt;
      list.push_back(*text);
    }
    return list;
  }
  const std::string* text = input.value.as_string();
  if (text == nullptr) return std::nullopt;
  if (!input.is_text) return std::vector<std::string>{*text};
  for (std::size_t at = 0; at <= text->size();) {
    const std::size_t comma = std::min(text->find(',', at), text->size());
    list.push_back(text->substr(at, comma - at));
    at = comma + 1;
  }
  return list;
}

std::optional<Duration> input_duration(const SettingInput& input) {
  const std::string* text = input.value.as_string();
  std::uint64_t number = 0;
  std::string_view unit;
  if (text == nullptr || !split_number(*text, number, unit)) return std::nullopt;
  for (const auto& known : kDurations) {
    if (known.name != unit) continue;
    const auto most =
        static_cast<std::uint64_t>(std::numeric_limits<Duration::rep>::max() / known.size.count());
    if (number > most) return std::nullopt;
    return known.size * static_cast<Duration::rep>(number);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> input_bytes(const SettingInput& input) {
  if (const auto number = input_integer(input)) {
    return *number >= 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
  }
  const std::string* text = input.value.as_string();
  std::uint64_t number = 0;
  std::string_view unit;
  if (text == nullptr || !split_number(*text, number, unit)) return std::nullopt;
  for (const auto& known : kSizes) {
    if (known.name != unit) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() / known.size) return std::nullopt;
    return number * known.size;
  }
  return std::nullopt;
}

std::string duration_text(Duration d) {
  if (d == Duration::zero()) return "0s";
  for (const auto& unit : kDurations) {
    if (d % unit.size == Duration::zero()) {
      return std::to_string(d / unit.size) + std::string(unit.name);
    }
  }
  return std::to_string(d.count()) + "ns";
}

std::string bytes_text(std::uint64_t bytes) {
  for (const auto& unit : kSizes) {
    if (bytes != 0 && bytes % unit.size == 0) {
      return std::to_string(bytes / unit.size) + std::string(unit.name);
    }
  }
  return std::to_string(bytes);
}

std::string number_text(double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::string(text.data(), end) : std::string();
}

}  // namespace rollcall
