// A thousand random histories against a model: a sidecar whose log, snapshots and restarts are
// right, a connection that breaks, repeats, loses and corrupts, and a consumer that believes
// nothing but the notices.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bridges/client/replica/topology_replica.h"
#include "core/codec/canonical.h"
#include "tests/client/recorder.h"
#include "tests/client/scripted_log.h"

namespace rollcall::client::testing {
namespace {

constexpr int kHistories = 1'000;
constexpr int kStepsAHistory = 150;
constexpr std::size_t kLogEntries = 40;  // older ones are gone
constexpr int kIds = 12;

using Random = std::mt19937_64;

bool chance(Random& random, int percent) { return random() % 100 < static_cast<unsigned>(percent); }

// The sidecar: the truth, its log, and at most two snapshot versions.
class Sidecar {
 public:
  explicit Sidecar(Random& random) : random_(random) {
    note(log_.availability(v1::AVAILABILITY_AVAILABLE, false, false));
  }

  void act() {
    const std::string id = "n" + std::to_string(random_() % kIds);
    const ClusterNode node = make_node(id, std::to_string(random_() % 3));
    const Member* known = log_.members().find(NodeId(id));
    switch (random_() % 10) {
      case 0:
        return restart();
      case 1:
        return reset();
      case 2:
        return note(log_.leases(++tick_, {id}));
      case 3:
        return note(log_.unknown());
      case 4:
        return note(log_.health("p", v1::HEALTH_HEALTHY, v1::ADVICE_NONE));
      default:
        break;
    }
    if (known == nullptr) {
      note(log_.join(node));
      note(log_.remote(v1::REMOTE_KIND_JOIN, node));
    } else if (known->node->incarnation != node.incarnation) {
      const ClusterNode old_one = *known->node;
      note(log_.rejoin(node));
      note(log_.remote(v1::REMOTE_KIND_LEAVE, old_one));
      note(log_.remote(v1::REMOTE_KIND_JOIN, node));
    } else if (chance(random_, 50)) {
      const ClusterNode old_one = *known->node;
      note(log_.leave(id));
      note(log_.remote(v1::REMOTE_KIND_LEAVE, old_one));
    } else {
      const bool blocked = !known->blocked;
      note(log_.change(node, blocked));
      note(log_.remote(blocked ? v1::REMOTE_KIND_BLOCKED : v1::REMOTE_KIND_UNBLOCKED, node,
                       blocked));
    }
  }

  const MemberMap& truth(Position position) const { return truth_.at(key(position)); }
  bool knows(Position position) const { return truth_.contains(key(position)); }
  const ScriptedLog& log() const { return log_; }
  const std::deque<v1::ClusterEvent>& entries() const { return entries_; }

  // The index of the first entry after `position`, if the log still holds that place.
  std::optional<std::size_t> find(Position position) const {
    if (position.none() || position.epoch != log_.epoch()) return {};
    const std::uint64_t first =
        entries_.empty() ? log_.seq_no().value() + 1 : entries_.front().seq_no();
    if (position.seq_no.value() + 1 < first || position.seq_no > log_.seq_no()) return {};
    return static_cast<std::size_t>(position.seq_no.value() + 1 - first);
  }
  // Any version whose successors are in the log (SPEC 5), with the place that it is of.
  std::pair<std::vector<v1::ClusterEvent>, Position> snapshot(Position at_least = {}) {
    if (old_version_.none() || !find(old_version_) || old_version_.epoch != log_.epoch() ||
        old_version_.seq_no < at_least.seq_no || chance(random_, 50)) {
      old_version_ = {log_.epoch(), log_.seq_no()};
    }
    return {
        ScriptedLog::snapshot_of(old_version_.epoch, old_version_.seq_no, truth(old_version_), 3),
        old_version_};
  }

