// World: the cluster as it really is, and the backends that tell of it, more or less truly.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/ids.h"
#include "core/node.h"
#include "core/provider.h"
#include "tests/simulation/timeline.h"

namespace rollcall::test {

using Members = std::map<std::string, ClusterNode>;

class World {
 public:
  World(Dice& dice, std::size_t size);
  void churn();              // one node joins, leaves, restarts or changes
  void rename_everything();  // a rolling restart: too large a change for a small log
  const Members& members() const { return members_; }
  const Members& earlier() const;  // as it was some changes ago
  void calm_down() { calm_ = true; }
  bool calm() const { return calm_; }  // nothing is late or busy any more

 private:
  void remember();
  Dice& dice_;
  Members members_;
  std::deque<Members> history_;
  std::uint64_t named_ = 0;
  bool calm_ = false;
};

// What is wrong with a backend at the moment.
enum class Mood : std::uint8_t {
  Normal,
  Silent,      // takes the question, never answers
  Refusing,    // an error at once
  Garbage,     // an answer that fails validation, sometimes by naming a member twice
  Filtered,    // its ACL hides everything
  Empty,       // truly answers with no members
  RolledBack,  // restored from an old copy: lineage rises, members are missing
  Lagging,     // tells of the past
  Subset,      // knows only part of the cluster
  Slow,        // answers near its limits
  Flapping,    // every other answer fails
  Dying,       // streams end or break
};
inline constexpr int kMoods = 12;

// One backend, whatever sidecar asks it.
struct Backend {
  std::string id;
  Mood mood = Mood::Normal;
  bool pushes = false;  // sends changes instead of whole lists
  bool declares_incarnation = true;
  std::uint64_t lineage = 0;
  std::uint64_t asked = 0;
  Members restored;  // while RolledBack

  void set_mood(Mood next, const World& world, Dice& dice);
  // The answer to one question; `times` are filled in. Silent backends are not asked.
  ProviderEvent answer(const World& world, const AnswerTimes& times, Dice& dice);
  // How long the answer takes.
  Duration latency(Dice& dice) const;

 private:
  Members view(const World& world, Dice& dice) const;
};

}  // namespace rollcall::test
