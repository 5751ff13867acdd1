// The registry is filled as node processes fill it; the nodes are all this process, which lives.
// LIBS: rollcall_providers_local_registry
// LIBS: rollcall_provisioning_registry
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "providers/local/registry/process_identity.h"
#include "providers/local/registry/registry_file.h"
#include "providers/local/registry/registry_lock.h"
#include "provisioning/registry/posix_file_system.h"
#include "tests/backends/environment.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

class LocalHarness : public BackendHarness {
 public:
  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("local");
    d.kind = "local";
    // Without the labels of this kind: the suite compares members with those of every other kind.
    d.watch_params = {
        {"labels", "false"}, {"attest_ms", "50"}, {"poll_ms", "20"}, {"lock_wait_ms", "100"}};
    return d;
  }
  ProviderContext context() override { return {&clock_, &files_, state_dir_.path().string()}; }

  // All at once; that many registrations one by one are tested elsewhere.
  void set_members(ClusterProvider&, const std::vector<ClusterNode>& nodes) override {
    const auto self = identify_process(::getpid());
    ASSERT_TRUE(self) << self.error().message;
    const auto lock = RegistryLock::acquire(lock_path(), clock_, {kPatience, {}});
    ASSERT_TRUE(lock) << lock.error().message;
    if (std::exchange(too_large_, false)) std::filesystem::remove(file_path());
    auto content = load_registry(files_, directory());
    ASSERT_TRUE(content) << content.error().message;
    content->entries.clear();
    for (const ClusterNode& node : nodes) {
      content->entries.push_back({node, *self, "/run/node.sock", "1.0", clock_.wall_now(), {}});
    }
    ++content->revision;
    const auto saved = save_registry(files_, directory(), *content);
    ASSERT_TRUE(saved) << saved.error().message;
  }

  // A process that hangs with the lock; that it is this one makes no difference to flock.
  bool break_down() override {
    auto lock = RegistryLock::acquire(lock_path(), clock_, {kPatience, {}});
    if (lock) held_.emplace(std::move(*lock));
    return held_.has_value();
  }
  void repair() override { held_.reset(); }
  // A registry that large was not written by us: it is broken.
  std::optional<ErrorCode> exceed_limits() override {
    const auto lock = RegistryLock::acquire(lock_path(), clock_, {kPatience, {}});
    EXPECT_TRUE(lock) << lock.error().message;
    std::filesystem::resize_file(file_path(), limits::kMaxLocalRegistryBytes + 1);
    too_large_ = true;
    return ErrorCode::StoreCorrupted;
  }

 private:
  std::string directory() const { return (state_dir_ / "local").string(); }
  std::string file_path() const { return directory() + "/" + std::string(kLocalRegistryFile); }
  std::string lock_path() const { return directory() + "/" + std::string(kLocalLockFile); }

  RealClock clock_;
  PosixFileSystem files_;
  TempDir state_dir_;
  std::optional<RegistryLock> held_;
  bool too_large_ = false;
};

}  // namespace

const char* harness_kind() { return "local"; }
std::unique_ptr<BackendHarness> make_harness() { return std::make_unique<LocalHarness>(); }

}  // namespace rollcall::test
