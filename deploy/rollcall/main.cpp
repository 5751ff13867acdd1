#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "deploy/rollcall/cli.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an exit status (README), not a signal
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return rollcall::cli::run(arguments, std::cout, std::cerr,
                            rollcall::client::process_surroundings());
}
