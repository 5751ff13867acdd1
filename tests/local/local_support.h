// What the tests of the process registry share: a registry in a directory of its own, real
// processes to put into it, and a real file system of which one call can be made to fail.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "providers/local/registry/host_clock.h"
#include "providers/local/registry/local_registry.h"
#include "provisioning/registry/posix_file_system.h"
#include "tests/backends/environment.h"
#include "tests/backends/process.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {

// The real file system; the calls of one kind fail until told otherwise.
class FaultyFiles : public FileSystem {
 public:
  void fail(FileCall call) { failing_ = static_cast<int>(call); }
  void stop_failing() { failing_ = kNone; }

  Result<std::string> read(const std::string& path, std::size_t max_bytes) override;
  Result<void> write_synced(const std::string& path, std::string_view data) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  Result<void> link_or_copy(const std::string& from, const std::string& to) override;
  Result<void> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, std::string_view holder) override;

 private:
  Result<void> fate(FileCall call) const;
  PosixFileSystem real_;
  static constexpr int kNone = -1;
  std::atomic<int> failing_{kNone};  // a FileCall or kNone; read by a stream's thread
};

Registration registration(const std::string& id);
std::vector<std::string> ids(const std::vector<LocalEntry>& entries);  // sorted
std::vector<std::string> ids(const Listing& listing);                  // sorted

// A process that does nothing until it is killed.
Process idle_process();
// SIGKILL; it is dead then, and a zombie, because nobody has waited for it.
void kill_and_leave_unreaped(Process& process);

class RegistryTest : public ::testing::Test {
 protected:
  // A registry as another process would have it.
  LocalRegistry registry() { return LocalRegistry(files_, clock_, directory_); }
  // Registers a process; fails the test if that is refused.
  LocalEntry enrol(const std::string& id, std::int64_t pid);
  // Puts an entry into the file that nobody could register.
  void plant(const LocalEntry& entry);
  Listing listing();
  std::string at(std::string_view name) const { return directory_ + "/" + std::string(name); }

  HostClock clock_;
  FaultyFiles files_;
  TempDir parent_;
  const std::string directory_ = (parent_ / "local").string();
  const std::string file_ = directory_ + "/" + std::string(kLocalRegistryFile);
  const std::string lock_ = directory_ + "/" + std::string(kLocalLockFile);
};

}  // namespace rollcall::test
