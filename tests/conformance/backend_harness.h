// What a kind of provider contributes to the conformance suite: a backend that can be filled,
// broken and repaired, and a descriptor that leads to it. One file <kind>_harness.cpp a kind, which
// CMakeLists.txt finds by itself; the suite fails for a kind of the catalogue that has none.
#pragma once

#include <memory>
#include <optional>
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
  // The backend is silent (or what stands for that where nobody is asked) until repair(). False:
  // there is nothing that could be broken.
  virtual bool break_down() = 0;
  // Connections are refused until repair(), after which it may have forgotten its members. False:
  // nobody listens at this kind's backend, or it can't be started again cheaply.
  virtual bool refuse() { return false; }
  virtual void repair() = 0;
  // Until set_members() the backend has more than the kind takes; the code that this has to be told
  // by. None: that much would cost more than a suite of every kind may, or the real server never
  // says it; then it is in the kind's own tests.
  virtual std::optional<ErrorCode> exceed_limits() { return std::nullopt; }
};

// Defined by the one harness file of a test binary.
const char* harness_kind();
std::unique_ptr<BackendHarness> make_harness();  // null: it could not start, which it has reported

}  // namespace rollcall::test
