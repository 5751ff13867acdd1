// ProviderView: what one provider last said, as a MemberMap whose versions share structure.
//
// Answers of a backend come as whole lists or as changes; the view turns either into the next
// version, so that the core pays for what changed and not for the size of the cluster. An answer
// that names a member twice or breaks a limit changes nothing and is an error (SPEC 3): the caller
// reports it as a failed answer.
//
// Threads: none of its own; it lives on its provider's thread. The MemberMaps it hands out are
// values.
#pragma once

#include "core/error.h"
#include "core/member_map.h"
#include "core/provider.h"

namespace rollcall {

class ProviderView {
 public:
  // The complete list. MALFORMED_RESPONSE (a member twice, a node that breaks limits.h, with the
  // first problems), LIMIT_EXCEEDED (too many members).
  Result<void> apply(ProviderSnapshot& answer);
  // A difference to what was said before. MALFORMED_RESPONSE as above, also before any snapshot.
  Result<void> apply(ChangeAnswer& answer);

  const MemberMap& members() const { return members_; }
  bool has_snapshot() const { return has_snapshot_; }

 private:
  MemberMap members_;
  bool has_snapshot_ = false;
};

}  // namespace rollcall
