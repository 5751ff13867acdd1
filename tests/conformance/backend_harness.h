// What a kind of provider contributes to the conformance suite: a backend that can be filled,
// broken and repaired, and a descriptor that leads to it. One file <kind>_harness.cpp a kind, which
// CMakeLists.txt finds by itself; the suite fails for a kind of the catalogue that has none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/provider.h"

namespace rollcall::test {

class BackendHarness {
 public:
  virtual ~BackendHarness() = default;
  // With the kind's shortest intervals, so that the suite is fast.
  virtual ProviderDescriptor descriptor() = 0;
  virtual ProviderContext context() = 0;
  // The backend has exactly these members soon. `provider` is one of descriptor().
  virtual void set_members(ClusterProvider& provider, const std::vector<ClusterNode>& nodes) = 0;
  // What this backend can say of a node: the same, unless its format has no place for all of it.
  virtual ClusterNode as_told(const ClusterNode& node) { return node; }
  // The backend can't be asked until repair(). False: there is nothing that could be broken.
  virtual bool break_down() = 0;
  virtual void repair() = 0;
};

// Defined by the one harness file of a test binary.
const char* harness_kind();
std::unique_ptr<BackendHarness> make_harness();  // null: it could not start, which it has reported

}  // namespace rollcall::test
