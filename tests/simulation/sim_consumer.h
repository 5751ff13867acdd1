// SimConsumer: a consumer as it is in the field: the real replica over a real cursor of the hub,
// sometimes slow, sometimes gone, sometimes back with an old copy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bridges/client/replica/topology_replica.h"
#include "provisioning/hub/watch_hub.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/timeline.h"

namespace rollcall::test {

class SimConsumer {
 public:
  SimConsumer(std::string name, Bridge bridge, Oracle& oracle, Dice& dice)
      : name_(std::move(name)), bridge_(bridge), oracle_(oracle), dice_(dice) {}

  void connect(WatchHub& hub, MonoTime now);
  void disconnect();  // also when the sidecar dies
  bool connected() const { return stream_ != nullptr; }
  // Takes what there is, at most `batches`; false: nothing was there.
  bool read(WatchHub& hub, int batches, MonoTime now);
  // The consumer itself dies and comes back with what it had saved, or with nothing.
  void restart();
  void save_state() { saved_ = replica_->export_state(); }

  const client::TopologyReplica& replica() const { return *replica_; }
  const std::string& name() const { return name_; }
  std::uint64_t snapshots() const { return snapshots_; }

 private:
  class FlagWaker;
  void take(const v1::ClusterEvent& event, WatchHub& hub, MonoTime now);
  void check(MonoTime now);
  void act_on(const client::TopologyChange& change, MonoTime now);

  const std::string name_;
  const Bridge bridge_;
  Oracle& oracle_;
  Dice& dice_;
  std::optional<client::TopologyReplica> replica_{std::in_place};
  std::shared_ptr<Subscription> stream_;
  std::shared_ptr<FlagWaker> waker_;
  MemberMap acted_on_;  // what the notices amount to
  std::string saved_;
  std::uint64_t snapshots_ = 0;
};

}  // namespace rollcall::test
