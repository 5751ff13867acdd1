// PluginTarget: the plug-in under test: started from a command, or found at a socket, and what the
// kernel tells of its process.
//
// Threads: one owner.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/provider.h"
#include "core/time.h"
#include "providers/common/unique_fd.h"
#include "providers/custom/plugin_process.h"
#include "providers/custom/plugin_settings.h"

namespace rollcall::conformance {

class SteadyClock : public Clock {
 public:
  MonoTime now() const override;
  WallTime wall_now() const override;
};

struct TargetOptions {
  std::vector<std::string> command;  // absolute path and arguments; empty: `socket`
  std::string socket;
  std::string config = "{}";                 // JSON, as watch_params.config
  std::optional<std::string> empty_config;   // one with which the plug-in has no members
  std::optional<std::string> broken_config;  // one with which its backend can't be reached
  std::string env = "{}";
  std::string token_file;
  std::string change_command;  // changes the members; empty: none
  std::string rotate_command;  // another token into token_file, and the old one made invalid
  // How long that may take: files are read again every 60 s, and one round more.
  int rotate_seconds = 75;
  long attest_ms = 1000;
  int streams = 20;  // of the test that looks for what is left behind
};

class PluginTarget {
 public:
  // INVALID_CONFIG: the options can't be a provider; else what starting or connecting said.
  static Result<std::unique_ptr<PluginTarget>> open(const TargetOptions& options);

  // A descriptor that leads to the running plug-in.
  ProviderDescriptor descriptor(const std::string& config) const;
  const PluginSettings& settings() const { return settings_; }
  const std::string& socket() const;
  bool started_here() const { return process_ != nullptr; }
  // Ends the process that was started here and starts another. TIMEOUT: there is another now, but
  // SIGTERM did not end the old one.
  Result<void> restart();

  // Of the process that listens on the socket.
  Result<pid_t> pid() const;
  struct Held {
    std::size_t descriptors = 0;
    std::size_t threads = 0;
  };
  Result<Held> held() const;
  Result<UniqueFd> connect() const;

  const TargetOptions& options() const { return options_; }

 private:
  explicit PluginTarget(const TargetOptions& options) : options_(options) {}
  Result<void> await_socket() const;

  const TargetOptions options_;
  PluginSettings settings_;
  std::unique_ptr<PluginProcess> process_;
  SteadyClock clock_;
};

}  // namespace rollcall::conformance
