#include "deploy/rollcalld/command_line.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include <CLI/CLI.hpp>

#include "core/codec/yaml_reader.h"
#include "core/limits.h"
#include "deploy/rollcalld/exit_code.h"
#include "provisioning/config/config_loader.h"

namespace rollcall {
namespace {

constexpr char kStateDirPath[] = "state_dir";
constexpr char kStateDirVariable[] = "ROLLCALL_STATE_DIR";

constexpr char kFooter[] =
    "Without --config and with an empty state directory, one in-memory provider named\n"
    "'default' is served; `rollcall member join ID HOST:PORT` adds members to it.\n\n"
    "State directory: --state-dir, else $ROLLCALL_STATE_DIR, else state_dir of the file, else\n"
    "/var/lib/rollcall (root) or $XDG_STATE_HOME/rollcall, ~/.local/state/rollcall.\n"
    "SIGTERM drains and exits within 5 s; SIGHUP reads the configuration again.\n\n"
    "Exit status: 0 ended in order; 1 failed; 2 a wrong flag; 3 a wrong configuration, or a\n"
    "TLS file that cannot be read; 4 the state directory is held by another process; 5 a state\n"
    "file is damaged or cannot be written; 6 an address cannot be listened on, or a\n"
    "certificate and its key do not load.";

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

// Where an ordinary user's sidecar keeps its state (XDG base directories); empty for root.
std::string user_state_dir() {
  if (geteuid() == 0) return "";
  if (auto xdg = environment("XDG_STATE_HOME"); xdg && xdg->starts_with('/'))
    return *xdg + "/rollcall";
  if (auto home = environment("HOME"); home && home->starts_with('/'))
    return *home + "/.local/state/rollcall";
  return "";
}

bool names_state_dir(const std::string& text) {
  auto document = parse_document(text);
  if (!document) return true;  // the loader says what is wrong with it
  return document->find(kStateDirPath) != nullptr;
}

Result<std::string> read_config(const std::string& path, FileSystem& files) {
  auto text = files.read(path, limits::kMaxConfigBytes);
  if (text) return text;
  const std::string_view expected = text.error().code == ErrorCode::LimitExceeded
                                        ? "a configuration file of at most 4 MiB"
                                        : "a readable configuration file";
  return fail(ErrorCode::InvalidConfig, "the configuration cannot be read",
              {{"--config", path, std::string(expected)}});
}

void add_override(std::vector<ConfigOverride>& all, const char* path, const char* flag,
                  const std::vector<std::string>& values) {
  if (!values.empty()) all.push_back({path, values, flag});
}

std::string absolute(const std::string& path) {
  std::error_code ignored;
  const auto full = std::filesystem::absolute(path, ignored);
  return ignored ? path : full.lexically_normal().string();
}

}  // namespace

ParsedCommandLine parse_command_line(int argc, char** argv) {
  CommandLine line;
  CLI::App app{"rollcalld: keeps one verified topology of the cluster and streams its changes"};
  app.footer(kFooter);
  app.set_version_flag("--version", ROLLCALL_VERSION);
  app.add_option("--config", line.config_file, "configuration, YAML or JSON")->type_name("FILE");
  app.add_option("--state-dir", line.state_dir, "where durable state lives (created 0700)")
      ->type_name("DIR")
      ->expected(1);
  app.add_option("--grpc-listen", line.grpc_listen,
                 "unix:PATH or HOST:PORT; may be repeated; default unix:STATE_DIR/rollcall.sock")
      ->type_name("ADDR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--http-listen", line.http_listen,
                 "loopback address of /metrics, /livez, /readyz, /v1/topology, /v1/http_sd; port "
                 "0: any free one")
      ->type_name("HOST:PORT")
      ->expected(1);
  app.add_option("--log-level", line.log_level, "debug, info, warning or error")
      ->type_name("LEVEL")
      ->expected(1);
  app.add_flag("--check-config", line.check_config,
               "check the configuration without starting anything or touching the network");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int shown = app.exit(e);
    return {std::nullopt, shown == 0 ? 0 : static_cast<int>(ExitCode::Usage)};
  }
  if (!line.config_file.empty()) line.config_file = absolute(line.config_file);
  for (std::string& dir : line.state_dir) dir = absolute(dir);
  return {std::move(line), 0};
}

Result<Config> load_from(const CommandLine& line, FileSystem& files,
                         const ProviderValidator* validator) {
  ConfigSources sources;
  sources.environment = environment;
  sources.validator = validator;
  if (!line.config_file.empty()) {
    auto text = read_config(line.config_file, files);
    if (!text) return tl::unexpected(std::move(text.error()));
    sources.file_name = line.config_file;
    sources.text = std::move(*text);
  }
  add_override(sources.flags, kStateDirPath, "--state-dir", line.state_dir);
  add_override(sources.flags, "grpc.listen", "--grpc-listen", line.grpc_listen);
  add_override(sources.flags, "http.listen", "--http-listen", line.http_listen);
  add_override(sources.flags, "log.level", "--log-level", line.log_level);
  // The default of root and of an ordinary user differ; said where nobody else has.
  const std::string fallback = user_state_dir();
  if (!fallback.empty() && line.state_dir.empty() && !environment(kStateDirVariable) &&
      (sources.file_name.empty() || !names_state_dir(sources.text)))
    add_override(sources.flags, kStateDirPath, "the default state directory", {fallback});
  return load_config(sources);
}

}  // namespace rollcall
