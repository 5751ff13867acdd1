// What consumers may ask of the one writer (SPEC 6). The bridges call it, ProvisioningService
// implements it: every call only puts an input into the service's mailbox.
//
// Threads: any. `done` is called exactly once, on any thread, possibly before the call returns, and
// must not block.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/event.h"
#include "core/ids.h"

namespace rollcall {

struct OwnershipUpdate {
  std::string consumer_id;
  Epoch epoch;
  std::uint64_t tick = 0;
  SeqNo based_on;
  std::vector<Lease> leases;
};

struct NodeReport {
  std::string consumer_id;
  NodeId node;
  std::string incarnation;  // empty: the known one
};

class ConsumerCommands {
 public:
  virtual ~ConsumerCommands() = default;
  // The seq_no of the lease_updated event. OUT_OF_ORDER, PROVISIONING_UNAVAILABLE, LIMIT_EXCEEDED.
  virtual void publish_ownership(OwnershipUpdate update,
                                 std::function<void(Result<SeqNo>)> done) = 0;
  // Whether the node is a member now. Answers once the block is durable. STORE_IO, LIMIT_EXCEEDED.
  virtual void report_quarantined(NodeReport report, std::function<void(Result<bool>)> done) = 0;
  virtual void report_recovered(NodeReport report, std::function<void(Result<bool>)> done) = 0;
};

}  // namespace rollcall
