#include "provisioning/registry/store_errors.h"

#include <utility>

namespace rollcall {
namespace {

std::string shell_quoted(const std::string& text) {
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

}  // namespace

ProvisioningError corrupted(const std::string& path, const SealError& error,
                            std::string_view recovery) {
  std::string where = path;
  if (error.line != 0) where += ":" + std::to_string(error.line);
  if (error.newer) {
    return {
        ErrorCode::StoreCorrupted,
        where + ": " + error.reason +
            ": it was written by a later version of Rollcall and is not damaged; run that version",
        {},
        0};
  }
  std::string message = where + ": " + error.reason;
  if (!recovery.empty())
    message += ". To recover, with rollcalld stopped: " + std::string(recovery);
  return {ErrorCode::StoreCorrupted, std::move(message), {}, 0};
}

ProvisioningError corrupted(const std::string& path, std::string reason,
                            std::string_view recovery) {
  return corrupted(path, SealError{0, std::move(reason), false}, recovery);
}

std::string store_path(const std::string& directory, std::string_view name) {
  return directory + "/" + std::string(name);
}

std::string copy_command(const std::string& directory, std::string_view from, std::string_view to) {
  return "cp " + shell_quoted(store_path(directory, from)) + " " +
         shell_quoted(store_path(directory, to));
}

std::string set_aside_command(const std::string& directory, std::string_view name) {
  const std::string path = store_path(directory, name);
  return "mv " + shell_quoted(path) + " " + shell_quoted(path + ".broken");
}

Result<std::string> read_state(FileSystem& files, const std::string& path, std::size_t max_bytes,
                               std::string_view recovery, bool& absent) {
  absent = false;
  auto text = files.read(path, max_bytes);
  if (text) return text;
  if (text.error().code == ErrorCode::NotFound) {
    absent = true;
    return std::string();
  }
  if (text.error().code == ErrorCode::LimitExceeded) {
    return tl::unexpected(corrupted(
        path, "is larger than the " + std::to_string(max_bytes) + " bytes that it may have",
        recovery));
  }
  return text;
}

}  // namespace rollcall
