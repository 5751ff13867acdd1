// Where the sidecar of this machine is, when nobody says otherwise. One rule for rollcalld,
// rollcall and deploy/run.sh:
//
//   state directory  $ROLLCALL_STATE_DIR, else /var/lib/rollcall for root,
//                    else $XDG_STATE_HOME/rollcall, else $HOME/.local/state/rollcall
//   socket           rollcall.sock in it
//   server           $ROLLCALL_SERVER, else unix:<socket>
//
// Pure functions, any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace rollcall::client {

inline constexpr std::string_view kSocketName = "rollcall.sock";
inline constexpr std::string_view kSystemStateDir = "/var/lib/rollcall";

// What the rule looks at. A variable that is not set is an empty string.
struct Surroundings {
  std::function<std::string(const char*)> variable;
  bool root = false;
};
Surroundings process_surroundings();  // getenv and geteuid

std::string default_state_dir(const Surroundings& surroundings);
std::string default_server(const Surroundings& surroundings);

}  // namespace rollcall::client
