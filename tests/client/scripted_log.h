// A sidecar's log as a test writes it: keeps the true topology, numbers events, and makes the
// messages a client would receive: right by default, and as wrong as a test wants by editing them.
//
// Threads: one owner.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/member_map.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall::client::testing {

ClusterNode make_node(const std::string& id, const std::string& incarnation = "",
                      NodeStatus status = NodeStatus::Ready);

class ScriptedLog {
 public:
  explicit ScriptedLog(std::uint64_t boot = 1);

  Epoch epoch() const { return epoch_; }
  SeqNo seq_no() const { return seq_no_; }  // newest entry
  const MemberMap& members() const { return members_; }
  std::uint64_t hash() const { return members_.hash(); }

  // A restart: another epoch and boot counter, the same members.
  void restart();
  // Changes the truth without saying so.
  void set_members(MemberMap members) { members_ = std::move(members); }

  // --- entries: each takes the next sequence number ---
  v1::ClusterEvent join(const ClusterNode& node);
  v1::ClusterEvent leave(const std::string& id);
  v1::ClusterEvent change(const ClusterNode& node, bool blocked = false);
  v1::ClusterEvent rejoin(const ClusterNode& node);  // another incarnation: left and joined
  v1::ClusterEvent remote(v1::RemoteKind kind, const ClusterNode& node, bool blocked = false);
  v1::ClusterEvent availability(v1::Availability availability, bool paused, bool stale);
  v1::ClusterEvent provider_changed(const std::string& from, const std::string& to);
  v1::ClusterEvent health(const std::string& provider, v1::Health health, v1::Advice advice);
  v1::ClusterEvent leases(std::uint64_t tick, const std::vector<std::string>& partitions);
  v1::ClusterEvent terminated(const std::string& provider, const std::string& code);
  v1::ClusterEvent reset(MemberMap members);
  v1::ClusterEvent unknown();  // of a newer sidecar: only a sequence number

  // --- positions, at the newest entry or at an earlier one ---
  v1::ClusterEvent bookmark() const;
  std::vector<v1::ClusterEvent> snapshot(std::size_t members_a_chunk = 1000) const;
  static std::vector<v1::ClusterEvent> snapshot_of(Epoch epoch, SeqNo seq_no,
                                                   const MemberMap& members,
                                                   std::size_t members_a_chunk = 1000);

 private:
  v1::ClusterEvent next();
  v1::ClusterEvent delta(const std::function<void(v1::Delta&)>& fill, MemberMap after);

  std::uint64_t boot_;
  Epoch epoch_;
  SeqNo seq_no_;
  MemberMap members_;
};

}  // namespace rollcall::client::testing
