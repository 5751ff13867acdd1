#include "provisioning/failover/rollback_gate.h"

namespace rollcall {

bool RollbackGate::would_lose(const MemberMap& known, const MemberMap& answer) const {
  if (suspicion_ == Suspicion::OfEmptiness) return answer.empty() && !known.empty();
  return !MemberMap::diff(known, answer).removed.empty();
}

void RollbackGate::believe(std::uint64_t lineage) {
  suspicion_ = Suspicion::None;
  candidate_.reset();
  lineage_ = lineage;
  any_ = true;
}

void RollbackGate::history_broke() {
  suspicion_ = Suspicion::OfRemovals;
  candidate_.reset();
}

RollbackGate::Verdict RollbackGate::judge(const std::optional<MemberMap>& known,
                                          const MemberMap& answer, std::uint64_t lineage,
                                          MonoTime complete, Duration stand) {
  // A lower lineage is a stream that counts afresh, no break.
  if (any_ && lineage > lineage_) history_broke();
  lineage_ = lineage;
  any_ = true;
  if (suspicion_ == Suspicion::None || !known || !would_lose(*known, answer)) {
    believe(lineage);
    return Verdict::Confirmed;
  }
  const bool same = candidate_ && MemberMap::diff(candidate_->view, answer).empty();
  if (!same) candidate_ = Candidate{answer, complete};
  if (complete - candidate_->since < stand) return Verdict::Partial;
  believe(lineage);
  return Verdict::Confirmed;
}

}  // namespace rollcall
