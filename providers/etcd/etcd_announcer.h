// This node as a key of etcd: below the provider's prefix, in the format that the provider reads,
// with a lease. When nobody keeps the lease alive, etcd deletes the key.
//
// Threads: an Announcer's.
#pragma once

#include <memory>

#include "core/announcer.h"
#include "core/descriptor.h"
#include "core/time.h"
#include "providers/etcd/etcd_settings.h"

namespace rollcall {

std::unique_ptr<Announcer> make_etcd_announcer(std::shared_ptr<const EtcdSettings> settings,
                                               const AuthRef& auth, const Announcement& what,
                                               const Clock& clock);

}  // namespace rollcall
