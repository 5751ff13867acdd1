// A power cut at every step of every write: afterwards the old set or the new set is there, never a
// mixture, never an error (R1.5, R5.4). What survives is drawn from printed seeds.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/codec/canonical.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/provider_registry.h"
#include "provisioning/registry/state_directory.h"
#include "provisioning/registry/state_files.h"
#include "tests/registry/test_catalog.h"
#include "tests/support/mem_file_system.h"

namespace rollcall {
namespace {

using test::consul;
using test::FileCall;
using test::in_memory;
using test::MemFileSystem;

constexpr const char* kDir = "/state";
constexpr std::uint64_t kSeeds = 24;
using Set = std::vector<AcceptedProvider>;

// One process: a registry over its store.
struct Process {
  Process(MemFileSystem& files, const ProviderValidator& validator)
      : store(files, kDir), state(files, kDir) {
    auto opened = ProviderRegistry::open(store, &state, validator);
    if (opened) {
      registry = std::move(*opened);
    } else {
      error = opened.error().message;
    }
  }
  FileProviderStore store;
  StateFiles state;
  std::unique_ptr<ProviderRegistry> registry;
  std::string error;
};

// The operator's day: each step changes the set once.
std::vector<std::function<bool(ProviderRegistry&)>> day() {
  const RegistryWrite plain;
  const RegistryWrite unreachable{false, std::nullopt, true, false};
  const RegistryWrite prune{false, std::nullopt, true, true};
  return {
      [=](ProviderRegistry& r) { return r.add(consul("c1", 1), unreachable).has_value(); },
      [=](ProviderRegistry& r) { return r.add(in_memory("m1"), plain).has_value(); },
      [=](ProviderRegistry& r) { return r.update(consul("c1", 1, "x"), unreachable).has_value(); },
      [=](ProviderRegistry& r) {
        return r
            .apply_config({in_memory("k1"), in_memory("k2")}, ProviderRegistry::When::Start, true)
            .has_value();
      },
      [=](ProviderRegistry& r) { return r.disable(ProviderId("m1"), "why", plain).has_value(); },
      [=](ProviderRegistry& r) { return r.apply({consul("c2")}, prune).has_value(); },
      [=](ProviderRegistry& r) { return r.remove(ProviderId("c2"), plain).has_value(); },
  };
}

class PowerCutTest : public ::testing::Test {
 protected:
  PowerCutTest() {
    catalog_.backends().unreachable("c1");
    catalog_.backends().lacks("c2", "watching");
    MemFileSystem files;
    EXPECT_TRUE(files.make_directory(kDir));
    Process process(files, validator_);
    sets_.push_back(process.registry->view()->providers);
    for (const auto& step : day()) {
      EXPECT_TRUE(step(*process.registry));
      sets_.push_back(process.registry->view()->providers);
      EXPECT_NE(sets_.back(), sets_[sets_.size() - 2]) << "each step changes something";
    }
  }

  // Runs the day until it ends or the power goes; afterwards exactly the sets that are allowed.
  void run(std::uint64_t seed, std::uint64_t cut_at, bool& ended) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", power cut at change " +
                 std::to_string(cut_at));
    MemFileSystem files(seed);
    ASSERT_TRUE(files.make_directory(kDir));
    ASSERT_TRUE(StateFiles(files, kDir).next_boot());  // a sidecar's first act
    std::size_t done = 0;
    {
      Process process(files, validator_);
      ASSERT_NE(process.registry, nullptr) << process.error;
      files.cut_power_at(cut_at);
      ended = true;
      for (const auto& step : day()) {
        if (!step(*process.registry)) {
          EXPECT_TRUE(files.power_is_off());
          ended = false;
          break;
        }
        ++done;
      }
      EXPECT_EQ(process.registry->view()->providers, sets_[done]) << "in memory: what was accepted";
    }
    files.power_cut();
    Process again(files, validator_);
    ASSERT_NE(again.registry, nullptr) << again.error;
    const Set found = again.registry->view()->providers;
    EXPECT_TRUE(found == sets_[done] || (!ended && found == sets_[done + 1]));
    const auto report = verify_store(files, kDir);
    ASSERT_TRUE(report);
    for (const FileHealth& file : report->files) {
      EXPECT_NE(file.state, FileHealth::State::Broken) << file.file << ": " << file.detail;
    }
  }

  test::TestCatalog catalog_;
  ProviderValidator validator_{catalog_, catalog_.context()};
  std::vector<Set> sets_;  // after so many steps, when nothing fails
};