 private:
  static std::pair<std::uint64_t, std::uint64_t> key(Position position) {
    return {position.epoch.value(), position.seq_no.value()};
  }
  void note(v1::ClusterEvent event) {
    truth_[{event.epoch(), event.seq_no()}] = log_.members();
    entries_.push_back(std::move(event));
    if (entries_.size() > kLogEntries) entries_.pop_front();
  }
  void restart() {
    if (!chance(random_, 30)) return;
    log_.restart();
    entries_.clear();
    tick_ = 0;
    note(log_.availability(v1::AVAILABILITY_AVAILABLE, false, false));
  }
  void reset() {
    if (!chance(random_, 30)) return;
    MemberMap members;
    for (int i = 0; i < kIds; ++i) {
      if (chance(random_, 50)) {
        members = members.with(make_member(make_node("n" + std::to_string(i), "0")));
      }
    }
    note(log_.reset(members));
  }

  Random& random_;
  ScriptedLog log_;
  std::deque<v1::ClusterEvent> entries_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, MemberMap> truth_;
  Position old_version_;
  std::uint64_t tick_ = 0;
};

// Believes the notices and nothing else.
class Consumer {
 public:
  void hear(const std::vector<Notice>& notices, Epoch epoch) {
    for (const auto& change : all_of<TopologyChange>(notices)) {
      for (const auto& left : change.left) members_ = members_.without(left.id);
      for (const auto& node : change.joined) {
        EXPECT_EQ(members_.find(node.id()), nullptr) << "joined twice: " << node.id().str();
        members_ = members_.with(node);
      }
      for (const auto& node : change.changed) {
        EXPECT_NE(members_.find(node.id()), nullptr) << "changed, not held: " << node.id().str();
        members_ = members_.with(node);
      }
      EXPECT_EQ(members_.hash(), change.members.hash());
    }
    for (const auto& remote : all_of<RemoteChange>(notices)) {
      const bool known = channels_.contains(remote.node.id());
      if (remote.kind == RemoteKind::Join) {
        EXPECT_FALSE(known) << "two joins of " << remote.node.id().str();
        channels_[remote.node.id()] = remote.node.node->incarnation;
      } else if (remote.kind == RemoteKind::Leave) {
        EXPECT_TRUE(known) << "a leave without a join of " << remote.node.id().str();
        channels_.erase(remote.node.id());
      }
    }
    for (const auto& leases : all_of<LeasesChange>(notices)) {
      if (leases.whole_table) continue;
      if (epoch == lease_epoch_) {
        EXPECT_GT(leases.tick, tick_) << "a lease event came twice";
      }
      lease_epoch_ = epoch;
      tick_ = leases.tick;
    }
  }
  const MemberMap& members() const { return members_; }
  const std::map<NodeId, std::string>& channels() const { return channels_; }

 private:
  MemberMap members_;
  std::map<NodeId, std::string> channels_;
  Epoch lease_epoch_;
  std::uint64_t tick_ = 0;
};

// One consumer's stream, with its faults.
class Connection {
 public:
  Connection(Sidecar& sidecar, Random& random) : sidecar_(sidecar), random_(random) { open(); }

  void open() {
    replica_.stream_opened();
    chunks_.clear();
    epoch_ = sidecar_.log().epoch();
    if (const auto index = sidecar_.find(replica_.resume_position())) {
      next_ = sidecar_.log().seq_no().value() + 1 - (sidecar_.entries().size() - *index);
      return;
    }
    begin_snapshot({});
  }

  // Delivers at most one message. False: there was none.
  bool deliver(bool faults) {
    if (epoch_ != sidecar_.log().epoch()) open();  // the sidecar restarted
    if (faults && chance(random_, 4)) open();
    if (!chunks_.empty()) {
      const v1::ClusterEvent chunk = chunks_.front();
      chunks_.pop_front();
      take(chunk);
      return true;
    }
    const auto index = sidecar_.find({epoch_, SeqNo(next_ - 1)});
    if (!index) {  // fell off the log
      begin_snapshot({});
      return true;
    }
    if (*index == sidecar_.entries().size()) {
      if (chance(random_, 20) || !faults) take(sidecar_.log().bookmark());
      return false;
    }
    v1::ClusterEvent event = sidecar_.entries()[*index];
    ++next_;
    if (faults && chance(random_, 3)) return true;              // lost
    if (faults && chance(random_, 5) && next_ > 2) next_ -= 1;  // will come again
    if (faults && chance(random_, 3)) corrupt(event);
    const bool reset = event.has_reset();
    const Position at{epoch_, SeqNo(event.seq_no())};
    take(event);
    if (reset) begin_snapshot(at);
    return true;
  }

