// What a write to the registry would do, step by step (ApplyProviders answers it), as pure
// functions over the set before and the set wanted.
//
// Threads: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/descriptor.h"
#include "core/ids.h"

namespace rollcall {

struct PlanStep {
  enum class Action : std::uint8_t { Keep = 1, Add = 2, Update = 3, Remove = 4 };
  ProviderId id;
  Action action = Action::Keep;
  std::vector<std::string> changed_fields;  // of an Update: "priority", "watch_params.service" …
  bool restarts_stream = false;             // Add and Remove: false; there is none to restart
  friend bool operator==(const PlanStep&, const PlanStep&) = default;
};
std::string_view to_string(PlanStep::Action action);  // "KEEP" …

// Paths of the fields in which they differ, in the order of the descriptor; `origin` included.
std::vector<std::string> changed_fields(const ProviderDescriptor& before,
                                        const ProviderDescriptor& after);

// One step for each id of either set: those of `before` in their order, then the new ones.
std::vector<PlanStep> make_plan(const std::vector<ProviderDescriptor>& before,
                                const std::vector<ProviderDescriptor>& after);

}  // namespace rollcall
