// Simulation: one seed's story. A cluster, its backends, one sidecar after another, its consumers,
// its operators and its disk, all misbehaving; then everything is well again and must converge.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "provisioning/registry/provider_validator.h"
#include "tests/registry/test_catalog.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/sidecar.h"
#include "tests/simulation/sim_consumer.h"
#include "tests/simulation/timeline.h"
#include "tests/simulation/world.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {

struct Outcome {
  std::vector<std::string> violations;  // empty: all was as it must be
  std::uint64_t events = 0;             // of all lives
  std::uint64_t digest = 0;             // the same seed gives the same one
  std::uint64_t boots = 0;
  std::uint64_t snapshots = 0;                  // that consumers took
  std::map<std::string, std::uint64_t> counts;  // of events, by kind
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, std::ostream* story = nullptr);
  ~Simulation();
  Outcome run();

 private:
  using Descriptors = std::vector<ProviderDescriptor>;

  // Repeats `what` at random moments until the faults stop.
  void now_and_then(Duration from, Duration to, std::function<void()> what);
  bool troubled() const { return time_.now() < calm_from_; }
  void run_until(MonoTime end);

  // sidecar
  void boot();
  void crash(bool power);
  void check_loaded();

  // misfortunes
  void change_a_mood();
  void trouble_the_disk();
  void trouble_a_consumer();
  void maybe_crash();

  // operators and consumers (simulation_acts.cpp)
  void operate();
  void change_registry();
  void registry_call(const Descriptors& expected, const std::function<bool(std::string&)>& call);
  void add_provider();
  void update_provider(const ProviderDescriptor& old);
  void apply_set();
  Descriptors registered() const;
  void change_policy();
  void switch_provider();
  void report_a_node();
  void publish_ownership();
  void ask(const std::function<Input(RequestId)>& make);
  void let_read(SimConsumer& consumer);
  void schedule_reading(SimConsumer& consumer);

  // the end (simulation_acts.cpp)
  void make_everything_well();
  void check_convergence();
  void check_members(const TopologySnapshot& now);

  Dice dice_;
  Timeline time_;
  const MonoTime calm_from_;
  World world_;
  std::map<std::string, Backend> backends_;
  MemFileSystem files_;
  TestCatalog catalog_;
  ProviderValidator validator_;
  Oracle oracle_;
  Surroundings around_;
  std::unique_ptr<Sidecar> sidecar_;
  std::vector<std::unique_ptr<SimConsumer>> consumers_;
  std::map<const SimConsumer*, MonoTime> asleep_until_;
  std::vector<Descriptors> possible_sets_{{}};  // one of these is stored
  std::vector<BlockNames> possible_blocks_{{}};
  FailoverPolicy policy_;
  std::uint64_t lease_tick_ = 0;
  Outcome outcome_;
};

}  // namespace rollcall::test
