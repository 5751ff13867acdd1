// A fleet's stories from printed seeds: sidecars on one document whose store goes away, loses
// answers, is put back to a backup, emptied and written by hand, while operators write at all of
// them, at the same moment too, and sidecars die and are replaced. What must be true after every
// step is checked without a line of the code that decides it; in the end one write on purpose must
// bring all of them together.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/fleet/fleet_fixture.h"
#include "tests/simulation/timeline.h"

namespace rollcall::test {
namespace {

#if defined(ROLLCALL_SANITIZED)
constexpr std::uint64_t kStories = 60;
#else
constexpr std::uint64_t kStories = 600;
#endif
constexpr int kSteps = 60;
constexpr std::size_t kSidecars = 3;

// Every set that is asked for has a number of its own: the priority of its providers.
using Tag = std::int32_t;

class Story {
 public:
  explicit Story(std::uint64_t seed) : dice_(seed) {
    for (std::size_t i = 0; i < kSidecars; ++i) sidecars_.push_back(new_one());
  }

  void run() {
    for (int step = 0; step < kSteps && !::testing::Test::HasFailure(); ++step) {
      act();
      check();
    }
    if (!::testing::Test::HasFailure()) check_convergence();
  }

 private:
  struct Life {
    std::unique_ptr<Sidecar> sidecar;
    Revision revision;  // that it ran last: it never goes back
    Tag tag = 0;        // 0: what it began with, nothing
  };

  Life new_one() { return {std::make_unique<Sidecar>(store_), Revision(), 0}; }
  std::size_t any() { return dice_.below(kSidecars); }

  static Tag tag_of(const std::vector<ProviderDescriptor>& providers) {
    return providers.empty() ? 0 : providers.front().priority;
  }
  static std::vector<ProviderDescriptor> running(const Sidecar& sidecar) {
    std::vector<ProviderDescriptor> providers;
    for (const AcceptedProvider& p : sidecar.registry->view()->providers) {
      providers.push_back(p.descriptor);
    }
    return providers;
  }
  // What the store holds; none: nothing, or nothing that can be read.
  std::optional<FleetSet> stored() const {
    const MemoryStore::State state = store_.state();
    if (state.version.written == 0) return std::nullopt;
    auto set = decode_fleet_document(state.text);
    if (!set) return std::nullopt;
    return std::move(*set);
  }

  // --- what happens -----------------------------------------------------------------------------

  void act() {
    switch (dice_.below(16)) {
      case 0:
        store_.fail(ProvisioningError{ErrorCode::BackendUnavailable, "refused", {}, 0});
        break;
      case 1:
      case 2:
        store_.fail(std::nullopt);
        break;
      case 3:
        store_.lose_next(static_cast<MemoryStore::Lost>(dice_.below(3)));
        break;
      case 4:
        restart(any());
        break;
      case 5:
        if (dice_.chance(0.3)) lives_at(any()) = new_one();  // the machine was replaced
        break;
      case 6:
        misfortune();
        break;
      case 7:
        backups_.push_back(store_.state());
        break;
      case 8: {  // two at the same moment
        const std::size_t one = any();
        const std::size_t other = (one + 1 + dice_.below(kSidecars - 1)) % kSidecars;
        store_.before_next_swap([this, other] { write(other); });
        write(one);
        store_.before_next_swap(nullptr);
        break;
      }
      case 9:
      case 10:
      case 11:
      case 12:
        write(any());
        break;
      default:
        lives_at(any()).sidecar->look();
        break;
    }
  }

  void misfortune() {
    base_.reset();  // what the store holds next need not go on from what it held
    switch (dice_.below(4)) {
      case 0:
        store_.empty();
        break;
      case 1:
        store_.put("by mistake");
        break;
      default:
        if (!backups_.empty()) store_.restore(backups_[dice_.below(backups_.size())]);
        break;
    }
  }

  void restart(std::size_t which) {
    Sidecar& sidecar = *lives_at(which).sidecar;
    if (dice_.chance(0.5)) {
      sidecar.files.power_cut();
    } else {
      sidecar.files.process_death();
    }
    sidecar.restart();
  }

