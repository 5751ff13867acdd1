#include "deploy/rollcalld/startup.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "deploy/rollcalld/daemon.h"
#include "deploy/rollcalld/grpc_log.h"
#include "providers/catalog.h"
#include "provisioning/registry/posix_file_system.h"
#include "provisioning/registry/provider_validator.h"
#include "provisioning/service/real_clock.h"
#include "provisioning/telemetry/line_logger.h"

namespace rollcall {
namespace {

// The configuration is checked with the kinds that are built in; no provider is made.
class ConfigCheck {
 public:
  Result<Config> load(const CommandLine& line) { return load_from(line, files_, &validator_); }

 private:
  RealClock clock_;
  PosixFileSystem files_;
  std::unique_ptr<const ProviderCatalog> catalog_ = builtin_catalog();
  ProviderValidator validator_{*catalog_, ProviderContext{&clock_, &files_, "/"}};
};

void tell(const ProvisioningError& error) {
  std::fprintf(stderr, "rollcalld: %s: %s\n", std::string(to_string(error.code)).c_str(),
               error.message.c_str());
  for (const Problem& p : error.problems)
    std::fprintf(stderr, "  %s: %s%sexpected %s\n", p.field.c_str(), p.value.c_str(),
                 p.value.empty() ? "" : ", ", p.expected.c_str());
  if (error.total_problems > error.problems.size())
    std::fprintf(stderr, "  … and %zu more\n",
                 static_cast<std::size_t>(error.total_problems) - error.problems.size());
}

}  // namespace

ExitCode check_config(const CommandLine& line) {
  ConfigCheck check;
  auto config = check.load(line);
  if (!config) {
    tell(config.error());
    return exit_code_of(config.error().code);
  }
  std::printf("the configuration is right: cluster %s, state in %s, %zu providers\n",
              config->cluster.c_str(), config->state_dir.c_str(), config->providers.size());
  return ExitCode::Ok;
}

ExitCode serve(const CommandLine& line) {
  auto config = ConfigCheck().load(line);
  if (!config) {
    tell(config.error());
    return exit_code_of(config.error().code);
  }
  RealClock clock;
  LineLogger logger({config->log.level, config->log.format}, clock, stderr_sink());
  const GrpcLog grpc_log(logger);
  auto daemon = Daemon::start(line, std::move(*config), logger, ROLLCALL_VERSION);
  if (!daemon) {
    tell(daemon.error().error);
    return daemon.error().exit;
  }
  (*daemon)->run();
  if ((*daemon)->left_threads_behind()) {
    std::fflush(nullptr);
    std::_Exit(static_cast<int>(ExitCode::Ok));
  }
  return ExitCode::Ok;
}

}  // namespace rollcall
