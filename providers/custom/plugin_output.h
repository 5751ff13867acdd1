// PluginOutput: the last lines that a plug-in wrote to stdout and stderr, bounded in number and
// length whatever it writes.
//
// Threads: any.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace rollcall {

class PluginOutput {
 public:
  void add(std::string_view bytes);
  // The end of the output: a last line without a line end counts too.
  void finish();
  // The last lines, printable, "line | line", the newest last and never cut away; empty: none.
  std::string tail(std::size_t max_bytes) const;

 private:
  void end_line();

  mutable std::mutex mutex_;       // guards what follows
  std::deque<std::string> lines_;  // at most kPluginOutputLines
  std::string open_;               // the line that has not ended, its beginning
};

}  // namespace rollcall
