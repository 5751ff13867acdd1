// ProviderReport: what a provider's thread has to say, in one slot. A waiting report absorbs later
// ones, so that nothing piles up while the writer is busy (DESIGN "Merging"). Net effects are never
// lost, intermediate states may be.
//
// A report carries the provider's whole view as a MemberMap that shares structure with the view of
// the report before: passing it costs one reference count, and the core finds the difference in
// time proportional to the change. That makes merging trivially right: the later view replaces the
// waiting one, and a change of incarnation survives because it is in the node.
//
// Threads: a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/ids.h"
#include "core/member_map.h"
#include "core/provider.h"

namespace rollcall {

struct ProviderReport {
  ProviderId provider;
  StreamGeneration generation;

  // The newest complete answer, if there was one since the last report was taken. An attestation
  // ("unchanged") is an answer with the same view.
  struct Answer {
    MemberMap view;  // blocked flags all false
    std::string backend_index;
    std::uint64_t lineage = 0;
    AnswerTimes times;
  };
  std::optional<Answer> answer;

  // Failures since the last answer (they follow `answer` in time) …
  std::uint32_t errors_after = 0;
  std::uint32_t invalid_after = 0;  // of these: MALFORMED_RESPONSE or CAPABILITY_MISSING (R5.2)
  // … and those before it within this report: an answer cleared them, they are counted as
  // interruptions only.
  std::uint32_t errors_before = 0;
  std::optional<ErrorCode> last_error;  // of the newest failure, before or after
  std::string last_error_detail;
  std::optional<Terminated> terminated;  // last, if at all

  // What the stream says next, in the order in which it says it.
  void add(Answer next);
  void add(const FailedAnswer& failure);
  void add(const Terminated& end);

  // Absorbs `later`, of the same provider. A later generation replaces this report altogether; an
  // earlier one is dropped.
  void merge(ProviderReport later);
};

}  // namespace rollcall
