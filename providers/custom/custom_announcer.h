// This node through a plug-in that offers the capability `announce`: over a connection (and, where
// Rollcall starts the plug-in, to a process) of its own, which is kept until it is withdrawn.
//
// Threads: an Announcer's.
#pragma once

#include <memory>

#include "core/announcer.h"
#include "core/time.h"
#include "providers/custom/plugin_settings.h"

namespace rollcall {

std::unique_ptr<Announcer> make_custom_announcer(std::shared_ptr<const PluginSettings> settings,
                                                 const Announcement& what, const Clock& clock);

}  // namespace rollcall