  const TopologyReplica& replica() const { return replica_; }
  const Consumer& consumer() const { return consumer_; }

 private:
  void begin_snapshot(Position at_least) {
    auto [chunks, position] = sidecar_.snapshot(at_least);
    chunks_.assign(chunks.begin(), chunks.end());
    next_ = position.seq_no.value() + 1;
  }
  // Once an epoch: a second one would end verification, and then nothing can notice.
  void corrupt(v1::ClusterEvent& event) {
    if (corrupted_in_ == epoch_) return;
    corrupted_in_ = epoch_;
    if (event.has_delta() && event.delta().joined_size() > 0) {
      event.mutable_delta()->mutable_joined(0)->set_zone("corrupted");
    } else if (!event.has_reset()) {
      event.set_snapshot_hash(event.snapshot_hash() ^ 1);
    }
  }
  void take(const v1::ClusterEvent& event) {
    const Step step = replica_.apply(event);
    consumer_.hear(step.notices, Epoch(event.epoch()));
    if (step.verdict == Verdict::Applied) {
      std::uint64_t& newest = applied_[event.epoch()];
      EXPECT_GT(event.seq_no(), newest) << "an entry was applied twice";
      newest = event.seq_no();
    }
    check();
    if (step.verdict == Verdict::Resync) open();
  }
  void check() {
    const TopologyView& view = replica_.view();
    if (!view.has_topology()) return;
    ASSERT_TRUE(sidecar_.knows(view.position));
    EXPECT_EQ(view.members.hash(), sidecar_.truth(view.position).hash());
    EXPECT_EQ(consumer_.members().hash(), view.members.hash());
    EXPECT_NE(view.verification, Verification::Stopped);
  }

  Sidecar& sidecar_;
  Random& random_;
  TopologyReplica replica_;
  Consumer consumer_;
  std::deque<v1::ClusterEvent> chunks_;
  Epoch epoch_;
  std::uint64_t next_ = 0;                          // sequence number of the next entry to send
  std::map<std::uint64_t, std::uint64_t> applied_;  // the newest of each epoch
  Epoch corrupted_in_;
};

void run_history(std::uint64_t seed) {
  Random random(seed);
  Sidecar sidecar(random);
  Connection connection(sidecar, random);
  for (int i = 0; i < kStepsAHistory && !::testing::Test::HasFailure(); ++i) {
    if (chance(random, 40)) sidecar.act();
    connection.deliver(true);
  }
  int left = 10'000;
  while (--left > 0) {
    const bool idle = !connection.deliver(false);
    if (idle && connection.replica().view().phase == Phase::Following) break;
  }
  EXPECT_GT(left, 0) << "it never caught up";
  EXPECT_EQ(connection.replica().view().phase, Phase::Following);
  EXPECT_EQ(connection.replica().view().position.seq_no, sidecar.log().seq_no());
  EXPECT_EQ(connection.consumer().members().hash(), sidecar.log().hash());
  EXPECT_EQ(connection.consumer().channels().size(), sidecar.log().members().size());
  for (const auto& [id, incarnation] : connection.consumer().channels()) {
    const Member* member = sidecar.log().members().find(id);
    ASSERT_NE(member, nullptr);
    EXPECT_EQ(member->node->incarnation, incarnation);
  }
}

TEST(ReplicaHistoryTest, AThousandRandomHistoriesConvergeAndTellEverythingOnce) {
  constexpr std::uint64_t kFirstSeed = 20'251'120;
  for (int i = 0; i < kHistories; ++i) {
    const std::uint64_t seed = kFirstSeed + static_cast<std::uint64_t>(i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_history(seed);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace rollcall::client::testing
