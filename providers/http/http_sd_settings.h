// The settings of an http provider: the table that documents and checks them, and their values.
// Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/provider.h"
#include "providers/common/endpoint.h"

namespace rollcall {

// "https://sd.example:8443/targets?dc=1".
struct HttpSdUrl {
  Endpoint endpoint;
  std::string target;  // "/targets?dc=1"
  std::string shown;   // in errors: without the query, in which people hide keys
};

struct HttpSdSettings {
  std::vector<HttpSdUrl> urls;
  std::string id_label;  // empty: the address is the id
  std::string zone_label;
  std::string weight_label;
  std::string status_label;
  std::string incarnation_label;
  Duration refresh{};
  Duration timeout{};
  std::string tls_server_name;
};

// The error says what was expected.
tl::expected<HttpSdUrl, std::string> parse_http_sd_url(std::string_view text);

const KindInfo& http_sd_info();
std::vector<Problem> validate_http_sd(const ProviderDescriptor& d, std::string_view field);
// Of a descriptor without problems.
HttpSdSettings http_sd_settings(const ProviderDescriptor& d);

}  // namespace rollcall
