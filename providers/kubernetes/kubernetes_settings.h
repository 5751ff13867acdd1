// The settings of a Kubernetes provider: the table that documents and checks them, their values,
// and where a pod finds its own cluster. Pure functions but for settle(), any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/provider.h"
#include "providers/common/endpoint.h"

namespace rollcall {

// The endpoint that means "the cluster that this pod runs in".
inline constexpr std::string_view kInCluster = "in-cluster";

struct KubernetesSettings {
  enum class Id { PodName, Address, Hostname, NodeName };
  enum class Addresses { Any, IPv4, IPv6, Fqdn };

  bool in_cluster = false;
  std::vector<Endpoint> endpoints;  // empty while in_cluster isn't settled
  std::string name_space;           // empty: the pod's own
  std::string service;
  std::string port_name;                     // of watch_params.port, when it is a name
  std::optional<std::uint16_t> port_number;  // when it is a number
  Id id = Id::PodName;
  Addresses addresses = Addresses::Any;
  bool slice_labels = false;
  std::int64_t page_size = 0;
  Duration attest{};
  std::string tls_server_name;
  AuthRef auth;

  std::string collection() const;  // the path of the namespace's slices
  std::string selector() const;    // the query that chooses the service's, encoded
};

// What Kubernetes gives every pod.
struct PodSurroundings {
  std::string service_host;  // KUBERNETES_SERVICE_HOST
  std::string service_port;  // KUBERNETES_SERVICE_PORT
  std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount";

  static PodSurroundings of_this_process();
};

const KindInfo& kubernetes_info();
std::vector<Problem> validate_kubernetes(const ProviderDescriptor& d, std::string_view field);
// Of a descriptor without problems.
KubernetesSettings kubernetes_settings(const ProviderDescriptor& d);
// With the endpoint, the namespace and the files of the pod in place of `in-cluster`. Reads the
// namespace's file. INVALID_CONFIG: this is no pod.
Result<KubernetesSettings> settle(KubernetesSettings settings, const PodSurroundings& pod);

}  // namespace rollcall
