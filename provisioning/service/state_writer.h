// StateWriter: writes what the core wants remembered, so that the service thread never waits for a
// disk. Blocks and holds are written at once; the topology is a cache, and is written seldom: at
// most every kTopologySaveEvery (configurable), at most a twentieth of the time, and once more when
// draining.
//
// One slot a kind: a newer value replaces a waiting one. That is right for blocks too, because each
// version holds the whole table: the answer names the newest version written.
//
// Threads: one of its own; the calls from any. Callbacks run on the writer's thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/limits.h"
#include "core/time.h"
#include "provisioning/control/block_table.h"
#include "provisioning/registry/state_files.h"

namespace rollcall {

class StateWriter {
 public:
  struct Callbacks {
    std::function<void(std::uint64_t version, std::optional<ProvisioningError>)> blocks_saved;
    // Something else could not be written; it is tried again.
    std::function<void(std::string_view what, const ProvisioningError&)> failed;
    // For metrics; nullptr: it was written.
    std::function<void(std::string_view file, const SaveError* failure, Duration took)> written;
  };
  // `topology_every`: the least time between two writes of the topology.
  StateWriter(StateFiles& files, const Clock& clock, Callbacks callbacks,
              Duration topology_every = limits::kTopologySaveEvery);
  ~StateWriter();  // finishes the write at hand; what waits is dropped: flush() first
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  void save_blocks(std::uint64_t version, BlockTable blocks);
  void save_holds(std::vector<ProviderId> held);
  void save_topology(SavedTopology topology);
  // Writes everything that waits, the topology too; false: not done in time.
  bool flush(Duration at_most);
  // Nothing waits, and no write is under way: its destructor will not wait for the disk.
  bool idle() const;

 private:
  struct Blocks {
    std::uint64_t version = 0;
    BlockTable table;
  };
  struct Work {
    std::optional<Blocks> blocks;
    std::optional<std::vector<ProviderId>> holds;
    std::optional<SavedTopology> topology;
    bool any() const { return blocks || holds || topology; }
  };
  void run();
  Work take_due(MonoTime now);
  Duration until_due(MonoTime now) const;
  MonoTime topology_due() const;  // of the one that waits
  void write(Work work);
  // Runs `save` and tells what became of it.
  Saved timed(std::string_view file, const std::function<Saved()>& save);
  void write_holds(std::vector<ProviderId> held);
  void write_topology(SavedTopology topology);

  StateFiles& files_;
  const Clock& clock_;
  const Callbacks callbacks_;
  const Duration topology_every_;

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  Work waiting_;
  MonoTime holds_due_{};
  MonoTime topology_due_{};
  bool writing_ = false;
  int flushing_ = 0;
  bool stop_ = false;
  // The topology written last: the same members again need no hurry.
  std::optional<SavedTopology> written_;

  std::thread thread_;
};

}  // namespace rollcall
