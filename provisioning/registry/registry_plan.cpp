#include "provisioning/registry/registry_plan.h"

#include <map>

namespace rollcall {
namespace {

void compare_params(const ProviderDescriptor& before, const ProviderDescriptor& after,
                    std::vector<std::string>& changed) {
  std::map<std::string_view, bool> names;  // all of both, sorted
  for (const auto& [name, value] : before.watch_params) {
    const auto other = after.watch_params.find(name);
    if (other == after.watch_params.end() || other->second != value) names[name] = true;
  }
  for (const auto& [name, value] : after.watch_params) {
    if (!before.watch_params.contains(name)) names[name] = true;
  }
  for (const auto& [name, differs] : names) changed.push_back("watch_params." + std::string(name));
}

}  // namespace

std::string_view to_string(PlanStep::Action action) {
  switch (action) {
    case PlanStep::Action::Keep:
      return "KEEP";
    case PlanStep::Action::Add:
      return "ADD";
    case PlanStep::Action::Update:
      return "UPDATE";
    case PlanStep::Action::Remove:
      return "REMOVE";
  }
  return "KEEP";
}

std::vector<std::string> changed_fields(const ProviderDescriptor& before,
                                        const ProviderDescriptor& after) {
  std::vector<std::string> changed;
  const auto note = [&](bool differs, const char* name) {
    if (differs) changed.emplace_back(name);
  };
  note(before.kind != after.kind, "kind");
  note(before.priority != after.priority, "priority");
  note(before.endpoints != after.endpoints, "endpoints");
  note(before.auth.token_file != after.auth.token_file, "auth.token_file");
  note(before.auth.ca_file != after.auth.ca_file, "auth.ca_file");
  note(before.auth.cert_file != after.auth.cert_file, "auth.cert_file");
  note(before.auth.key_file != after.auth.key_file, "auth.key_file");
  compare_params(before, after, changed);
  note(before.standby != after.standby, "standby");
  note(before.enabled != after.enabled, "enabled");
  note(before.disabled_reason != after.disabled_reason, "disabled_reason");
  note(before.origin != after.origin, "origin");
  return changed;
}

std::vector<PlanStep> make_plan(const std::vector<ProviderDescriptor>& before,
                                const std::vector<ProviderDescriptor>& after) {
  std::map<ProviderId, const ProviderDescriptor*> old_set;
  std::map<ProviderId, const ProviderDescriptor*> new_set;
  for (const ProviderDescriptor& d : before) old_set[d.id] = &d;
  for (const ProviderDescriptor& d : after) new_set[d.id] = &d;
  std::vector<PlanStep> plan;
  for (const ProviderDescriptor& d : before) {
    const auto found = new_set.find(d.id);
    if (found == new_set.end()) {
      plan.push_back({d.id, PlanStep::Action::Remove, {}, false});
    } else if (*found->second == d) {
      plan.push_back({d.id, PlanStep::Action::Keep, {}, false});
    } else {
      plan.push_back({d.id, PlanStep::Action::Update, changed_fields(d, *found->second),
                      !same_backend(d, *found->second)});
    }
  }
  for (const ProviderDescriptor& d : after) {
    if (!old_set.contains(d.id)) plan.push_back({d.id, PlanStep::Action::Add, {}, false});
  }
  return plan;
}

}  // namespace rollcall
