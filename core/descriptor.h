// ProviderDescriptor: what the *operator* wants of a provider (SPEC 1). What is observed of it
// (reachable, held back, lacking a capability) is ProviderStatus, state of this sidecar.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/ids.h"

namespace rollcall {

enum class Standby : std::uint8_t {
  Hot = 1,   // watched while not active: one more watch on that backend for every sidecar
  Cold = 2,  // started only when nothing better is healthy
};
std::string_view to_string(Standby standby);  // "hot", "cold"

// Who owns the entry. Entries of the configuration are pruned by it and can't be edited by API (SPEC 7).
enum class Origin : std::uint8_t { Api = 1, Config = 2 };
std::string_view to_string(Origin origin);  // "api", "config"

// References to secrets, never the secrets (SPEC 1). Files are read when a stream starts, again
// every 60 s and after an authentication failure, so that rotation needs no restart.
struct AuthRef {
  std::string token_file;      // absolute path; empty: no token
  std::string ca_file;         // PEM bundle that signs the backend's certificate
  std::string cert_file;       // client certificate, with key_file
  std::string key_file;
  friend bool operator==(const AuthRef&, const AuthRef&) = default;
};

struct ProviderDescriptor {
  ProviderId id;
  std::string kind;  // one of SPEC 1's nine; which of them are built in: the catalogue
  std::int32_t priority = 0;  // higher wins; ties go to the earlier registered
  std::vector<std::string> endpoints;
  AuthRef auth;
  std::map<std::string, std::string> watch_params;  // scalars as text; the kind checks them
  Standby standby = Standby::Hot;
  bool enabled = true;
  std::string disabled_reason;  // of DisableProvider; empty while enabled
  Origin origin = Origin::Api;
  friend bool operator==(const ProviderDescriptor&, const ProviderDescriptor&) = default;
};

// Whether two descriptors need different streams: everything but priority, standby, enabled,
// disabled_reason and origin. A change of only those restarts nothing.
bool same_backend(const ProviderDescriptor& a, const ProviderDescriptor& b);

// Problems that need no knowledge of the kind: id, lengths, counts, UTF-8, paths. `field` prefixes.
std::vector<Problem> validate_descriptor(const ProviderDescriptor& d, std::string_view field);

}  // namespace rollcall
