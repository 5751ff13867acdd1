// The settings of a `custom` provider: the table that documents and checks them, and their values.
// Pure functions, any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/provider.h"
#include "providers/custom/left_plugins.h"

namespace rollcall {

struct PluginSettings {
  std::string provider_id;
  std::string socket;                         // path of a running plug-in; empty: it is started
  std::string command;                        // absolute path of the program
  std::vector<std::string> arguments;         // without argv[0]
  std::map<std::string, std::string> env;     // beside the minimal environment
  std::map<std::string, std::string> config;  // handed over in the handshake
  AuthRef auth;                               // paths, handed over
  Duration start{};                           // until the handshake is done
  Duration attest{};
  std::shared_ptr<LeftPlugins> left;  // where those go that can't be ended; the kind's

  bool supervised() const { return !command.empty(); }
  // How long a stream may be silent before the plug-in counts as hung.
  Duration silence() const;
};

const KindInfo& custom_info();
std::vector<Problem> validate_custom(const ProviderDescriptor& d, std::string_view field);
// Of a descriptor without problems.
PluginSettings plugin_settings(const ProviderDescriptor& d);

}  // namespace rollcall
