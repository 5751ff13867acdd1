// Stands in for a rollcalld that dies: follows a plug-in that it started, says "following" once
// that gave its members, and goes on until it is killed.
//
//   plugin_owner COMMAND ARGS-AS-JSON
#include <cstdio>
#include <variant>

#include "providers/custom/custom_provider.h"
#include "tests/providers/provider_support.h"

int main(int argc, char** argv) {
  using namespace rollcall;  // a program of one function
  if (argc != 3) return 2;
  const test::RealClock clock;
  ProviderDescriptor d;
  d.id = ProviderId("p");
  d.kind = "custom";
  d.watch_params = {{"command", argv[1]}, {"args", argv[2]}, {"start_ms", "60000"}};
  auto provider =
      make_custom_factory()->create(d, {const_cast<test::RealClock*>(&clock), nullptr, ""});
  if (!provider) return 1;
  const auto stream = (*provider)->stream();
  while (true) {
    const ProviderEvent event = stream->next();
    if (!std::holds_alternative<ProviderSnapshot>(event)) continue;
    std::puts("following");
    std::fflush(stdout);
  }
}
