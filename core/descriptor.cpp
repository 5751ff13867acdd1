#include "core/descriptor.h"

#include <algorithm>
#include <tuple>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

constexpr std::size_t kMaxKindBytes = 32;
constexpr std::size_t kMaxParamNameBytes = 64;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_provider_id(std::string_view id) {
  if (id.empty() || id.size() > limits::kMaxProviderIdBytes || !is_lower_or_digit(id[0])) {
    return false;
  }
  return std::all_of(id.begin(), id.end(), [](char c) {
    return is_lower_or_digit(c) || c == '-' || c == '.' || c == '_';
  });
}

bool is_kind(std::string_view kind) {
  if (kind.empty() || kind.size() > kMaxKindBytes) return false;
  return std::all_of(kind.begin(), kind.end(),
                     [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_param_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxParamNameBytes) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
  });
}

class DescriptorChecker {
 public:
  DescriptorChecker(std::string_view prefix, std::vector<Problem>& out)
      : prefix_(prefix), out_(out) {}

  void add(std::string_view name, std::string_view value, std::string expected) {
    std::string field(prefix_);
    if (!field.empty()) field += '.';
    field += name;
    out_.push_back(
        {std::move(field), printable(value, limits::kMaxProblemValueBytes), std::move(expected)});
  }

  bool plain_text(std::string_view name, std::string_view value, std::size_t max_bytes) {
    std::string expected = plain_text_expected(value, max_bytes);
    const bool good = expected.empty();
    if (!good) add(name, value, std::move(expected));
    return good;
  }

  // Of a file with a secret. What is no path may well be the secret itself, and is not shown.
  void secret_path(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    std::string expected = plain_text_expected(value, limits::kMaxPathBytes);
    if (expected.empty() && value[0] != '/') expected = "an absolute path";
    if (!expected.empty()) add(name, kHiddenValue, std::move(expected));
  }

 private:
  // Empty: it is right.
  static std::string plain_text_expected(std::string_view value, std::size_t max_bytes) {
    if (value.size() > max_bytes) return "at most " + std::to_string(max_bytes) + " bytes";
    if (!is_valid_utf8(value)) return "valid UTF-8";
    if (has_control_characters(value)) return "no control characters";
    return "";
  }

  std::string_view prefix_;
  std::vector<Problem>& out_;
};

void check_endpoints(const ProviderDescriptor& d, DescriptorChecker& check) {
  if (d.endpoints.size() > limits::kMaxEndpoints) {
    check.add("endpoints", std::to_string(d.endpoints.size()),
              "at most " + std::to_string(limits::kMaxEndpoints) + " endpoints");
    return;
  }
  for (std::size_t i = 0; i < d.endpoints.size(); ++i) {
    const std::string name = "endpoints[" + std::to_string(i) + "]";
    const std::string& endpoint = d.endpoints[i];
    if (endpoint.empty()) {
      check.add(name, "", "an address");
    } else if (holds_credentials(endpoint)) {
      check.add(name, kHiddenValue, "an address without user and password: use auth.token_file");
    } else if (check.plain_text(name, endpoint, limits::kMaxEndpointBytes) &&
               std::find(d.endpoints.begin(), d.endpoints.begin() + static_cast<long>(i),
                         endpoint) != d.endpoints.begin() + static_cast<long>(i)) {
      check.add(name, endpoint, "each endpoint once");
    }
  }
}

void check_auth(const AuthRef& auth, DescriptorChecker& check) {
  check.secret_path("auth.token_file", auth.token_file);
  check.secret_path("auth.ca_file", auth.ca_file);
  check.secret_path("auth.cert_file", auth.cert_file);
  check.secret_path("auth.key_file", auth.key_file);
  if (auth.cert_file.empty() != auth.key_file.empty()) {
    check.add(auth.cert_file.empty() ? "auth.cert_file" : "auth.key_file", "",
              "a path: cert_file and key_file belong together");
  }
}

void check_params(const ProviderDescriptor& d, DescriptorChecker& check) {
  if (d.watch_params.size() > limits::kMaxWatchParams) {
    check.add("watch_params", std::to_string(d.watch_params.size()),
              "at most " + std::to_string(limits::kMaxWatchParams) + " settings");
    return;
  }
  for (const auto& [key, value] : d.watch_params) {
    const std::string name = "watch_params." + printable(key, kMaxParamNameBytes);
    if (!is_param_name(key)) {
      check.add(name, key,
                "a name of 1 to " + std::to_string(kMaxParamNameBytes) +
                    " letters, digits, '-', '.', '_'");
    }
    check.plain_text(name, value, limits::kMaxParamBytes);
  }
}

}  // namespace

std::string_view to_string(Standby standby) {
  switch (standby) {
    case Standby::Hot:
      return "hot";
    case Standby::Cold:
      return "cold";
  }
  return "unknown";
}

std::string_view to_string(Origin origin) {
  switch (origin) {
    case Origin::Api:
      return "api";
    case Origin::Config:
      return "config";
  }
  return "unknown";
}

bool same_backend(const ProviderDescriptor& a, const ProviderDescriptor& b) {
  return std::tie(a.id, a.kind, a.endpoints, a.auth, a.watch_params) ==
         std::tie(b.id, b.kind, b.endpoints, b.auth, b.watch_params);
}

std::vector<Problem> validate_descriptor(const ProviderDescriptor& d, std::string_view field) {
  std::vector<Problem> out;
  DescriptorChecker check(field, out);
  if (!is_provider_id(d.id.str())) {
    check.add("id", d.id.str(),
              "1 to " + std::to_string(limits::kMaxProviderIdBytes) +
                  " of a-z, 0-9, '-', '.', '_', beginning with a letter or digit");
  }
  if (!is_kind(d.kind)) {
    check.add("kind", d.kind, "the name of a kind, such as file or consul");
  }
  check_endpoints(d, check);
  check_auth(d.auth, check);
  check_params(d, check);
  if (d.standby != Standby::Hot && d.standby != Standby::Cold) {
    check.add("standby", std::to_string(static_cast<int>(d.standby)), "hot or cold");
  }
  check.plain_text("disabled_reason", d.disabled_reason, limits::kMaxReasonBytes);
  if (d.enabled && !d.disabled_reason.empty()) {
    check.add("disabled_reason", d.disabled_reason, "nothing while the provider is enabled");
  }
  return out;
}

}  // namespace rollcall
