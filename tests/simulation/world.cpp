#include "tests/simulation/world.h"

#include <utility>

namespace rollcall::test {
namespace {

constexpr std::size_t kHistory = 12;

ClusterNode make_node(std::uint64_t number, Dice& dice) {
  ClusterNode node;
  node.id = NodeId("node-" + std::to_string(number));
  node.host = "10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1);
  node.port = 7000;
  if (dice.chance(0.5)) node.zone = "zone-" + std::to_string(number % 3);
  if (dice.chance(0.3)) node.labels["rack"] = std::to_string(number % 7);
  if (dice.chance(0.7)) node.incarnation = "1";
  return node;
}

Members::iterator any(Members& members, Dice& dice) {
  auto it = members.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(dice.below(members.size())));
  return it;
}

}  // namespace

World::World(Dice& dice, std::size_t size) : dice_(dice) {
  for (std::size_t i = 0; i < size; ++i) {
    ClusterNode node = make_node(++named_, dice_);
    members_[node.id.str()] = node;
  }
}

void World::remember() {
  history_.push_back(members_);
  if (history_.size() > kHistory) history_.pop_front();
}

const Members& World::earlier() const { return history_.empty() ? members_ : history_.front(); }

void World::churn() {
  remember();
  const std::size_t what = dice_.below(10);
  if (what < 3 || members_.size() < 3) {
    // A new name, or one that was there before.
    const std::uint64_t number = dice_.chance(0.3) ? 1 + dice_.below(named_) : ++named_;
    ClusterNode node = make_node(number, dice_);
    members_.insert_or_assign(node.id.str(), node);
  } else if (what < 5) {
    members_.erase(any(members_, dice_));
  } else if (what < 7) {
    ClusterNode& node = any(members_, dice_)->second;
    if (!node.incarnation.empty()) node.incarnation = std::to_string(dice_.below(1000) + 2);
  } else {
    ClusterNode& node = any(members_, dice_)->second;
    node.status = static_cast<NodeStatus>(1 + dice_.below(kNodeStatusCount));
  }
}

void World::rename_everything() {
  remember();
  const std::size_t size = members_.size();
  members_.clear();
  for (std::size_t i = 0; i < size; ++i) {
    ClusterNode node = make_node(++named_, dice_);
    members_[node.id.str()] = node;
  }
}

void Backend::set_mood(Mood next, const World& world, Dice& dice) {
  // Out of a restored copy the present comes back as more of the same history.
  if (next == Mood::RolledBack) {
    ++lineage;
    restored = world.earlier();
    while (restored.size() > 1 && dice.chance(0.6)) restored.erase(any(restored, dice));
  }
  mood = next;
}

Members Backend::view(const World& world, Dice& dice) const {
  Members view = world.members();
  if (mood == Mood::Lagging) view = world.earlier();
  if (mood == Mood::RolledBack) view = restored;
  if (mood == Mood::Empty) view.clear();
  if (mood == Mood::Subset) {
    std::erase_if(view, [](const auto& entry) { return entry.first.back() % 3 == 0; });
  }
  (void)dice;
  if (!declares_incarnation) {
    for (auto& [id, node] : view) node.incarnation.clear();
  }
  return view;
}

ProviderEvent Backend::answer(const World& world, const AnswerTimes& times, Dice& dice) {
  ++asked;
  switch (mood) {
    case Mood::Refusing:
      return FailedAnswer{dice.chance(0.5) ? ErrorCode::BackendUnavailable : ErrorCode::Timeout,
                          ""};
    case Mood::Filtered:
      return FailedAnswer{ErrorCode::PermissionDenied, "filtered"};
    case Mood::Garbage:
      if (dice.chance(0.5)) return FailedAnswer{ErrorCode::MalformedResponse, "no JSON"};
      break;
    case Mood::Flapping:
      if (asked % 2 == 0) return FailedAnswer{ErrorCode::BackendUnavailable, "flap"};
      break;
    case Mood::Dying:
      if (dice.chance(0.4)) return Terminated{dice.chance(0.5), ErrorCode::BackendUnavailable, ""};
      break;
    default:
      break;
  }
  ProviderSnapshot answer;
  for (auto& [id, node] : view(world, dice)) answer.members.push_back(node);
  if (mood == Mood::Garbage) {  // a member twice
    answer.members.push_back(world.members().begin()->second);
    answer.members.push_back(world.members().begin()->second);
  }
  answer.backend_index = std::to_string(asked);
  answer.lineage = lineage;
  answer.times = times;
  return answer;
}

Duration Backend::latency(Dice& dice) const {
  using std::chrono::milliseconds;
  if (mood == Mood::Slow) return dice.between(milliseconds(2000), milliseconds(16'000));
  return dice.between(milliseconds(1), milliseconds(300));
}

}  // namespace rollcall::test
