// Puts a chunked snapshot together (SPEC 5): chunk 0 discards an unfinished one, and it counts when
// the last has come.
//
// Threads: none of its own; one owner.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "bridges/client/replica/notice.h"
#include "core/snapshot.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall::client {

using LeaseTable = std::map<std::string, Lease>;  // by partition

struct AssembledSnapshot {
  Position position;
  std::uint64_t hash = 0;
  std::uint32_t hash_version = 0;
  MemberMap members;
  LeaseTable leases;
  std::uint64_t lease_tick = 0;
  Availability availability = Availability::Unavailable;
  bool stale = true;
  std::uint64_t age_ms = 0;
  bool draining = false;
  ProviderId provider_id;
  HealthState health = HealthState::Unreachable;
  std::uint32_t unusable_members = 0;  // that could not be held; the hash then won't match
};

class SnapshotAssembly {
 public:
  enum class Progress : std::uint8_t {
    Incomplete = 1,
    Complete = 2,  // take() has it
    Broken = 3,    // problem() says why; nothing is kept
  };
  // `event` must hold a snapshot chunk.
  Progress add(const v1::ClusterEvent& event);
  void discard();
  AssembledSnapshot take();  // after Complete, once
  std::string_view problem() const { return problem_; }

 private:
  Progress broken(std::string problem);
  bool belongs(const v1::ClusterEvent& event) const;
  Progress finish(const v1::SnapshotChunk& chunk);

  std::optional<AssembledSnapshot> unfinished_;
  std::vector<Member> members_;
  std::uint32_t next_chunk_ = 0;
  std::string problem_;
};

}  // namespace rollcall::client
