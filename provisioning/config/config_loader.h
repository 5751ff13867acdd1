// Loading the configuration: file, then environment, then flags; the later ones override.
//
// Strict: every unknown or repeated key is an error with its line, every value is checked against
// the table, and all problems are told together. Nothing here touches the network or the disk (the
// caller reads the file), so that `--check-config` is exactly this.
//
// Threads: pure functions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "provisioning/config/config.h"
#include "provisioning/registry/provider_validator.h"

namespace rollcall {

// What a flag of rollcalld sets. `path` is a setting's ("grpc.listen"); several values are a list.
struct ConfigOverride {
  std::string path;
  std::vector<std::string> values;
  std::string source;  // for messages: "--grpc-listen"
};

struct ConfigSources {
  std::string file_name;  // for messages; empty: there is no file
  std::string text;       // of the file, YAML or JSON
  std::function<std::optional<std::string>(const std::string&)> environment;  // may be empty
  std::vector<ConfigOverride> flags;
  const ProviderValidator* validator =
      nullptr;  // null: `providers:` is checked without their kinds
};

// INVALID_CONFIG with every problem (field, value, what was expected and the line).
Result<Config> load_config(const ConfigSources& sources);

// Settings in which the two differ and that only a restart can change: "state_dir", "grpc.listen".
// A reload with any of these is refused as a whole (R5.4), naming them.
std::vector<std::string> restart_only_changes(const Config& running, const Config& wanted);
// INVALID_CONFIG that names them, or success.
Result<void> check_reload(const Config& running, const Config& wanted);

// The reference of all settings as Markdown tables, one a section: the README holds exactly this.
std::string config_reference_markdown();
struct ConfigFlag {
  std::string flag;  // "--state-dir"
  std::string path;
  std::string type;  // for --help
};
// The settings that have a flag of rollcalld.
std::vector<ConfigFlag> config_flags();
// Every environment variable that is read, with its setting's path.
std::vector<std::pair<std::string, std::string>> config_environment();

}  // namespace rollcall
