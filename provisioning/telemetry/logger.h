// Logger: one structured line an event, with a stable event name that dashboards and tests rely on.
// There is no global logger; whoever logs was handed one.
//
// What may be logged: names, codes, counts, ages. Never a secret, a token or a whole request
// (SPEC 8); errors and problems are made without them, so their texts may be.
//
// Threads: any. log() does not block on anything but the write to its sink.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace rollcall {

enum class LogLevel : std::uint8_t { Debug = 1, Info = 2, Warning = 3, Error = 4 };
std::string_view to_string(LogLevel level);  // "debug", "info", "warning", "error"
std::optional<LogLevel> log_level_from_string(std::string_view name);

enum class LogFormat : std::uint8_t { Json = 1, Logfmt = 2 };
std::string_view to_string(LogFormat format);  // "json", "logfmt"
std::optional<LogFormat> log_format_from_string(std::string_view name);

// Refers to its texts: for use within the call.
struct LogField {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;
  std::string_view key;
  Value value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  template <std::same_as<bool> T>
  LogField(std::string_view k, T v) : key(k), value(v) {}
  template <std::signed_integral T>
  LogField(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) LogField(std::string_view k, T v)
      : key(k), value(static_cast<std::uint64_t>(v)) {}
  template <std::floating_point T>
  LogField(std::string_view k, T v) : key(k), value(static_cast<double>(v)) {}
};

class Logger {
 public:
  virtual ~Logger() = default;
  // `event`: lower_snake_case, stable ("provider_changed"). Customary keys: provider, code,
  // message.
  virtual void log(LogLevel level, std::string_view event,
                   std::initializer_list<LogField> fields) = 0;

  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::Debug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::Info, event, fields);
  }
  void warning(std::string_view event, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::Warning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::Error, event, fields);
  }
};

// For tests and tools that want silence.
class NullLogger final : public Logger {
 public:
  void log(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace rollcall
