// A configuration that is accepted keeps what the daemon relies on; one that is not says why.
#include "provisioning/config/config_loader.h"
#include "tests/fuzz/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rollcall;
  ConfigSources sources;
  sources.file_name = "rollcall.yaml";
  sources.text = fuzz::text_of(data, size);
  const auto config = load_config(sources);
  if (!config) {
    fuzz::require_structured(config.error());
    return 0;
  }
  fuzz::require(!config->grpc.listen.empty(), "there is an address to listen on");
  for (const ListenAddress& address : config->grpc.listen) {
    fuzz::require(address.is_unix || address.is_loopback() || config->grpc.tls.enabled(),
                  "beyond loopback there is TLS");
    const auto again = parse_listen_address(address.text());
    fuzz::require(again && *again == address, "an address reads back");
  }
  fuzz::require(config->failover.degraded_after <= config->failover.timeout, "limits are in order");
  fuzz::require(config->state_dir.starts_with('/'), "the state directory is absolute");
  for (const ProviderDescriptor& d : config->providers) {
    fuzz::require(d.origin == Origin::Config, "providers belong to the configuration");
    fuzz::require(validate_descriptor(d, "").empty(), "what is accepted is valid");
  }
  fuzz::require(restart_only_changes(*config, *config).empty(), "it equals itself");
  return 0;
}
