// The real core and hub, driven without threads or backends: providers that answer when the
// benchmark says so.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bridges/codec/event_codec.h"
#include "core/member_map.h"
#include "core/time.h"
#include "provisioning/control/provisioning_core.h"
#include "provisioning/hub/watch_hub.h"

namespace rollcall::bench {

Member sample_member(std::size_t number, std::uint32_t weight);
MemberMap sample_members(std::size_t count);

class CoreDriver {
 public:
  // Providers in order of priority; all of them have answered with `members` when it returns.
  CoreDriver(const std::vector<std::string>& providers, MemberMap members);

  // What the writer thread does with one input: the step, then the step's events and state to the
  // hub.
  void step(const Input& input);
  Input answer(const std::string& provider, const MemberMap& view) const;
  Input termination(const std::string& provider) const;
  // Time passes (the core's, not the machine's), every provider attesting once a second.
  void pass(Duration d);
  const std::string& active() const { return core_.snapshot().active.str(); }
  WatchHub& hub() { return hub_; }

 private:
  const MemberMap members_;
  MonoTime now_{std::chrono::hours(1)};
  std::map<std::string, StreamGeneration> streams_;  // the ones that run
  ProtoEventEncoder events_;
  ProtoSnapshotEncoder snapshots_;
  ProvisioningCore core_;
  WatchHub hub_;
};

}  // namespace rollcall::bench
