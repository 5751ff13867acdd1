#include "providers/custom/plugin_output.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "providers/custom/limits.h"

namespace rollcall {
namespace {

constexpr std::string_view kBetween = " | ";

}  // namespace

void PluginOutput::add(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    const std::size_t room = limits::kPluginOutputLineBytes - open_.size();
    open_.append(piece.substr(0, room));
    if (end == std::string_view::npos) return;
    end_line();
    bytes.remove_prefix(end + 1);
  }
}

void PluginOutput::finish() {
  const std::lock_guard lock(mutex_);
  end_line();
}

void PluginOutput::end_line() {
  while (!open_.empty() && (open_.back() == '\r' || open_.back() == ' ')) open_.pop_back();
  if (!open_.empty()) lines_.push_back(std::exchange(open_, {}));
  if (lines_.size() > limits::kPluginOutputLines) lines_.pop_front();
}

std::string PluginOutput::tail(std::size_t max_bytes) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) {
    std::string shown = printable(*line, std::max<std::size_t>(max_bytes, 8));
    const std::size_t size = text.size() + shown.size() + (text.empty() ? 0 : kBetween.size());
    if (size > max_bytes) break;
    if (!text.empty()) shown.append(kBetween);
    text.insert(0, shown);
  }
  return text;
}

}  // namespace rollcall
