// A node process for the tests of the registry: real, so that it can be stopped and killed.
//
//   local_registrar DIR register PREFIX COUNT MARKER   registers itself COUNT times, writes the
//   file
//                                                      MARKER, and lives on
//   local_registrar DIR hold PREFIX 0 MARKER           stops itself (SIGSTOP) with the lock held;
//   once
//                                                      continued, lets go and lives on
//   local_registrar DIR headless PREFIX COUNT MARKER   as register; then its first thread ends, and
//                                                      another one lives on
//   local_registrar DIR churn PREFIX COUNT MARKER      registers and removes COUNT ids for ever
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "providers/local/registry/host_clock.h"
#include "providers/local/registry/local_registry.h"
#include "provisioning/registry/posix_file_system.h"

namespace rollcall {
namespace {

const LockWait kPatient{std::chrono::minutes(5), {}};

void check(bool good, const ProvisioningError& error) {
  if (good) return;
  std::fprintf(stderr, "%s: %s\n", std::string(to_string(error.code)).c_str(),
               error.message.c_str());
  std::exit(1);
}

void enrol(LocalRegistry& registry, const std::string& id) {
  Registration self;
  self.node.id = NodeId(id);
  self.socket = "/run/" + id + ".sock";
  self.version = "1.2.3";
  const auto entry = registry.register_self(self, kPatient);
  check(entry.has_value(), entry ? ProvisioningError{} : entry.error());
}

void leave(LocalRegistry& registry, const std::string& id) {
  const auto left = registry.remove_self(NodeId(id), kPatient);
  check(left.has_value(), left ? ProvisioningError{} : left.error());
}

void mark(const std::string& path) {
  if (std::FILE* file = std::fopen(path.c_str(), "w")) std::fclose(file);
}

int run(const std::string& directory, const std::string& mode, const std::string& prefix, int count,
        const std::string& marker) {
  PosixFileSystem files;
  const HostClock clock;
  LocalRegistry registry(files, clock, directory);
  if (mode == "register" || mode == "headless") {
    for (int i = 0; i < count; ++i) enrol(registry, prefix + "-" + std::to_string(i));
    if (mode == "headless") {
      std::thread([] {
        while (true) ::pause();
      }).detach();
    }
    mark(marker);
    if (mode == "headless") ::syscall(SYS_exit, 0);  // of this thread
  } else if (mode == "hold") {
    const auto lock =
        RegistryLock::acquire(directory + "/" + std::string(kLocalLockFile), clock, kPatient);
    check(lock.has_value(), lock ? ProvisioningError{} : lock.error());
    ::raise(SIGSTOP);
  } else if (mode == "churn") {
    mark(marker);
    while (true) {
      for (int i = 0; i < count; ++i) enrol(registry, prefix + "-" + std::to_string(i));
      for (int i = 0; i < count; ++i) leave(registry, prefix + "-" + std::to_string(i));
    }
  } else {
    return 2;
  }
  while (true) ::pause();
}

}  // namespace
}  // namespace rollcall

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  return rollcall::run(argv[1], argv[2], argv[3], std::atoi(argv[4]), argv[5]);
}
