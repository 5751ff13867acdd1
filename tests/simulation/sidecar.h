// Sidecar: one life of a sidecar, from boot to crash: the real state files, registry, core and hub,
// run by a service without threads. What the daemon's threads do (streams, disk, hub) happens at
// moments that the timeline's dice choose.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bridges/codec/event_codec.h"
#include "core/file_system.h"
#include "provisioning/control/provisioning_core.h"
#include "provisioning/hub/watch_hub.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/provider_registry.h"
#include "provisioning/registry/state_directory.h"
#include "provisioning/registry/state_files.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/sim_stream.h"
#include "tests/simulation/timeline.h"
#include "tests/simulation/world.h"

namespace rollcall::test {

inline constexpr std::size_t kSimLogBytes = 24 * 1024;
inline constexpr std::size_t kSimBlockBytes = 4 * 1024;

// What outlives a sidecar.
struct Surroundings {
  Dice& dice;
  Timeline& time;
  World& world;
  std::map<std::string, Backend>& backends;
  FileSystem& files;
  const ProviderValidator& validator;
  Oracle& oracle;
  FailoverPolicy policy = {};  // that a sidecar starts with: what its configuration says
};

// What a table of blocks amounts to, without its times.
using BlockNames = std::map<std::string, std::string>;  // node → incarnation
BlockNames names_of(const BlockTable& blocks);

class Sidecar {
 public:
  // STORE_IO: the disk fails, try again later. Anything else is for the caller to judge.
  static Result<std::unique_ptr<Sidecar>> boot(Surroundings& around, std::uint64_t seed);
  ~Sidecar();

  void step(const Input& input);
  void tick();  // of the core, if it is due

  const ProvisioningCore& core() const { return *core_; }
  WatchHub& hub() { return *hub_; }
  ProviderRegistry& registry() { return *registry_; }
  bool draining() const { return core_->snapshot().draining; }
  std::optional<MonoTime> next_tick() const { return next_tick_; }
  RequestId next_request() { return RequestId(++requests_); }
  // Called with the outcome of each request.
  void on_reply(RequestId request, std::function<void(const Result<effect::ReplyOk>&)> done) {
    waiting_[request.value()] = std::move(done);
  }
  std::size_t open_requests() const { return waiting_.size(); }
  // What the file of blocks may hold after a crash now.
  std::vector<BlockNames> possible_blocks() const;
  const BlockNames& loaded_blocks() const { return loaded_blocks_; }

 private:
  Sidecar(Surroundings& around, StateDirectory directory);
  Result<void> open(std::uint64_t seed);
  void later(Duration wait, std::function<void()> what);  // void if this life is over by then
  void carry_out(const Effects& effects);
  void carry_out(const effect::SaveBlocks& save);
  void save_holds(std::vector<ProviderId> held);
  void save_topology();
  void deliver(const ProviderReport& report);
  std::vector<ProviderSpec> specs() const;
  std::set<ProviderId> registered(bool only_enabled) const;
  WallTime wall(MonoTime at) const;

  Surroundings& around_;
  StateDirectory directory_;
  StateFiles state_;
  FileProviderStore store_;
  std::unique_ptr<ProviderRegistry> registry_;
  ProtoEventEncoder event_encoder_;
  ProtoSnapshotEncoder snapshot_encoder_;
  std::unique_ptr<WatchHub> hub_;
  std::unique_ptr<ProvisioningCore> core_;
  std::map<ProviderId, std::unique_ptr<SimStream>> streams_;
  std::optional<MonoTime> next_tick_;
  std::uint64_t requests_ = 0;
  std::map<std::uint64_t, std::function<void(const Result<effect::ReplyOk>&)>> waiting_;
  std::vector<BlockTable> attempted_;  // writes of blocks since the last one that succeeded
  BlockNames loaded_blocks_;
  bool topology_save_due_ = false;
  std::vector<ProviderId> release_holds_;  // of the registry's last change
  bool stepping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rollcall::test