  void write(std::size_t which) {
    Sidecar& sidecar = *lives_at(which).sidecar;
    const Tag tag = ++tags_;
    std::vector<ProviderDescriptor> wanted;
    for (std::size_t i = 0; i <= dice_.below(3); ++i) {
      wanted.push_back(in_memory("m" + std::to_string(i), tag));
    }
    const std::uint64_t here = sidecar.registry->view()->revision.value();
    std::optional<std::uint64_t> named;
    if (dice_.chance(0.4)) named = dice_.chance(0.8) ? here : here + dice_.below(3);
    const auto before = stored();
    const auto done = sidecar.apply(wanted, named);
    if (done) {
      const bool behind = here > 0 && (!before || before->set.revision < Revision(here));
      EXPECT_FALSE(behind && !named) << "what was lost or put back is replaced on purpose only";
      acknowledged_.insert(tag);
      EXPECT_EQ(running(sidecar), wanted) << "what was acknowledged runs";
      if (named) {
        EXPECT_EQ(sidecar.registry->view()->revision, Revision(*named + 1));
      }
    } else if (done.error().message.find("unknown") == std::string::npos) {
      refused_.insert(tag);
    }
  }

  // --- what must be true ------------------------------------------------------------------------

  Life& lives_at(std::size_t which) { return sidecars_[which]; }

  void check() {
    if (const auto there = stored()) {
      const Tag tag = tag_of(there->set.providers);
      EXPECT_FALSE(refused_.contains(tag)) << "a refused write was stored: " << tag;
      const auto [at, first] = ever_stored_.emplace(tag, *there);
      if (!first) {
        EXPECT_TRUE(at->second.same_set(*there)) << "one write, two sets: " << tag;
      }
      if (base_ && !base_->same_set(*there)) {
        EXPECT_GT(there->set.revision, base_->set.revision) << "the store's revision rises";
      }
      base_ = there;
    } else if (base_) {
      ADD_FAILURE() << "a sidecar removed the document, or stored what can't be read";
    }
    for (Life& life : sidecars_) {
      const Revision revision = life.sidecar->registry->view()->revision;
      const std::vector<ProviderDescriptor> set = running(*life.sidecar);
      EXPECT_GE(revision, life.revision) << "a sidecar went back";
      if (revision == life.revision) {
        EXPECT_EQ(tag_of(set), life.tag) << "another set, unnumbered";
      }
      if (revision != Revision()) {
        const auto stored_once = ever_stored_.find(tag_of(set));
        if (stored_once == ever_stored_.end()) {
          // Two wrote at the same moment, and the first set was replaced before anyone looked.
          EXPECT_TRUE(acknowledged_.contains(tag_of(set))) << "a set that nobody stored runs";
        } else {
          EXPECT_EQ(set, stored_once->second.set.providers) << "a part of a set runs";
          EXPECT_EQ(revision, stored_once->second.set.revision);
        }
      }
      life.revision = revision;
      life.tag = tag_of(set);
    }
  }

  // The store is well again, and the operator does what the refusals say.
  void check_convergence() {
    store_.fail(std::nullopt);
    for (Life& life : sidecars_) life.sidecar->look();
    const auto latest =
        std::max_element(sidecars_.begin(), sidecars_.end(), [](const Life& a, const Life& b) {
          return a.sidecar->registry->view()->revision < b.sidecar->registry->view()->revision;
        });
    Sidecar& chosen = *latest->sidecar;
    const Tag tag = ++tags_;
    const auto attempt = [&] {
      return chosen.apply({in_memory("last", tag)}, chosen.registry->view()->revision.value());
    };
    auto done = attempt();
    if (!done) {  // the answer that was still to be lost is lost now
      store_.fail(std::nullopt);
      chosen.look();
      done = attempt();
    }
    ASSERT_TRUE(done) << done.error().message;
    for (Life& life : sidecars_) {
      life.sidecar->look();
      EXPECT_EQ(tag_of(running(*life.sidecar)), tag) << life.sidecar->set();
      EXPECT_EQ(life.sidecar->set(), chosen.set());
      EXPECT_EQ(life.sidecar->state(), "following");
    }
    check();
  }

  Dice dice_;
  MemoryStore store_;
  std::vector<Life> sidecars_;
  std::vector<MemoryStore::State> backups_;
  Tag tags_ = 0;
  std::set<Tag> acknowledged_;
  std::set<Tag> refused_;
  std::map<Tag, FleetSet> ever_stored_;
  std::optional<FleetSet> base_;  // what the store held, unless something befell it since
};

TEST(FleetStories, EveryStoryEndsWithOneSet) {
  const char* chosen = std::getenv("ROLLCALL_FLEET_SEED");
  const std::uint64_t first = chosen == nullptr ? 1 : std::strtoull(chosen, nullptr, 10);
  const std::uint64_t last = chosen == nullptr ? kStories : first;
  for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) +
                 " (again: ROLLCALL_FLEET_SEED=" + std::to_string(seed) + ")");
    Story(seed).run();
  }
}

}  // namespace
}  // namespace rollcall::test
