// LineLogger: the Logger of the daemon. One JSON (or logfmt) line an event, written with one call
// to a LogSink, so that lines of several threads never mix.
//
// A flood of one event must not fill a disk or slow the writer: each event name has a budget
// (limits::kLogBurst lines at once, kLogPerSecond after that); what exceeds it is counted, and the
// next line of that event says how many were `suppressed`. Errors are bounded like everything else.
// A reader that does not read must not stop the writer either: the next line that it gets says how
// many were `lost`.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "core/limits.h"
#include "core/time.h"
#include "provisioning/telemetry/logger.h"

namespace rollcall {

// Takes one whole line, its newline included; false: it is lost, as a whole or in part. Called from
// any thread, one call at a time.
using LogSink = std::function<bool(std::string_view line)>;
// Writes to the descriptor as much as it takes at once: a full pipe, socket or terminal is not
// waited for. (A file is: the kernel has no other way.)
LogSink descriptor_sink(int descriptor);
LogSink stderr_sink();

class LineLogger final : public Logger {
 public:
  struct Options {
    LogLevel level = LogLevel::Info;
    LogFormat format = LogFormat::Json;
  };
  // `clock` outlives it.
  LineLogger(Options options, const Clock& clock, LogSink sink);

  void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) override;
  void set_level(LogLevel level);  // of a reload
  void set_format(LogFormat format);

 private:
  struct Budget {
    double tokens = limits::kLogBurst;
    MonoTime refilled{};
    std::uint64_t suppressed = 0;
  };
  // Whether the line may be written; then `suppressed` is what was left out before it.
  bool spend(std::string_view event, MonoTime now, std::uint64_t& suppressed);

  const Clock& clock_;
  const LogSink sink_;
  std::mutex mutex_;  // guards what follows, and keeps the sink's lines apart
  Options options_;
  std::map<std::string, Budget, std::less<>> budgets_;
  std::uint64_t lost_ = 0;  // lines since the sink took one
};

}  // namespace rollcall
