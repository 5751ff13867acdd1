// Announcer: how a provider's backend is told that this node is a member, and that it still is. A
// kind whose backend can take such a word offers one (ClusterProvider::announcer()); who calls it,
// and when, is provisioning/announce's affair.
//
// Every call is idempotent: after an error nobody knows whether the backend did it, and it is done
// again. None blocks beyond its deadline. An announcer never takes over what belongs to somebody
// else: an id under which the backend lists another address is DUPLICATE_NAME.
//
// Threads: belongs to one, except cancel(), which any thread may call at any time and more than
// once. It outlives the provider that made it, and never the Clock and FileSystem of that.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"
#include "core/node.h"
#include "core/time.h"

namespace rollcall {

// The node as it is to be announced; one that is all right by validate_node().
struct Announcement {
  ClusterNode node;
  std::string socket;  // on which it listens, absolute; empty: none. For the kind `local`
  Duration ttl{};      // the backend forgets the node when it heard nothing for that long
};

// What a backend made of it.
struct Announced {
  Duration ttl{};    // the one that counts there; at most a little longer than what was asked for
  NodeId listed_as;  // under which the provider's own list has the node (watch_params.id)
};

enum class Standing : std::uint8_t {
  Known,
  NotKnown,  // the backend knows nothing of it (any more): it has to be registered again
};

class Announcer {
 public:
  virtual ~Announcer() = default;

  // What is registered, within its backend ("/services/web/n1"). Two announcers of different names
  // can be withdrawn independently of each other; of one name, they may share a registration.
  virtual const std::string& registration() const = 0;

  // Makes the node a member, or what is there of it the same again. Errors beside the provider's:
  // DUPLICATE_NAME (the id is somebody else's), CAPABILITY_MISSING (this backend does not do it),
  // INVALID_CONFIG (it refuses the node as it is).
  virtual Result<Announced> register_node(MonoTime deadline) = 0;
  // "It still lives", with proof that the backend has it as it was registered.
  virtual Result<Standing> renew(MonoTime deadline) = 0;
  // It leaves, now. What is not there (any more) is withdrawn, too.
  virtual Result<void> withdraw(MonoTime deadline) = 0;

  // The call at hand and all later ones end with an error within moments.
  virtual void cancel() noexcept = 0;
};

}  // namespace rollcall
