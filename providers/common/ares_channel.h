// What every use of c-ares shares: a channel that is let go of, and one turn of its loop that ends
// by a deadline and wakes on cancellation. Nobody but providers includes this: it needs c-ares.
//
// Threads: a channel belongs to one; only the Cancel in `io` is touched from others.
#pragma once

#include <ares.h>

#include <memory>

#include "providers/common/cancel.h"

namespace rollcall {

// Destroying a channel ends its open questions, which calls their callbacks: what these write to
// must outlive it.
struct DestroyAresChannel {
  void operator()(ares_channel channel) const { ares_destroy(channel); }
};
using AresChannel = std::unique_ptr<ares_channeldata, DestroyAresChannel>;

// Waits for the channel's sockets, its next internal time-out, cancellation or the deadline,
// whichever is first, and lets the channel work. Returns whether it was cancelled.
bool run_ares_once(ares_channel channel, MonoTime deadline, const Io& io);

}  // namespace rollcall
