// What remoting says: quarantine and recovery (R4.2, R4.4, SPEC 6).
#include <algorithm>
#include <utility>

#include "provisioning/control/core_impl.h"

namespace rollcall {

bool ProvisioningCore::Impl::is_member(const NodeId& id) const {
  return topology_.members().find(id) != nullptr;
}

void ProvisioningCore::Impl::on(const input::Quarantine& in) {
  settle({});
  const Member* member = topology_.members().find(in.node);
  const std::string known = member == nullptr ? "" : member->node->incarnation;
  auto queued =
      ledger_.quarantine(in.request, in.node, in.incarnation, known, now_ + policy_.block_lifetime);
  if (!queued) {
    reply(in.request, tl::unexpected<ProvisioningError>(std::move(queued.error())));
    return;
  }
  write_blocks();
}

void ProvisioningCore::Impl::on(const input::Recover& in) {
  settle({});
  auto queued = ledger_.recover(in.request, in.node, in.incarnation, now_);
  if (!queued) {
    reply(in.request, tl::unexpected<ProvisioningError>(std::move(queued.error())));
    return;
  }
  if (!*queued) {  // nothing is blocked: the node is what the caller wants it to be
    effect::ReplyOk ok;
    ok.member = is_member(in.node);
    ok.seq_no = make_seq(options_.boot, last_n_);
    ok.active = failover_.active_id();
    reply(in.request, ok);
    return;
  }
  write_blocks();
}

void ProvisioningCore::Impl::on(const input::BlocksSaved& in) {
  settle({});
  BlockLedger::Saved saved = ledger_.saved(in.version, in.error, now_);
  if (in.error) {
    notice(effect::Notice::Level::Error, "blocks_not_saved", ProviderId(), in.error->code,
           in.error->message);
  }
  TopologyChange change;
  topology_.update_blocks(
      saved.touched,
      [this](const NodeId& id, const std::string& life) { return ledger_.blocks(id, life); },
      change);
  tell_change(change, failover_.active());
  for (const NodeId& id : saved.touched) bind_block(id);
  for (BlockLedger::Answer& answer : saved.answers) {
    if (answer.error) {
      reply(answer.request, tl::unexpected<ProvisioningError>(std::move(*answer.error)));
      continue;
    }
    effect::ReplyOk ok;
    ok.member = is_member(answer.node);
    ok.seq_no = make_seq(options_.boot, last_n_);
    ok.active = failover_.active_id();
    reply(answer.request, ok);
  }
  unblock_refreshed();
  write_blocks();
}

// R4.4: the first confirmed answer of the active provider (merged: of any) whose read began after
// the report, and that contains the node.
void ProvisioningCore::Impl::unblock_refreshed() {
  if (draining_ || failover_.active() == nullptr || ledger_.recovering().empty()) return;
  const std::vector<const ProviderRecord*> speakers = voices();
  for (const NodeId& id : ledger_.recovering()) {
    const Block& block = ledger_.visible().at(id);
    const bool refreshed =
        std::any_of(speakers.begin(), speakers.end(), [&](const ProviderRecord* record) {
          return record->times.read_began > block.recovered_at && record->view->find(id) != nullptr;
        });
    if (refreshed) ledger_.unblock(id);
  }
}

// A block ends when another known incarnation joins; one without an incarnation is bound to the
// first known one.
void ProvisioningCore::Impl::note_lives(const TopologyChange& change) {
  if (ledger_.visible().empty()) return;
  for (const Member& member : change.joined) ledger_.seen(member.id(), member.node->incarnation);
  for (const auto& changed : change.changed) {
    ledger_.seen(changed.after.id(), changed.after.node->incarnation);
  }
}

// A block without an incarnation whose node made one known while it was being written.
void ProvisioningCore::Impl::bind_block(const NodeId& id) {
  const auto block = ledger_.visible().find(id);
  const Member* member = topology_.members().find(id);
  if (block == ledger_.visible().end() || !block->second.incarnation.empty()) return;
  if (member != nullptr) ledger_.seen(id, member->node->incarnation);
}

void ProvisioningCore::Impl::write_blocks() {
  if (auto write = ledger_.begin_write(now_)) {
    effects_.list.push_back(effect::SaveBlocks{write->version, std::move(write->table)});
  }
}

}  // namespace rollcall
