// What the tests of plug-ins share: descriptors that lead to one, and a look at the processes of
// this machine.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/provider.h"

namespace rollcall::test {

using Params = std::map<std::string, std::string>;

// A provider of kind `custom`; null with a test failure if its descriptor is refused.
std::unique_ptr<ClusterProvider> make_custom(const Clock& clock, Params params,
                                             std::vector<std::string> endpoints = {},
                                             AuthRef auth = {});

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';          // 'Z': ended and not collected
  std::string command_line;  // arguments separated by blanks
};
std::vector<ProcessInfo> all_processes();
// Children of this process, ended ones that are not collected included.
std::size_t own_children();
std::size_t own_zombies();
// Processes whose command line contains `text` and that are no zombies.
std::size_t running_with(const std::string& text);

}  // namespace rollcall::test
