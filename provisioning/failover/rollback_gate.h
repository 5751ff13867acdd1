// RollbackGate: may this answer be believed, after the backend's history broke? (SPEC 3)
//
// After INDEX_ROLLBACK or a changed cluster identity (the answer's `lineage` rises) an answer that
// removes no member is confirmed; one that would is partial until the same answer has stood for
// `rollback_stand`. The same caution, for empty answers only, after an operator pointed the
// provider at another backend: a misspelt service name must not empty the cluster.
//
// Threads: a value, one a provider, used by the writer only.
#pragma once

#include <cstdint>
#include <optional>

#include "core/member_map.h"
#include "core/time.h"

namespace rollcall {

class RollbackGate {
 public:
  enum class Verdict : std::uint8_t { Confirmed, Partial };

  // `known`: the provider's last confirmed view, none if it never had one.
  Verdict judge(const std::optional<MemberMap>& known, const MemberMap& answer,
                std::uint64_t lineage, MonoTime complete, Duration stand);
  // The provider said INDEX_ROLLBACK.
  void history_broke();
  // The descriptor's backend was changed. A graver doubt stays.
  void backend_changed() {
    if (suspicion_ == Suspicion::None) suspicion_ = Suspicion::OfEmptiness;
  }
  bool suspicious() const { return suspicion_ != Suspicion::None; }

 private:
  enum class Suspicion : std::uint8_t { None, OfEmptiness, OfRemovals };
  bool would_lose(const MemberMap& known, const MemberMap& answer) const;
  void believe(std::uint64_t lineage);

  struct Candidate {
    MemberMap view;
    MonoTime since{};
  };
  Suspicion suspicion_ = Suspicion::None;
  std::uint64_t lineage_ = 0;  // of the last answer
  bool any_ = false;           // there was one
  std::optional<Candidate> candidate_;
};

}  // namespace rollcall
