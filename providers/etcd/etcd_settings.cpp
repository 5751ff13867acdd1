#include "providers/etcd/etcd_settings.h"

#include "core/limits.h"
#include "core/text.h"
#include "providers/common/params.h"
#include "providers/etcd/limits.h"

namespace rollcall {
namespace {

constexpr std::uint16_t kPort = 2379;

}  // namespace

const KindInfo& etcd_info() {
  static const KindInfo info{
      "etcd",
      "The keys below a prefix of etcd (v3 API), one member a key, followed with a watch.",
      /*external=*/true,
      /*needs_endpoints=*/true,
      {{"prefix", "string", "", true,
        "The members' keys begin with this; it ends with /, which is added if it does not, for "
        "else /web would take in /web2."},
       {"id", "enum value|key", "value", false,
        "Where ids come from: the value's \"id\", or the key below the prefix if it has none; or "
        "always the key."},
       {"attest_ms", "duration_ms", "4000", false,
        "How often the view is proven to be complete, 50 to 8000 ms."},
       {"tls_server_name", "string", "", false,
        "Name in the servers' certificates; by default the endpoint's host."}},
      /*announces=*/true};
  return info;
}

std::vector<Problem> validate_etcd(const ProviderDescriptor& d, std::string_view field) {
  const KindInfo& info = etcd_info();
  std::vector<Problem> problems = validate_params(info, d, field);
  check_range(info, d, field, "attest_ms", limits::kEtcdAttestMinMs, limits::kEtcdAttestMaxMs,
              problems);
  const std::string prefix = param_text(info, d, "prefix");
  if (has_control_characters(prefix)) {
    problems.push_back({param_path(field, "prefix"),
                        printable(prefix, limits::kMaxProblemValueBytes),
                        "a key prefix without control characters"});
  }
  for (std::size_t i = 0; i < d.endpoints.size(); ++i) {
    const auto endpoint = parse_endpoint(d.endpoints[i], kPort);
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

EtcdSettings etcd_settings(const ProviderDescriptor& d) {
  const KindInfo& info = etcd_info();
  EtcdSettings settings;
  for (const std::string& text : d.endpoints) {
    if (auto endpoint = parse_endpoint(text, kPort)) {
      settings.endpoints.push_back(std::move(*endpoint));
    }
  }
  settings.prefix = param_text(info, d, "prefix");
  if (!settings.prefix.ends_with('/')) settings.prefix += '/';
  if (param_text(info, d, "id") == "key") settings.id = EtcdIdFrom::Key;
  settings.attest = std::chrono::milliseconds(param_integer(info, d, "attest_ms"));
  settings.tls_server_name = param_text(info, d, "tls_server_name");
  return settings;
}

std::string etcd_prefix_end(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace rollcall
