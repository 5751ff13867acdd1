// Checks for which the backend itself must change, which only the plug-in's author can do: a
// command of theirs does it (--change-command, --rotate-command), run by /bin/sh -c.
//
// Threads: one owner.
#pragma once

#include "deploy/rollcall-conformance/checks.h"

namespace rollcall::conformance {

// After the command a watch that is open tells of other members than before, and a Snapshot tells
// the same.
Verdict changes_are_told(PluginTarget& target);

// The command writes another token into the token file and makes the old one invalid. Within
// `rotate_seconds` (plugin.proto: files are read again every 60 s and after a refusal) the plug-in
// has members again.
Verdict rotated_token_is_used(PluginTarget& target);

}  // namespace rollcall::conformance
