// This node as an instance of the provider's service, registered at one agent with a TTL check:
// when nobody updates the check, the node is NOT_READY after the TTL and is taken out by the agent
// later.
//
// A registration belongs to the agent that took it, and agents know nothing of each other's. So an
// announcer stays with the endpoint at which it found the node, left there by an earlier announcer,
// or else with the first one that answered before it registered there, whatever happens: at another
// one, the node would be there twice, and where ids come from the service or from meta, two
// instances of one id would make everybody's answer malformed. For the same reason an id that an
// instance on another agent has is refused.
//
// Threads: an Announcer's.
#pragma once

#include <memory>

#include "core/announcer.h"
#include "core/descriptor.h"
#include "core/time.h"
#include "providers/consul/consul_settings.h"

namespace rollcall {

std::unique_ptr<Announcer> make_consul_announcer(std::shared_ptr<const ConsulSettings> settings,
                                                 const AuthRef& auth, const Announcement& what,
                                                 const Clock& clock);

}  // namespace rollcall
