// ProviderValidator: is a descriptor well-formed (R1.1), and does its backend answer (R1.4)?
//
// The first question is answered without I/O and names every problem at once. The second one is
// asked of new and changed descriptors only, of all of them in parallel, each on a thread of its
// own for at most limits::kConnectivityDeadline; never at start. Providers are told a deadline that
// is a grace earlier; one that ignores it is left behind as TIMEOUT, and no caller waits for it.
// Once kMaxAbandonedChecks of them are, nobody is asked until one returns.
//
// Threads: any. A check that was left behind goes on using the catalogue and what the context
// points at: while checks_under_way() is not 0, those must not be destroyed (the daemon ends by
// _Exit then).
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/provider.h"

namespace rollcall {

inline constexpr std::size_t kMaxAbandonedChecks = 32;

class ProviderValidator {
 public:
  ProviderValidator(const ProviderCatalog& catalog, ProviderContext context,
                    Duration connectivity_deadline = limits::kConnectivityDeadline,
                    Duration grace = limits::kConnectivityGrace);

  // For the metrics: told of each answer, on the asking thread. Set before the first question.
  using OnChecked =
      std::function<void(const ProviderId&, std::optional<ErrorCode> error, Duration took)>;
  void set_on_checked(OnChecked on_checked) { on_checked_ = std::move(on_checked); }

  // Every problem: of the descriptor itself, an unknown kind (with the known ones named), and those
  // of its kind. `field` prefixes the paths ("providers[2]").
  std::vector<Problem> check(const ProviderDescriptor& d, std::string_view field) const;
  // The same of a whole set: more than limits::kMaxProviders and repeated ids as well.
  std::vector<Problem> check_all(const std::vector<ProviderDescriptor>& set,
                                 std::string_view field) const;

  // Whether its kind has a backend of its own. An unknown kind has none.
  bool is_external(const ProviderDescriptor& d) const;

  // One result a descriptor, in order. A backend that lacks a capability is an answer, not an error
  // (R1.3). Blocks until all have answered or their time is up. What a provider throws becomes
  // BACKEND_UNAVAILABLE.
  std::vector<Result<Capabilities>> check_connectivity(
      const std::vector<ProviderDescriptor>& set) const;

  // Threads that ask a backend at this moment, those left behind included.
  std::size_t checks_under_way() const { return *under_way_; }

 private:
  const ProviderCatalog& catalog_;
  const ProviderContext context_;
  const Duration connectivity_deadline_;
  const Duration grace_;
  OnChecked on_checked_;
  // Belongs to the threads as well: counting down is the last thing that each does.
  const std::shared_ptr<std::atomic<std::size_t>> under_way_;
  const std::shared_ptr<std::atomic<std::size_t>> left_behind_;
};

}  // namespace rollcall
