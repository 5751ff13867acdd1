#include "tests/simulation/sim_consumer.h"

#include <utility>
#include <variant>

#include "core/limits.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall::test {

class SimConsumer::FlagWaker final : public Waker {
 public:
  void wake() override { awake = true; }
  void abandon(const ProvisioningError&) override { abandoned = true; }
  bool awake = true;
  bool abandoned = false;
};

void SimConsumer::connect(WatchHub& hub, MonoTime now) {
  disconnect();
  const client::Position position = replica_->resume_position();
  WatchRequest request;
  request.bridge = bridge_;
  request.consumer_id = name_;
  request.epoch = position.epoch;
  request.after = position.seq_no;
  request.acknowledges = bridge_ == Bridge::Placement;
  waker_ = std::make_shared<FlagWaker>();
  auto stream = hub.subscribe(request, waker_, now);
  if (!stream) return;  // shutting down: tried again later
  stream_ = *stream;
  replica_->stream_opened();
}

void SimConsumer::disconnect() {
  if (stream_ == nullptr) return;
  stream_->close();
  stream_.reset();
}

bool SimConsumer::read(WatchHub& hub, int batches, MonoTime now) {
  bool any = false;
  for (int i = 0; i < batches && stream_ != nullptr; ++i) {
    if (!waker_->awake) return any;
    const Subscription::Next next =
        stream_->next(dice_.chance(0.5) ? 512 : limits::kMaxBatchBytes, now);
    if (next.outcome == Subscription::Outcome::Idle) {
      waker_->awake = false;
      return any;
    }
    if (next.outcome == Subscription::Outcome::Ended) {
      disconnect();
      return true;
    }
    any = true;
    std::string bytes;
    for (std::uint32_t s = 0; s < next.slice_count; ++s) {
      const Slice& slice = next.slices.at(s);
      bytes.append(reinterpret_cast<const char*>(slice.data), slice.size);
    }
    stream_->written();
    v1::WatchBatch batch;
    if (!batch.ParseFromString(bytes)) {
      oracle_.violation(now, name_ + " got bytes that are no batch");
      return any;
    }
    for (const v1::ClusterEvent& event : batch.events()) {
      take(event, hub, now);
      if (stream_ == nullptr) return true;
    }
  }
  return any;
}

void SimConsumer::act_on(const client::TopologyChange& change, MonoTime now) {
  for (const LeftMember& left : change.left) {
    if (acted_on_.find(left.id) == nullptr) {
      oracle_.violation(now, name_ + " was told twice that " + left.id.str() + " left");
    }
    acted_on_ = acted_on_.without(left.id);
  }
  for (const Member& member : change.joined) {
    if (acted_on_.find(member.id()) != nullptr) {
      oracle_.violation(now, name_ + " was told twice that " + member.id().str() + " joined");
    }
    acted_on_ = acted_on_.with(member);
  }
  for (const Member& member : change.changed) acted_on_ = acted_on_.with(member);
  if (acted_on_.hash() != replica_->view().members.hash()) {
    oracle_.violation(now, name_ + ": what it was told is not what it holds");
  }
}

void SimConsumer::take(const v1::ClusterEvent& event, WatchHub& hub, MonoTime now) {
  const client::Position before = replica_->view().position;
  client::Step step = replica_->apply(event);
  const client::Position after = replica_->view().position;
  if (after.epoch == before.epoch && after.seq_no < before.seq_no) {
    oracle_.violation(now, name_ + " went back in time");
  }
  if (event.has_snapshot() && event.snapshot().last()) ++snapshots_;
  for (const client::Notice& notice : step.notices) {
    if (const auto* change = std::get_if<client::TopologyChange>(&notice)) act_on(*change, now);
    if (const auto* trouble = std::get_if<client::Trouble>(&notice)) {
      oracle_.violation(now, name_ + " is in trouble: " + trouble->message);
    }
  }
  if (step.verdict == client::Verdict::Resync) {
    connect(hub, now);
    return;
  }
  check(now);
  if (bridge_ == Bridge::Placement && dice_.chance(0.3)) {
    const client::Position at = replica_->view().position;
    if (at.epoch == hub.epoch() && !hub.acknowledge(name_, at.epoch, at.seq_no)) {
      oracle_.violation(now, name_ + " could not acknowledge what it applied");
    }
  }
}

void SimConsumer::check(MonoTime now) {
  const client::TopologyView& view = replica_->view();
  if (view.phase != client::Phase::Following) return;
  const auto hash = oracle_.hash_at(view.position.epoch, view.position.seq_no);
  if (!hash) {
    oracle_.violation(now, name_ + " is at a place that never was");
  } else if (*hash != view.members.hash()) {
    oracle_.violation(now, name_ + " holds another topology than the core had there");
  }
}

void SimConsumer::restart() {
  disconnect();
  replica_.emplace();
  acted_on_ = MemberMap();
  if (!saved_.empty() && dice_.chance(0.7)) {
    if (replica_->import_state(saved_)) acted_on_ = replica_->view().members;
  }
}

}  // namespace rollcall::test
