// This node in the process registry of its host, as an entry of the sidecar's own process: the
// entry is dead when the sidecar is, and whoever reads the registry next drops it. The socket is
// the one of the configuration, or the sidecar's own.
//
// The directory is not made: one that is not there may have been unmounted, and an empty one in its
// place would take every other node away. The file in it is.
//
// Threads: an Announcer's.
#pragma once

#include <memory>

#include "core/announcer.h"
#include "core/file_system.h"
#include "core/time.h"
#include "providers/local/local_stream.h"

namespace rollcall {

std::unique_ptr<Announcer> make_local_announcer(const LocalSettings& settings,
                                                const Announcement& what, FileSystem& files,
                                                const Clock& clock);

}  // namespace rollcall
