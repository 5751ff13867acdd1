// BlockLedger: how a block becomes durable before it becomes visible (SPEC 6).
//
// Every change of the block table is an operation that waits for the next write of the file; one
// write is in flight at a time and takes all that wait with it. When it is done the table changes
// and the requests behind it are answered. A failed write answers its requests with the error and
// changes nothing; the core's own operations (unblock, expiry) stay and are tried again.
//
// Threads: a value, used by the writer only. Bounded: kMaxBlocks blocks, kMaxWaitingRequests
// requests.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/ids.h"
#include "core/time.h"
#include "provisioning/control/block_table.h"

namespace rollcall {

// Between two writes that nobody but the core waits for, after a failed one.
inline constexpr Duration kBlockWriteRetry = std::chrono::seconds(5);

class BlockLedger {
 public:
  // What an earlier run left; a recovery reported then waits for a refresh that begins now.
  void restore(BlockTable blocks, MonoTime now);

  const BlockTable& visible() const { return visible_; }
  // An incarnation that is not known, on either side, is taken for the same (README).
  bool blocks(const NodeId& id, const std::string& incarnation) const;
  const std::set<NodeId>& recovering() const { return recovering_; }

  // Requests; answered by saved(). LIMIT_EXCEEDED, OUT_OF_ORDER.
  Result<void> quarantine(RequestId request, const NodeId& id, const std::string& incarnation,
                          const std::string& known_incarnation, MonoTime expires);
  // False: there is no such block, nothing to wait for.
  Result<bool> recover(RequestId request, const NodeId& id, const std::string& incarnation,
                       MonoTime now);

  // The core's own. Each at most once at a time.
  void unblock(const NodeId& id);  // refreshed (R4.4), ended or expired
  void expire(MonoTime now);       // those whose time is over
  // A node is in this known incarnation now: a block of another one ends, one without is bound to
  // it.
  void seen(const NodeId& id, const std::string& incarnation);

  struct Write {
    std::uint64_t version = 0;
    BlockTable table;
  };
  // The write that is due now, if none is in flight.
  std::optional<Write> begin_write(MonoTime now);

  struct Answer {
    RequestId request;
    NodeId node;
    std::optional<ProvisioningError> error;
  };
  struct Saved {
    std::vector<NodeId> touched;  // their visible block may differ now
    std::vector<Answer> answers;
  };
  Saved saved(std::uint64_t version, const std::optional<ProvisioningError>& error, MonoTime now);

  // When something is due by time alone; always after `now`.
  std::optional<MonoTime> deadline(MonoTime now) const;

 private:
  struct Operation {
    enum class Kind : std::uint8_t { Put, Recover, Remove, Bind };
    Kind kind = Kind::Put;
    Block
        block;  // Put: the new one. Remove, Bind: the one that is meant, nothing if it has changed
    std::string incarnation;  // of Recover, Bind
    std::optional<RequestId> request;
  };
  static void apply(BlockTable& table, const Operation& operation);
  Result<void> enqueue_request(Operation operation);
  // The block of a node as it will be once all reports that wait are durable; null: none.
  const Block* coming(const NodeId& id) const;
  void table_changed();

  BlockTable visible_;
  std::set<NodeId> recovering_;          // of visible_
  std::optional<MonoTime> next_expiry_;  // of visible_

  std::vector<Operation> waiting_;
  std::size_t waiting_requests_ = 0;
  std::set<NodeId> own_;  // nodes with an operation of the core's own, waiting or in flight
  std::optional<std::vector<Operation>> in_flight_;
  std::uint64_t version_ = 0;
  bool file_differs_ = false;  // a failed write may have left another content
  MonoTime retry_at_{};
};

}  // namespace rollcall
