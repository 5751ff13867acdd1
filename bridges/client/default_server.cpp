#include "bridges/client/default_server.h"

#include <unistd.h>

#include <cstdlib>

namespace rollcall::client {

Surroundings process_surroundings() {
  return {[](const char* name) {
            const char* value = std::getenv(name);
            return std::string(value == nullptr ? "" : value);
          },
          ::geteuid() == 0};
}

std::string default_state_dir(const Surroundings& surroundings) {
  if (auto directory = surroundings.variable("ROLLCALL_STATE_DIR"); !directory.empty()) {
    return directory;
  }
  if (surroundings.root) return std::string(kSystemStateDir);
  // The XDG base directory specification: a relative path is to be ignored.
  if (auto xdg = surroundings.variable("XDG_STATE_HOME"); xdg.starts_with('/')) {
    return xdg + "/rollcall";
  }
  if (auto home = surroundings.variable("HOME"); !home.empty()) {
    return home + "/.local/state/rollcall";
  }
  return std::string(kSystemStateDir);
}

std::string default_server(const Surroundings& surroundings) {
  if (auto server = surroundings.variable("ROLLCALL_SERVER"); !server.empty()) return server;
  return "unix:" + default_state_dir(surroundings) + "/" + std::string(kSocketName);
}

}  // namespace rollcall::client
