// Who may touch the registry: its owner and nobody else (directory 0700, files 0600).
//
// Beside FileSystem, because that interface knows neither owners nor modes: it makes a directory of
// ours private, while somebody who opened up the registry, or put another one in its place, has to
// be told and not silently corrected. Below a directory that only its owner may enter, what a path
// leads to can't be exchanged between the check and the use.
//
// Threads: any.
#pragma once

#include <string>

#include "core/error.h"

namespace rollcall {

// NOT_FOUND if absent; PERMISSION_DENIED (with the command that repairs) if it is another user's,
// no directory, a symbolic link, or open to others; STORE_IO.
Result<void> check_private_directory(const std::string& path);
// The same for a regular file; absent is fine.
Result<void> check_private_file(const std::string& path);
Result<void> check_private_descriptor(int fd, const std::string& path);

}  // namespace rollcall
