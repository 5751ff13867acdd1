// Whatever bytes a sidecar, or somebody in its place, sends: the replica neither crashes nor breaks
// its promises. Positions never go back within an epoch (but to a snapshot, where only the position
// is kept), an entry is applied once, and while verification is on the copy has the hash that was
// stated for its position.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "bridges/client/replica/topology_replica.h"
#include "rollcall/v1/events.pb.h"

using rollcall::client::Phase;
using rollcall::client::Position;
using rollcall::client::TopologyReplica;
using rollcall::client::Verdict;
using rollcall::client::Verification;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void feed(TopologyReplica& replica, const rollcall::v1::WatchBatch& batch) {
  for (const auto& event : batch.events()) {
    const Position before = replica.view().position;
    const auto step = replica.apply(event);
    const auto& view = replica.view();
    const bool put_back = view.verification == Verification::NoCopy && event.has_snapshot();
    if (put_back) {
      require(view.position == before || view.position.seq_no.value() == event.seq_no());
    } else if (view.position.epoch == before.epoch) {
      require(view.position.seq_no >= before.seq_no);
    }
    if (step.verdict == Verdict::Applied && !event.has_reset()) {
      require(view.position.seq_no.value() == event.seq_no());
      require(view.position.seq_no > before.seq_no);
    }
    if (step.verdict == Verdict::Applied && event.has_delta() &&
        view.verification == Verification::On) {
      require(view.members.hash() == event.snapshot_hash());
    }
    if (step.verdict == Verdict::Resync) replica.stream_opened();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rollcall::v1::WatchBatch batch;
  if (!batch.ParseFromArray(data, static_cast<int>(size))) return 0;
  TopologyReplica copy;
  feed(copy, batch);
  feed(copy, batch);  // all of it once more: nothing may be applied twice
  if (copy.view().phase == Phase::Following && copy.view().verification == Verification::On) {
    TopologyReplica other;
    if (other.import_state(copy.export_state())) {
      require(other.view().members.hash() == copy.view().members.hash());
      require(other.resume_position() == copy.view().position);
    }
  }
  TopologyReplica light(TopologyReplica::Keep::Position);
  feed(light, batch);
  return 0;
}
