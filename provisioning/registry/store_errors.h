// How a state file that cannot be read is told to an operator: file, line, reason, and the command
// that recovers (SPEC 7). Shared by the store and the state files; private to this folder.
//
// Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"
#include "core/file_system.h"
#include "provisioning/registry/sealed_file.h"

namespace rollcall {

// STORE_CORRUPTED. `recovery` is a shell command, to be copied as it is (what else is to be said is
// a comment of the shell); empty: there is none to give.
ProvisioningError corrupted(const std::string& path, const SealError& error,
                            std::string_view recovery);
// What a file that is too large, or absent where it must not be, is: corrupted as well.
ProvisioningError corrupted(const std::string& path, std::string reason, std::string_view recovery);

// "cp 'DIR/from' 'DIR/to'", quoted for a shell.
std::string copy_command(const std::string& directory, std::string_view from, std::string_view to);
// "mv 'DIR/name' 'DIR/name.broken'".
std::string set_aside_command(const std::string& directory, std::string_view name);

// The whole file; `absent` is set instead of NOT_FOUND, LIMIT_EXCEEDED becomes corrupted().
Result<std::string> read_state(FileSystem& files, const std::string& path, std::size_t max_bytes,
                               std::string_view recovery, bool& absent);

std::string store_path(const std::string& directory, std::string_view name);

}  // namespace rollcall
