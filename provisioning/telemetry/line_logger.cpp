#include "provisioning/telemetry/line_logger.h"

#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <utility>

#include "core/codec/json_writer.h"
#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 2> kFormats = {"json", "logfmt"};
constexpr std::string_view kOtherEvents = "";  // the budget of names that found no place
constexpr std::size_t kRoomForEnd = 64;        // "suppressed", "lost", brace, newline
constexpr std::size_t kEnd = 2;                // brace, newline

// 2026-11-20T05:12:08.123Z
std::string timestamp(WallTime t) {
  const std::int64_t ms = to_unix_ms(t);
  const std::time_t whole = static_cast<std::time_t>(ms / 1000);
  std::tm utc{};
  gmtime_r(&whole, &utc);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(ms % 1000));
  return std::string(text.data(), length) + fraction.data();
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "null";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

std::string cut(std::string_view text) {
  if (text.size() <= limits::kMaxLogTextBytes) return std::string(text);
  return std::string(utf8_prefix(text, limits::kMaxLogTextBytes)) + "...";
}

// A logfmt value stands as it is when no reader could be mistaken about it.
bool is_bare(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
}

class LineBuilder {
 public:
  explicit LineBuilder(LogFormat format) : format_(format) {
    if (format_ == LogFormat::Json) line_ = "{";
  }

  void add(const LogField& field, std::size_t room_after = kRoomForEnd) {
    std::string value;
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      const bool bare = format_ == LogFormat::Logfmt && is_bare(*text);
      value = bare ? cut(*text) : json_quoted_lossy(cut(*text));
    } else if (const auto* whole = std::get_if<std::int64_t>(&field.value)) {
      value = std::to_string(*whole);
    } else if (const auto* natural = std::get_if<std::uint64_t>(&field.value)) {
      value = std::to_string(*natural);
    } else if (const auto* real = std::get_if<double>(&field.value)) {
      value = number_text(*real);
    } else {
      value = std::get<bool>(field.value) ? "true" : "false";
    }
    const std::size_t needed = field.key.size() + value.size() + 4;
    if (line_.size() + needed + room_after > limits::kMaxLogLineBytes) return;
    if (!first_) line_ += format_ == LogFormat::Json ? "," : " ";
    first_ = false;
    if (format_ == LogFormat::Json) {
      line_ += json_quoted_lossy(field.key) + ":" + value;
    } else {
      line_ += std::string(field.key) + "=" + value;
    }
  }

  // What was left out before this line, in the room that is kept for it.
  void add_missing(std::string_view key, std::uint64_t count) {
    if (count != 0) add({key, count}, kEnd);
  }

  std::string take() && {
    line_ += format_ == LogFormat::Json ? "}\n" : "\n";
    return std::move(line_);
  }

 private:
  const LogFormat format_;
  std::string line_;
  bool first_ = true;
};

}  // namespace

std::string_view to_string(LogLevel level) { return kLevels[static_cast<std::size_t>(level) - 1]; }

std::optional<LogLevel> log_level_from_string(std::string_view name) {
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == name) return static_cast<LogLevel>(i + 1);
  }
  return std::nullopt;
}

std::string_view to_string(LogFormat format) {
  return kFormats[static_cast<std::size_t>(format) - 1];
}

std::optional<LogFormat> log_format_from_string(std::string_view name) {
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    if (kFormats[i] == name) return static_cast<LogFormat>(i + 1);
  }
  return std::nullopt;
}

namespace {

// A socket can be told not to wait. A pipe can't, its descriptor being shared with others, but one
// that can be written to takes PIPE_BUF bytes at once (pipe(7)).
ssize_t write_piece(int descriptor, std::string_view text) {
  const std::size_t size = std::min<std::size_t>(text.size(), PIPE_BUF);
  const ssize_t sent = ::send(descriptor, text.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  pollfd asked{descriptor, POLLOUT, 0};
  if (::poll(&asked, 1, 0) < 0) return -1;
  return (asked.revents & POLLOUT) != 0 ? ::write(descriptor, text.data(), size) : 0;
}

// Takes what was written off `rest`; false: not all of it.
bool write_without_waiting(int descriptor, std::string_view& rest) {
  while (!rest.empty()) {
    const ssize_t written = write_piece(descriptor, rest);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

LogSink descriptor_sink(int descriptor) {
  return [descriptor, torn = false](std::string_view line) mutable {
    std::string_view newline = "\n";  // after a line of which only the beginning was taken
    if (torn && !write_without_waiting(descriptor, newline)) return false;
    std::string_view rest = line;
    const bool whole = write_without_waiting(descriptor, rest);
    torn = !whole && rest.size() < line.size();
    return whole;
  };
}

LogSink stderr_sink() { return descriptor_sink(STDERR_FILENO); }

LineLogger::LineLogger(Options options, const Clock& clock, LogSink sink)
    : clock_(clock), sink_(std::move(sink)), options_(options) {}

void LineLogger::log(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) {
  const MonoTime now = clock_.now();
  const WallTime wall = clock_.wall_now();
  const std::lock_guard lock(mutex_);
  if (level < options_.level) return;
  std::uint64_t suppressed = 0;
  if (!spend(event, now, suppressed)) return;
  LineBuilder line(options_.format);
  const std::string time = timestamp(wall);
  line.add({"time", time});
  line.add({"level", to_string(level)});
  line.add({"event", event});
  for (const LogField& field : fields) {
    const auto* text = std::get_if<std::string_view>(&field.value);
    if (text != nullptr && text->empty()) continue;  // an absent provider or code needs no words
    line.add(field);
  }
  line.add_missing("suppressed", suppressed);
  line.add_missing("lost", lost_);
  if (sink_(std::move(line).take())) {
    lost_ = 0;
  } else {
    lost_ += 1 + suppressed;
  }
}

bool LineLogger::spend(std::string_view event, MonoTime now, std::uint64_t& suppressed) {
  auto found = budgets_.find(event);
  if (found == budgets_.end()) {
    const bool room = budgets_.size() < limits::kLogEventNames;
    const std::string name(room ? event : kOtherEvents);
    found = budgets_.try_emplace(name, Budget{limits::kLogBurst, now, 0}).first;
  }
  Budget& budget = found->second;
  const double passed = std::chrono::duration<double>(now - budget.refilled).count();
  budget.tokens = std::min<double>(limits::kLogBurst,
                                   budget.tokens + std::max(passed, 0.0) * limits::kLogPerSecond);
  budget.refilled = now;
  if (budget.tokens < 1) {
    ++budget.suppressed;
    return false;
  }
  budget.tokens -= 1;
  suppressed = std::exchange(budget.suppressed, 0);
  return true;
}

void LineLogger::set_level(LogLevel level) {
  const std::lock_guard lock(mutex_);
  options_.level = level;
}

void LineLogger::set_format(LogFormat format) {
  const std::lock_guard lock(mutex_);
  options_.format = format;
}

}  // namespace rollcall
