// The kind `in-memory`: members join and leave through the admin API; Rollcall itself is their
// source. What is durable and where: member_state.h.
//
// Removing such a provider from the registry leaves its files: registered again under the same id
// it has its members back. An operator who wants them gone removes `<state_dir>/members/<id>`.
#pragma once

#include <memory>

#include "core/provider.h"

namespace rollcall {

// Every catalogue must share one factory per process and state directory: the factory sees to it
// that all providers of one id, the old and the new one of an update, share one MemberState.
std::unique_ptr<ProviderFactory> make_in_memory_factory();

}  // namespace rollcall
