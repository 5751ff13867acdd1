#include "providers/kubernetes/kubernetes_settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "core/limits.h"
#include "core/text.h"
#include "providers/common/credentials.h"
#include "providers/common/http_client.h"
#include "providers/common/params.h"
#include "providers/kubernetes/limits.h"

namespace rollcall {
namespace {

constexpr std::uint16_t kHttpsPort = 6443;
constexpr std::uint16_t kHttpPort = 8001;  // `kubectl proxy`

tl::expected<Endpoint, std::string> kubernetes_endpoint(std::string_view text) {
  return parse_endpoint(text, text.starts_with("https://") ? kHttpsPort : kHttpPort);
}

// RFC 1123, as Kubernetes wants the names of namespaces, services and ports.
bool is_label(std::string_view text) {
  const auto inner = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= limits::kKubernetesLabelBytes && text.front() != '-' &&
         text.back() != '-' && std::all_of(text.begin(), text.end(), inner);
}

std::optional<std::uint16_t> port_number(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void check_names(const ProviderDescriptor& d, std::string_view field, bool in_cluster,
                 std::vector<Problem>& problems) {
  const auto wrong = [&](std::string_view name, std::string_view value, std::string expected) {
    problems.push_back({param_path(field, name), printable(value, limits::kMaxProblemValueBytes),
                        std::move(expected)});
  };
  const auto text = [&](std::string_view name) { return param_text(kubernetes_info(), d, name); };
  constexpr const char* kLabel = "at most 63 of a-z, 0-9 and -, neither first nor last a -";
  if (const std::string service = text("service"); !service.empty() && !is_label(service)) {
    wrong("service", service, kLabel);
  }
  const std::string name_space = text("namespace");
  if (name_space.empty() && !in_cluster) {
    wrong("namespace", "",
          "the service's namespace; only with the endpoint in-cluster it has a "
          "default");
  } else if (!name_space.empty() && !is_label(name_space)) {
    wrong("namespace", name_space, kLabel);
  }
  const std::string port = text("port");
  const bool good_port = is_number(port) ? port_number(port).has_value() : is_label(port);
  if (!port.empty() && !good_port) wrong("port", port, "a port's name, or from 1 to 65535");
}

}  // namespace

std::string KubernetesSettings::collection() const {
  return "/apis/discovery.k8s.io/v1/namespaces/" + percent_encoded(name_space) + "/endpointslices";
}

std::string KubernetesSettings::selector() const {
  return "labelSelector=" + percent_encoded("kubernetes.io/service-name=" + service);
}

PodSurroundings PodSurroundings::of_this_process() {
  PodSurroundings pod;
  pod.service_host = variable("KUBERNETES_SERVICE_HOST");
  pod.service_port = variable("KUBERNETES_SERVICE_PORT");
  return pod;
}

const KindInfo& kubernetes_info() {
  static const KindInfo info{
      "kubernetes",
      "Endpoints of a Kubernetes service: its EndpointSlices, listed and watched.",
      /*external=*/true,
      /*needs_endpoints=*/true,
      {{"service", "string", "", true, "Name of the service whose endpoints are the members."},
       {"namespace", "string", "", false,
        "The service's namespace; by default, with the endpoint in-cluster, the pod's own."},
       {"port", "string", "", false,
        "Name of the slices' port that members are reached at, or its number; by default the only "
        "one."},
       {"id", "enum pod-name|address|hostname|node-name", "pod-name", false,
        "Where ids come from: the endpoint's target, first address, hostname or node."},
       {"address_type", "enum any|IPv4|IPv6|FQDN", "any", false,
        "Only slices of this type; with any, a pod that has both is taken at its IPv4 address."},
       {"labels", "enum none|slice", "none", false,
        "With slice, members carry the labels of their slice (the service's), and rollcall-weight "
        "and rollcall-incarnation among them become weight and incarnation."},
       {"page_size", "integer", "100", false, "Slices asked for at once in a list, 1 to 500."},
       {"attest_ms", "duration_ms", "8000", false,
        "How often a small read proves that the watch is alive and complete, 50 to 8000 ms."},
       {"tls_server_name", "string", "", false,
        "Name in the API server's certificate; by default the endpoint's host."}}};
  return info;
}

std::vector<Problem> validate_kubernetes(const ProviderDescriptor& d, std::string_view field) {
  const KindInfo& info = kubernetes_info();
  std::vector<Problem> problems = validate_params(info, d, field);
  check_range(info, d, field, "attest_ms", limits::kKubernetesAttestMinMs,
              limits::kKubernetesAttestMaxMs, problems);
  check_range(info, d, field, "page_size", 1, limits::kKubernetesPageMax, problems);
  const bool in_cluster =
      std::find(d.endpoints.begin(), d.endpoints.end(), kInCluster) != d.endpoints.end();
  check_names(d, field, in_cluster, problems);
  for (std::size_t i = 0; i < d.endpoints.size(); ++i) {
    const std::string path = field_path(field, "endpoints[" + std::to_string(i) + "]");
    if (in_cluster && d.endpoints.size() > 1) {
      problems.push_back({path, "", "in-cluster alone, or addresses of API servers"});
      break;
    }
    if (in_cluster) continue;
    const auto endpoint = kubernetes_endpoint(d.endpoints[i]);
    // The value isn't shown: with user:password in it, it would be a secret.
    if (!endpoint) problems.push_back({path, "", "in-cluster, " + endpoint.error()});
  }
  if (d.auth.cert_file.empty() != d.auth.key_file.empty()) {
    problems.push_back({field_path(field, "auth"), "", "cert_file and key_file together"});
  }
  return problems;
}

KubernetesSettings kubernetes_settings(const ProviderDescriptor& d) {
  const auto text = [&](std::string_view name) { return param_text(kubernetes_info(), d, name); };
  KubernetesSettings settings;
  for (const std::string& endpoint : d.endpoints) {
    if (endpoint == kInCluster) {
      settings.in_cluster = true;
    } else if (auto parsed = kubernetes_endpoint(endpoint)) {
      settings.endpoints.push_back(std::move(*parsed));
    }
  }
  settings.name_space = text("namespace");
  settings.service = text("service");
  const std::string port = text("port");
  settings.port_number = port_number(port);
  if (!settings.port_number) settings.port_name = port;
  const std::string id = text("id");
  if (id == "address") settings.id = KubernetesSettings::Id::Address;
  if (id == "hostname") settings.id = KubernetesSettings::Id::Hostname;
  if (id == "node-name") settings.id = KubernetesSettings::Id::NodeName;
  const std::string type = text("address_type");
  if (type == "IPv4") settings.addresses = KubernetesSettings::Addresses::IPv4;
  if (type == "IPv6") settings.addresses = KubernetesSettings::Addresses::IPv6;
  if (type == "FQDN") settings.addresses = KubernetesSettings::Addresses::Fqdn;
  settings.slice_labels = text("labels") == "slice";
  settings.page_size = param_integer(kubernetes_info(), d, "page_size");
  settings.attest = std::chrono::milliseconds(param_integer(kubernetes_info(), d, "attest_ms"));
  settings.tls_server_name = text("tls_server_name");
  settings.auth = d.auth;
  return settings;
}

Result<KubernetesSettings> settle(KubernetesSettings settings, const PodSurroundings& pod) {
  if (!settings.in_cluster) return settings;
  const bool v6 = pod.service_host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + pod.service_host + "]" : pod.service_host;
  auto endpoint = kubernetes_endpoint("https://" + host + ":" + pod.service_port);
  if (pod.service_host.empty() || pod.service_port.empty() || !endpoint) {
    return fail(ErrorCode::InvalidConfig,
                "the endpoint in-cluster works in a pod only: KUBERNETES_SERVICE_HOST and "
                "KUBERNETES_SERVICE_PORT do not say where the API server is");
  }
  endpoint->text = std::string(kInCluster);
  settings.endpoints = {std::move(*endpoint)};
  AuthRef& auth = settings.auth;
  if (auth.token_file.empty() && auth.cert_file.empty()) auth.token_file = pod.directory + "/token";
  if (auth.ca_file.empty()) auth.ca_file = pod.directory + "/ca.crt";
  if (settings.name_space.empty()) {
    auto text = read_secret_file(pod.directory + "/namespace", limits::kKubernetesLabelBytes + 1,
                                 "the namespace's file");
    if (!text) return tl::unexpected(std::move(text.error()));
    while (text->ends_with('\n')) text->pop_back();
    if (!is_label(*text)) {
      return fail(ErrorCode::InvalidConfig,
                  pod.directory + "/namespace holds no namespace: set watch_params.namespace");
    }
    settings.name_space = std::move(*text);
  }
  return settings;
}

}  // namespace rollcall
