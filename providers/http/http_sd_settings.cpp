#include "providers/http/http_sd_settings.h"

#include <algorithm>

#include "core/http_sd.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/common/params.h"
#include "providers/http/limits.h"

namespace rollcall {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;
constexpr std::string_view kLabelIdPrefix = "label:";
constexpr std::string_view kExpected =
    "a URL: http:// or https://, host, :port, /path and ?query in printable ASCII, without user, "
    "password or fragment";

}  // namespace

tl::expected<HttpSdUrl, std::string> parse_http_sd_url(std::string_view text) {
  const tl::unexpected<std::string> wrong{std::string(kExpected)};
  if (text.starts_with("unix:")) return wrong;
  const std::size_t scheme = text.find("://");
  const std::size_t host_at = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t path_at = std::min(text.find_first_of("/?#", host_at), text.size());
  const std::string_view authority = text.substr(0, path_at);
  auto endpoint =
      parse_endpoint(authority, authority.starts_with("https://") ? kHttpsPort : kHttpPort);
  if (!endpoint) return wrong;
  const std::string_view target = text.substr(path_at);
  const bool plain = std::all_of(target.begin(), target.end(),
                                 [](char c) { return c > ' ' && c < 127 && c != '#'; });
  if (!plain) return wrong;
  HttpSdUrl url;
  url.endpoint = std::move(*endpoint);
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  url.shown = std::string(text.substr(0, text.find('?')));
  return url;
}

const KindInfo& http_sd_info() {
  static const KindInfo info{
      "http",
      "A list in the Prometheus http_sd format, asked for at an interval; another sidecar's "
      "/v1/http_sd too.",
      /*external=*/true,
      /*needs_endpoints=*/true,
      {{"id", "string", "address", false,
        "Where ids come from: address (host:port), or label:<name>; of another sidecar "
        "label:__meta_rollcall_id."},
       {"refresh_ms", "duration_ms", "5000", false,
        "How often the list is asked for, 50 to 3600000 ms; up to a tenth more, at random."},
       {"timeout_ms", "duration_ms", "5000", false,
        "How long an endpoint may take for the whole answer, 100 to 60000 ms."},
       {"zone_label", "string", http_sd::kZone, false, "The label that gives the zone."},
       {"weight_label", "string", http_sd::kWeight, false,
        "The label that gives the weight, an integer; without it the weight is 1."},
       {"status_label", "string", http_sd::kStatus, false,
        "The label that gives the status: READY, DRAINING or NOT_READY; without it READY."},
       {"incarnation_label", "string", http_sd::kIncarnation, false,
        "The label that gives the incarnation."},
       {"tls_server_name", "string", "", false,
        "Name in the servers' certificates; by default the endpoint's host."}}};
  return info;
}

std::vector<Problem> validate_http_sd(const ProviderDescriptor& d, std::string_view field) {
  const KindInfo& info = http_sd_info();
  std::vector<Problem> problems = validate_params(info, d, field);
  check_range(info, d, field, "refresh_ms", limits::kHttpSdRefreshMinMs,
              limits::kHttpSdRefreshMaxMs, problems);
  check_range(info, d, field, "timeout_ms", limits::kHttpSdTimeoutMinMs,
              limits::kHttpSdTimeoutMaxMs, problems);
  const std::string id = param_text(info, d, "id");
  const bool label = id.starts_with(kLabelIdPrefix) && id.size() > kLabelIdPrefix.size();
  if (!label && id != "address") {
    problems.push_back({param_path(field, "id"), printable(id, limits::kMaxProblemValueBytes),
                        "address or label:<name>"});
  }
  for (std::size_t i = 0; i < d.endpoints.size(); ++i) {
    const auto url = parse_http_sd_url(d.endpoints[i]);
    if (url) continue;
    // The value isn't shown: with user:password in it, it would be a secret.
    problems.push_back(
        {field_path(field, "endpoints[" + std::to_string(i) + "]"), "", url.error()});
  }
  if (d.auth.cert_file.empty() != d.auth.key_file.empty()) {
    problems.push_back({field_path(field, "auth"), "", "cert_file and key_file together"});
  }
  return problems;
}

HttpSdSettings http_sd_settings(const ProviderDescriptor& d) {
  const KindInfo& info = http_sd_info();
  HttpSdSettings settings;
  for (const std::string& text : d.endpoints) {
    if (auto url = parse_http_sd_url(text)) settings.urls.push_back(std::move(*url));
  }
  const std::string id = param_text(info, d, "id");
  if (id.starts_with(kLabelIdPrefix)) settings.id_label = id.substr(kLabelIdPrefix.size());
  settings.zone_label = param_text(info, d, "zone_label");
  settings.weight_label = param_text(info, d, "weight_label");
  settings.status_label = param_text(info, d, "status_label");
  settings.incarnation_label = param_text(info, d, "incarnation_label");
  settings.refresh = std::chrono::milliseconds(param_integer(info, d, "refresh_ms"));
  settings.timeout = std::chrono::milliseconds(param_integer(info, d, "timeout_ms"));
  settings.tls_server_name = param_text(info, d, "tls_server_name");
  return settings;
}

}  // namespace rollcall
