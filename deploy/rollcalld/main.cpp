// rollcalld: the sidecar. What it does is in the README; here is only the way from flags to run().

#include "deploy/rollcalld/command_line.h"
#include "deploy/rollcalld/exit_code.h"
#include "deploy/rollcalld/signals.h"
#include "deploy/rollcalld/startup.h"

int main(int argc, char** argv) {
  using namespace rollcall;
  block_signals();
  const ParsedCommandLine parsed = parse_command_line(argc, argv);
  if (!parsed.command_line) return parsed.exit_code;
  return static_cast<int>(parsed.command_line->check_config ? check_config(*parsed.command_line)
                                                            : serve(*parsed.command_line));
}
