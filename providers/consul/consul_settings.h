// The settings of a Consul provider: the table that documents and checks them, and their values.
// Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/provider.h"
#include "providers/common/endpoint.h"

namespace rollcall {

struct ConsulSettings {
  enum class Id { NodeAndService, Node, Service, Meta };
  enum class Mode { Default, Stale, Consistent };

  std::vector<Endpoint> endpoints;
  std::string service;
  std::string tag;         // the only instances that count have it; empty: all
  std::string name_space;  // Enterprise; empty: the agent's
  Id id = Id::NodeAndService;
  std::string id_meta;  // the key, of Id::Meta
  Mode mode = Mode::Default;
  Duration wait{};
  std::int64_t max_stale_ms = 0;  // of Mode::Stale
  std::string tls_server_name;
  std::string target;  // path and query of the question that doesn't block
};

const KindInfo& consul_info();
std::vector<Problem> validate_consul(const ProviderDescriptor& d, std::string_view field);
// Of a descriptor without problems.
ConsulSettings consul_settings(const ProviderDescriptor& d);
// The question that waits for a change after `index`.
std::string blocking_target(const ConsulSettings& settings, std::uint64_t index);

}  // namespace rollcall