TEST_F(PowerCutTest, R1_5_R5_4_TheOldSetOrTheNewSetAtEveryStep) {
  std::uint64_t cut_at = 1;
  for (bool ended = false; !ended; ++cut_at) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      run(seed, cut_at, ended);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(cut_at, 7u * 4) << "seven writes of at least four changes were cut";
}

TEST_F(PowerCutTest, R1_5_AnyCallFailingAtRandomLosesNothingThatWasAccepted) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemFileSystem files(seed);
    ASSERT_TRUE(files.make_directory(kDir));
    Set last;
    {
      Process process(files, validator_);
      ASSERT_NE(process.registry, nullptr) << process.error;
      for (const FileCall call : {FileCall::WriteSynced, FileCall::Rename, FileCall::LinkOrCopy,
                                  FileCall::SyncDirectory}) {
        files.fail_with_probability(call, 0.2);
      }
      for (const auto& step : day()) {
        const Set before = process.registry->view()->providers;
        for (int attempt = 0; attempt < 50 && !step(*process.registry); ++attempt) {
          EXPECT_EQ(process.registry->view()->providers, before);
        }
      }
      files.stop_failing();
      // One more write settles whatever was in doubt.
      ASSERT_TRUE(process.registry->add(in_memory("last"), {}));
      last = process.registry->view()->providers;
    }
    files.power_cut();
    Process again(files, validator_);
    ASSERT_NE(again.registry, nullptr) << again.error;
    EXPECT_EQ(again.registry->view()->providers, last);
  }
}

// --- the other state files ---

Block block(const std::string& node, std::int64_t expires) {
  Block b;
  b.node = NodeId(node);
  b.incarnation = "i" + node;
  b.expires_at = from_unix_ms(expires);
  return b;
}

SavedTopology topology(int size) {
  std::vector<Member> members;
  for (int i = 0; i < size; ++i) {
    ClusterNode node;
    node.id = NodeId("n" + std::to_string(i));
    node.host = "10.0.0.1";
    node.port = 7000;
    members.push_back(make_member(std::move(node)));
  }
  return {MemberMap::from(std::move(members)), from_unix_ms(1000 + size), ProviderId("p")};
}

TEST(StatePowerCutTest, BlocksHoldsAndTopologyAreTheOldOrTheNewOnes) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    for (std::uint64_t cut_at = 1; cut_at <= 9; ++cut_at) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", cut at " + std::to_string(cut_at));
      MemFileSystem files(seed);
      ASSERT_TRUE(files.make_directory(kDir));
      const BlockTable old_blocks{{NodeId("a"), block("a", 5)}};
      const BlockTable new_blocks{{NodeId("a"), block("a", 9)}, {NodeId("b"), block("b", 7)}};
      bool saved[3] = {false, false, false};
      {
        StateFiles state(files, kDir);
        ASSERT_TRUE(state.save_blocks(old_blocks));
        ASSERT_TRUE(state.save_holds({ProviderId("p")}));
        ASSERT_TRUE(state.save_topology(topology(3)));
        files.cut_power_at(cut_at);
        saved[0] = state.save_blocks(new_blocks).has_value();
        saved[1] = state.save_holds({}).has_value();
        saved[2] = state.save_topology(topology(4)).has_value();
      }
      files.power_cut();
      StateFiles state(files, kDir);
      const auto blocks = state.load_blocks();
      ASSERT_TRUE(blocks) << blocks.error().message;
      EXPECT_TRUE(*blocks == new_blocks || (!saved[0] && *blocks == old_blocks));
      const auto holds = state.load_holds();
      ASSERT_TRUE(holds);
      EXPECT_TRUE(holds->empty() || (!saved[1] && holds->size() == 1));
      const auto kept = state.load_topology();
      ASSERT_TRUE(kept && *kept);
      const std::size_t size = (*kept)->members.size();
      EXPECT_TRUE(size == 4 || (!saved[2] && size == 3));
    }
  }
}

TEST(StatePowerCutTest, TheBootCounterNeverRepeats) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemFileSystem files(seed);
    ASSERT_TRUE(files.make_directory(kDir));
    std::uint64_t highest = 0;
    for (int life = 0; life < 12; ++life) {
      files.cut_power_at(1 + (seed + static_cast<std::uint64_t>(life) * 7) % 8);
      const auto boot = StateFiles(files, kDir).next_boot();
      if (boot) {
        EXPECT_GT(*boot, highest);
        highest = *boot;
      }
      files.power_cut();
    }
    const auto boot = StateFiles(files, kDir).next_boot();
    ASSERT_TRUE(boot) << boot.error().message;
    EXPECT_GT(*boot, highest);
  }
}

}  // namespace
}  // namespace rollcall
