#include "core/recovery.h"

namespace rollcall {
namespace {

constexpr std::string_view kRecovery = ". To recover, with rollcalld stopped: ";

}  // namespace

ProvisioningError broken_state(const std::string& where, std::string_view reason,
                               std::string_view command) {
  std::string message = where + ": " + std::string(reason);
  if (!command.empty()) message.append(kRecovery).append(command);
  return {ErrorCode::StoreCorrupted, std::move(message), {}, 0};
}

ProvisioningError later_state(const std::string& where, std::string_view reason) {
  return {
      ErrorCode::StoreCorrupted,
      where + ": " + std::string(reason) +
          ": it was written by a later version of Rollcall and is not damaged; run that version",
      {},
      0};
}

std::pair<std::string, std::string> split_recovery(const std::string& message) {
  const auto at = message.find(kRecovery);
  if (at == std::string::npos) return {message, ""};
  return {message.substr(0, at), message.substr(at + kRecovery.size())};
}

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string set_aside(const std::string& path) {
  return "mv " + shell_quoted(path) + " " + shell_quoted(path + ".broken");
}

}  // namespace rollcall
