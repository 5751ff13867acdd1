#include "providers/consul/consul_settings.h"

#include <algorithm>

#include "core/limits.h"
#include "core/text.h"
#include "providers/common/http_client.h"
#include "providers/common/params.h"
#include "providers/consul/limits.h"

namespace rollcall {
namespace {

constexpr std::uint16_t kHttpPort = 8500;
constexpr std::uint16_t kHttpsPort = 8501;
constexpr std::string_view kMetaPrefix = "meta:";

tl::expected<Endpoint, std::string> consul_endpoint(std::string_view text) {
  return parse_endpoint(text, text.starts_with("https://") ? kHttpsPort : kHttpPort);
}

std::string target_of(const ProviderDescriptor& d) {
  const auto text = [&](std::string_view name) { return param_text(consul_info(), d, name); };
  std::string target = "/v1/health/service/" + percent_encoded(text("service"));
  char separator = '?';
  const auto add = [&](std::string_view key, const std::string& value) {
    target += separator;
    target.append(key);
    if (!value.empty()) target.append("=").append(percent_encoded(value));
    separator = '&';
  };
  const struct {
    std::string_view param;
    std::string_view key;
  } direct[] = {{"datacenter", "dc"}, {"namespace", "ns"}, {"tag", "tag"}, {"filter", "filter"}};
  for (const auto& [param, key] : direct) {
    if (const std::string value = text(param); !value.empty()) add(key, value);
  }
  // Since Consul 1.10 an agent answers blocking health queries from a cache of its own (X-Consul-
  // Query-Backend: streaming), which says nothing of what an ACL filtered, knows no leader and goes
  // on answering when it lost its servers. A question about the order of nodes is always put to a
  // server.
  add("near", "_agent");
  if (param_bool(consul_info(), d, "passing_only")) add("passing", "");
  if (const std::string mode = text("mode"); mode != "default") add(mode, "");
  return target;
}

}  // namespace

const KindInfo& consul_info() {
  static const KindInfo info{
      "consul",
      "Instances of a Consul service, followed with blocking queries on the health endpoint.",
      /*external=*/true,
      /*needs_endpoints=*/true,
      {{"service", "string", "", true, "Name of the service whose instances are the members."},
       {"id", "string", "node/service", false,
        "Where ids come from: node/service, node, service, or meta:<key> (of the service, then of "
        "the node)."},
       {"tag", "string", "", false, "Only instances with this tag."},
       {"filter", "string", "", false, "Consul's own filter expression, evaluated by the server."},
       {"passing_only", "bool", "false", false,
        "Leave out instances with a check that does not pass; by default they are NOT_READY."},
       {"datacenter", "string", "", false, "The datacenter to ask; by default the agent's own."},
       {"namespace", "string", "", false, "Consul Enterprise only."},
       {"mode", "enum default|stale|consistent", "default", false,
        "Consistency of reads; with stale any server answers, and indexes may go back."},
       {"max_stale_ms", "duration_ms", "10000", false,
        "With mode stale: an answer older than this does not count, 0 to 60000 ms."},
       {"wait_ms", "duration_ms", "10000", false,
        "How long a question may block, 10 to 10000 ms; the provider attests that often."},
       {"tls_server_name", "string", "", false,
        "Name in the servers' certificates (server.<dc>.consul); by default the endpoint's "
        "host."}},
      /*announces=*/true};
  return info;
}

std::vector<Problem> validate_consul(const ProviderDescriptor& d, std::string_view field) {
  const KindInfo& info = consul_info();
  std::vector<Problem> problems = validate_params(info, d, field);
  check_range(info, d, field, "wait_ms", limits::kConsulWaitMinMs, limits::kConsulWaitMaxMs,
              problems);
  check_range(info, d, field, "max_stale_ms", 0, limits::kConsulMaxStaleMs, problems);
  const std::string id = param_text(info, d, "id");
  const bool meta = id.starts_with(kMetaPrefix) && id.size() > kMetaPrefix.size();
  if (!meta && id != "node/service" && id != "node" && id != "service") {
    problems.push_back({param_path(field, "id"), printable(id, limits::kMaxProblemValueBytes),
                        "node/service, node, service or meta:<key>"});
  }
  for (std::size_t i = 0; i < d.endpoints.size(); ++i) {
    const auto endpoint = consul_endpoint(d.endpoints[i]);
    if (endpoint) continue;
    // The value isn't shown: with user:password in it, it would be a secret.
    problems.push_back(
        {field_path(field, "endpoints[" + std::to_string(i) + "]"), "", endpoint.error()});
  }
  if (d.auth.cert_file.empty() != d.auth.key_file.empty()) {
    problems.push_back({field_path(field, "auth"), "", "cert_file and key_file together"});
  }
  return problems;
}

ConsulSettings consul_settings(const ProviderDescriptor& d) {
  const KindInfo& info = consul_info();
  ConsulSettings settings;
  for (const std::string& text : d.endpoints) {
    if (auto endpoint = consul_endpoint(text)) settings.endpoints.push_back(std::move(*endpoint));
  }
  settings.service = param_text(info, d, "service");
  settings.tag = param_text(info, d, "tag");
  settings.name_space = param_text(info, d, "namespace");
  const std::string id = param_text(info, d, "id");
  if (id.starts_with(kMetaPrefix)) {
    settings.id = ConsulSettings::Id::Meta;
    settings.id_meta = id.substr(kMetaPrefix.size());
  } else if (id == "node") {
    settings.id = ConsulSettings::Id::Node;
  } else if (id == "service") {
    settings.id = ConsulSettings::Id::Service;
  }
  const std::string mode = param_text(info, d, "mode");
  if (mode == "stale") settings.mode = ConsulSettings::Mode::Stale;
  if (mode == "consistent") settings.mode = ConsulSettings::Mode::Consistent;
  settings.wait = std::chrono::milliseconds(param_integer(info, d, "wait_ms"));
  settings.max_stale_ms = param_integer(info, d, "max_stale_ms");
  settings.tls_server_name = param_text(info, d, "tls_server_name");
  settings.target = target_of(d);
  return settings;
}

std::string blocking_target(const ConsulSettings& settings, std::uint64_t index) {
  const char separator = settings.target.find('?') == std::string::npos ? '?' : '&';
  return settings.target + separator + "index=" + std::to_string(index) +
         "&wait=" + std::to_string(to_ms(settings.wait)) + "ms";
}

}  // namespace rollcall
