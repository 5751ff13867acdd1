// How a broken state file is told to an operator (SPEC 7): where, why, and a command of the shell
// that recovers, to be copied as it is. One form for every file, whoever reads it.
//
// Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace rollcall {

// STORE_CORRUPTED. `where` is the path, with ":LINE" where that is known; `command` is empty if
// there is none to give. What else is to be said goes behind it as a comment of the shell.
ProvisioningError broken_state(const std::string& where, std::string_view reason,
                               std::string_view command);
// STORE_CORRUPTED too, but nothing is damaged: a later version wrote it, and only that can read it.
ProvisioningError later_state(const std::string& where, std::string_view reason);

// The message of broken_state() apart again: what is wrong, and the command (empty: none).
std::pair<std::string, std::string> split_recovery(const std::string& message);

std::string shell_quoted(std::string_view text);
std::string set_aside(const std::string& path);  // "mv 'PATH' 'PATH.broken'"

}  // namespace rollcall
