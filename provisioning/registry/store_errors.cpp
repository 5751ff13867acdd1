#include "provisioning/registry/store_errors.h"

#include <utility>

#include "core/recovery.h"

namespace rollcall {

ProvisioningError corrupted(const std::string& path, const SealError& error,
                            std::string_view recovery) {
  std::string where = path;
  if (error.line != 0) where += ":" + std::to_string(error.line);
  return error.newer ? later_state(where, error.reason)
                     : broken_state(where, error.reason, recovery);
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
  return set_aside(store_path(directory, name));
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
