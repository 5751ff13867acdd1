// The settings of an etcd provider: the table that documents and checks them, and their values.
// Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/provider.h"
#include "providers/common/endpoint.h"
#include "providers/etcd/etcd_member.h"

namespace rollcall {

struct EtcdSettings {
  std::vector<Endpoint> endpoints;
  std::string prefix;  // ends with '/'
  EtcdIdFrom id = EtcdIdFrom::Value;
  Duration attest{};
  std::string tls_server_name;
};

const KindInfo& etcd_info();
std::vector<Problem> validate_etcd(const ProviderDescriptor& d, std::string_view field);
// Of a descriptor without problems.
EtcdSettings etcd_settings(const ProviderDescriptor& d);

// The first key after all those that begin with `prefix`, which is not empty and not all 0xff.
std::string etcd_prefix_end(std::string prefix);

}  // namespace rollcall
