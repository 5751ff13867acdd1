#include "provisioning/control/block_ledger.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace rollcall {
namespace {

bool same_life(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() || a == b;
}

}  // namespace

void BlockLedger::restore(BlockTable blocks, MonoTime now) {
  visible_ = std::move(blocks);
  for (auto& [id, block] : visible_) {
    if (block.recovering) block.recovered_at = now;
  }
  table_changed();
}

bool BlockLedger::blocks(const NodeId& id, const std::string& incarnation) const {
  const auto it = visible_.find(id);
  return it != visible_.end() && same_life(it->second.incarnation, incarnation);
}

void BlockLedger::table_changed() {
  recovering_.clear();
  next_expiry_.reset();
  for (const auto& [id, block] : visible_) {
    if (block.recovering) recovering_.insert(id);
    if (!next_expiry_ || block.expires_mono < *next_expiry_) next_expiry_ = block.expires_mono;
  }
}

const Block* BlockLedger::coming(const NodeId& id) const {
  const auto newest_in = [&](const std::vector<Operation>& operations) -> const Block* {
    const auto it = std::find_if(operations.rbegin(), operations.rend(), [&](const Operation& o) {
      return o.kind == Operation::Kind::Put && o.block.node == id;
    });
    return it == operations.rend() ? nullptr : &it->block;
  };
  if (const Block* block = newest_in(waiting_)) return block;
  if (in_flight_) {
    if (const Block* block = newest_in(*in_flight_)) return block;
  }
  const auto it = visible_.find(id);
  return it == visible_.end() ? nullptr : &it->second;
}

Result<void> BlockLedger::enqueue_request(Operation operation) {
  if (waiting_requests_ >= limits::kMaxWaitingRequests) {
    return fail(ErrorCode::LimitExceeded, "too many reports wait for the disk; try again");
  }
  ++waiting_requests_;
  waiting_.push_back(std::move(operation));
  return {};
}

Result<void> BlockLedger::quarantine(RequestId request, const NodeId& id,
                                     const std::string& incarnation,
                                     const std::string& known_incarnation, MonoTime expires) {
  const Block* block = coming(id);
  const std::string& life = incarnation.empty() ? known_incarnation : incarnation;
  if (block != nullptr && !known_incarnation.empty() && block->incarnation == known_incarnation &&
      life != known_incarnation) {
    return fail(ErrorCode::OutOfOrder, "node " + id.str() + " is known in incarnation " +
                                           known_incarnation + ", and blocked in that one");
  }
  const std::size_t blocks =
      visible_.size() + waiting_requests_ + (in_flight_ ? in_flight_->size() : 0);
  if (!visible_.contains(id) && blocks >= limits::kMaxBlocks) {
    return fail(ErrorCode::LimitExceeded,
                "at most " + std::to_string(limits::kMaxBlocks) + " nodes may be blocked");
  }
  Operation operation;
  operation.block.node = id;
  operation.block.incarnation = life;
  operation.block.expires_mono = expires;
  operation.request = request;
  return enqueue_request(std::move(operation));
}

Result<bool> BlockLedger::recover(RequestId request, const NodeId& id,
                                  const std::string& incarnation, MonoTime now) {
  const auto it = visible_.find(id);
  const bool shown = it != visible_.end() && same_life(it->second.incarnation, incarnation);
  const bool put_waits = coming(id) != (it == visible_.end() ? nullptr : &it->second);
  if (!shown && !put_waits) return false;
  Operation operation;
  operation.kind = Operation::Kind::Recover;
  operation.block.node = id;
  operation.block.recovered_at = now;
  operation.incarnation = incarnation;
  operation.request = request;
  auto queued = enqueue_request(std::move(operation));
  if (!queued) return tl::unexpected<ProvisioningError>(std::move(queued.error()));
  return true;
}

void BlockLedger::unblock(const NodeId& id) {
  const auto it = visible_.find(id);
  if (it == visible_.end() || !own_.insert(id).second) return;
  Operation operation;
  operation.kind = Operation::Kind::Remove;
  operation.block = it->second;
  waiting_.push_back(std::move(operation));
}

void BlockLedger::expire(MonoTime now) {
  if (!next_expiry_ || now < *next_expiry_) return;
  for (const auto& [id, block] : visible_) {
    if (block.expires_mono <= now) unblock(id);
  }
}

void BlockLedger::seen(const NodeId& id, const std::string& incarnation) {
  const auto it = visible_.find(id);
  if (it == visible_.end() || incarnation.empty() || it->second.incarnation == incarnation) return;
  if (!it->second.incarnation.empty()) {
    unblock(id);
    return;
  }
  if (!own_.insert(id).second) return;
  Operation operation;
  operation.kind = Operation::Kind::Bind;
  operation.block = it->second;
  operation.incarnation = incarnation;
  waiting_.push_back(std::move(operation));
}

void BlockLedger::apply(BlockTable& table, const Operation& operation) {
  const auto it = table.find(operation.block.node);
  switch (operation.kind) {
    case Operation::Kind::Put:
      table[operation.block.node] = operation.block;
      break;
    case Operation::Kind::Recover:
      if (it == table.end() || !same_life(it->second.incarnation, operation.incarnation)) break;
      it->second.recovering = true;
      it->second.recovered_at = operation.block.recovered_at;
      break;
    case Operation::Kind::Remove:
      if (it != table.end() && it->second == operation.block) table.erase(it);
      break;
    case Operation::Kind::Bind:
      if (it != table.end() && it->second == operation.block) {
        it->second.incarnation = operation.incarnation;
      }
      break;
  }
}

std::optional<BlockLedger::Write> BlockLedger::begin_write(MonoTime now) {
  if (in_flight_) return std::nullopt;
  const bool something = !waiting_.empty() || file_differs_;
  if (!something || (waiting_requests_ == 0 && now < retry_at_)) return std::nullopt;
  in_flight_ = std::exchange(waiting_, {});
  waiting_requests_ = 0;
  Write write{++version_, visible_};
  for (const Operation& operation : *in_flight_) apply(write.table, operation);
  return write;
}

BlockLedger::Saved BlockLedger::saved(std::uint64_t version,
                                      const std::optional<ProvisioningError>& error, MonoTime now) {
  Saved out;
  if (!in_flight_ || version != version_) return out;
  std::vector<Operation> done = std::move(*in_flight_);
  in_flight_.reset();
  file_differs_ = error.has_value();
  if (error) retry_at_ = now + kBlockWriteRetry;

  std::vector<Operation> again;
  for (Operation& operation : done) {
    if (operation.request) out.answers.push_back({*operation.request, operation.block.node, error});
    if (!error) {
      apply(visible_, operation);
      out.touched.push_back(operation.block.node);
      if (!operation.request) own_.erase(operation.block.node);
    } else if (!operation.request) {
      again.push_back(std::move(operation));
    }
  }
  waiting_.insert(waiting_.begin(), std::make_move_iterator(again.begin()),
                  std::make_move_iterator(again.end()));
  if (!error) table_changed();
  return out;
}

std::optional<MonoTime> BlockLedger::deadline(MonoTime now) const {
  std::optional<MonoTime> first;
  const auto take = [&](MonoTime at) {
    if (at > now && (!first || at < *first)) first = at;
  };
  if (next_expiry_) take(*next_expiry_);
  if (!in_flight_ && (!waiting_.empty() || file_differs_)) take(retry_at_);
  return first;
}

}  // namespace rollcall
