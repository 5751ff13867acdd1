#include "deploy/rollcall/text.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <limits>
#include <optional>

#include "core/text.h"

namespace rollcall::cli {

using std::chrono::milliseconds;

namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array<Unit, 4> kLong = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1'000}}};
constexpr std::array<Unit, 5> kInput = {
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

tl::unexpected<ProvisioningError> refused(std::string_view field, std::string_view value,
                                          std::string expected) {
  return fail(ErrorCode::InvalidConfig, "an argument is wrong",
              {{std::string(field), shown(value, 128), std::move(expected)}});
}

}  // namespace

std::string duration_text(milliseconds duration) {
  const std::int64_t ms = std::max<std::int64_t>(duration.count(), 0);
  if (ms < 1'000) return std::to_string(ms) + " ms";
  if (ms < 60'000) {
    const std::int64_t tenths = ms / 100;
    std::string text = std::to_string(tenths / 10);
    if (tenths % 10 != 0) text += "." + std::to_string(tenths % 10);
    return text + " s";
  }
  for (std::size_t i = 0; i + 1 < kLong.size(); ++i) {
    if (ms < kLong[i].ms) continue;
    std::string text = std::to_string(ms / kLong[i].ms) + " " + std::string(kLong[i].name);
    if (const auto rest = ms % kLong[i].ms / kLong[i + 1].ms; rest > 0) {
      text += " " + std::to_string(rest) + " " + std::string(kLong[i + 1].name);
    }
    return text;
  }
  return std::to_string(ms) + " ms";
}

std::string time_text(std::int64_t unix_ms) {
  if (unix_ms == 0) return "never";
  const auto seconds = static_cast<std::time_t>(unix_ms / 1'000);
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "?";
  std::array<char, 40> text{};
  const std::size_t used = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(unix_ms % 1'000));
  return std::string(text.data(), used) + fraction.data();
}

std::string hash_text(std::uint64_t hash) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx", static_cast<unsigned long long>(hash));
  return text.data();
}

std::string position_text(client::Position position) {
  return std::to_string(position.epoch.value()) + ":" + std::to_string(position.seq_no.value());
}

std::string endpoint_text(std::string_view host, std::uint32_t port) {
  const std::string name = shown(host);
  const bool v6 = name.find(':') != std::string::npos;
  return (v6 ? "[" + name + "]" : name) + ":" + std::to_string(port);
}

std::string count_text(std::uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

std::string shown(std::string_view text, std::size_t max_bytes) {
  return printable(text, max_bytes);
}

Result<milliseconds> parse_duration(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = number<std::int64_t>(text.substr(0, digits));
  for (const Unit& unit : kInput) {
    if (!value || unit.name != text.substr(digits)) continue;
    if (*value < 1 || *value > std::numeric_limits<std::int64_t>::max() / unit.ms) break;
    return milliseconds(*value * unit.ms);
  }
  return refused("duration", text, "a number above 0 with its unit: 1500ms, 90s, 10m, 2h, 1d");
}

Result<client::Position> parse_position(std::string_view text) {
  const auto colon = text.find(':');
  if (colon != std::string_view::npos) {
    const auto epoch = number<std::uint64_t>(text.substr(0, colon));
    const auto seq_no = number<std::uint64_t>(text.substr(colon + 1));
    if (epoch && seq_no && *epoch > 0 && *seq_no > 0) {
      return client::Position{Epoch(*epoch), SeqNo(*seq_no)};
    }
  }
  return refused("--after", text, "EPOCH:SEQ, as `rollcall status` and `watch` print them");
}

Result<std::pair<std::string, std::uint16_t>> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos && colon > 0) {
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto port = number<std::uint16_t>(text.substr(colon + 1));
    const bool v6 = host.find(':') != std::string_view::npos;
    if (port && !host.empty() && v6 == bracketed) return std::pair{std::string(host), *port};
  }
  return refused("HOST:PORT", text, "HOST:PORT, an IPv6 address in brackets");
}

}  // namespace rollcall::cli
