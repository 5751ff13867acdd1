// Between the messages of admin.proto and the values of core and provisioning.
//
// Pure functions, any thread. Nothing of a secret is in a descriptor (only references), so
// everything may be shown.
#pragma once

#include <string>

#include "core/codec/object_reader.h"
#include "core/descriptor.h"
#include "core/node.h"
#include "core/provider.h"
#include "core/snapshot.h"
#include "core/time.h"
#include "provisioning/announce/provider_announcement.h"
#include "provisioning/control/provisioning_core.h"
#include "provisioning/hub/consumer_table.h"
#include "provisioning/registry/provider_registry.h"
#include "provisioning/registry/store_status.h"
#include "provisioning/service/operator_log.h"
#include "provisioning/service/provisioning_service.h"
#include "rollcall/v1/admin.pb.h"

namespace rollcall {

// What only the message form can get wrong is added to `problems`; `path` prefixes ("provider").
ProviderDescriptor descriptor_from(const v1::Provider& message, const std::string& path,
                                   ProblemList& problems);
v1::Provider to_message(const ProviderDescriptor& d);

// weight 0 is 1, no status is READY, a label rollcall-incarnation declares the incarnation if the
// field does not.
ClusterNode node_from(const v1::Node& message, ProblemList& problems);

void fill(const ProviderStatus& status, MonoTime now, std::uint32_t order, v1::ProviderState& out);
void fill(const PlanStep& step, v1::PlanStep& out);
void fill(const KindInfo& info, v1::Kind& out);
void fill(const ConsumerStatus& consumer, v1::ConsumerState& out);
void fill(const OperatorNotice& notice, v1::OperatorEvent& out);
void fill(const AnnounceStatus& status, MonoTime now, v1::AnnouncementState& out);
void fill(const StoreStatus& store, v1::StoreState& out);
// All but version, cluster, revision, uptime, consumers and notes, which others know.
void fill(const ServiceStatus& status, v1::GetStatusResponse& out);
// What is served of a node, and which providers list it, best first.
void fill(const ServiceStatus& status, const NodeId& id, v1::GetMemberResponse& out);
// problems, total_problems and code of a response with validate_only.
template <class Response>
void fill_refusal(const ProvisioningError& error, Response& out) {
  out.set_code(std::string(to_string(error.code)));
  for (const Problem& p : error.problems) {
    v1::Problem& m = *out.add_problems();
    m.set_field(p.field);
    m.set_value(p.value);
    m.set_expected(p.expected);
  }
  if (error.problems.empty()) out.add_problems()->set_expected(error.message);
  out.set_total_problems(error.total_problems == 0 ? 1 : error.total_problems);
}

}  // namespace rollcall
