// rollcalld's flags (DESIGN), and how they become a Config: file, then environment, then flags.
//
// Threads: used once at the start, and again by each reload with the same flags.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file_system.h"
#include "provisioning/config/config.h"
#include "provisioning/registry/provider_validator.h"

namespace rollcall {

struct CommandLine {
  std::string config_file;             // absolute; empty: none
  std::vector<std::string> state_dir;  // at most one, as all that follow but grpc_listen
  std::vector<std::string> grpc_listen;
  std::vector<std::string> http_listen;
  std::vector<std::string> log_level;
  bool check_config = false;
};

struct ParsedCommandLine {
  std::optional<CommandLine> command_line;  // none: the process is done (--help, a wrong flag)
  int exit_code = 0;
};
// Prints help or what is wrong by itself.
ParsedCommandLine parse_command_line(int argc, char** argv);

// Reads the file (if any) and puts everything together. Touches no network and nothing but that
// file. `validator` may be null.
Result<Config> load_from(const CommandLine& line, FileSystem& files,
                         const ProviderValidator* validator);

}  // namespace rollcall
