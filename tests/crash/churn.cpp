#include "tests/crash/churn.h"

#include <algorithm>

namespace rollcall::test {
namespace {

constexpr std::size_t kMostProviders = 30;
constexpr std::size_t kMostMembers = 200;

// One act: `add` or take away `name`. True: acknowledged.
bool act(KnownSet& known, const std::string& name, bool add, bool acknowledged) {
  if (!acknowledged) {
    known.there.erase(name);
    known.uncertain.insert(name);
  } else if (add) {
    known.there.insert(name);
  } else {
    known.there.erase(name);
  }
  return acknowledged;
}

const std::string& any_of(const std::set<std::string>& names, std::mt19937_64& random) {
  return *std::next(names.begin(), static_cast<std::ptrdiff_t>(random() % names.size()));
}

}  // namespace

std::string KnownSet::settle(const std::set<std::string>& actual) {
  std::string wrong;
  for (const std::string& name : there)
    if (!actual.contains(name)) wrong += " lost " + name;
  for (const std::string& name : actual)
    if (!there.contains(name) && !uncertain.contains(name)) wrong += " came back " + name;
  there = actual;
  uncertain.clear();
  return wrong;
}

void Churn::start(const DaemonProcess& daemon) {
  stop_ = false;
  acknowledged_ = 0;
  ++round_;
  const client::AdminClient admin = daemon.admin();
  providers_thread_ =
      std::thread([this, admin, seed = seed_ ^ (round_ << 8)] { change_providers(admin, seed); });
  members_thread_ =
      std::thread([this, admin, seed = seed_ ^ (round_ << 8) ^ 1] { change_members(admin, seed); });
}

void Churn::stop() {
  stop_ = true;
  if (providers_thread_.joinable()) providers_thread_.join();
  if (members_thread_.joinable()) members_thread_.join();
}

void Churn::change_providers(const client::AdminClient& admin, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (!stop_) {
    const bool add = providers_.there.size() < 3 ||
                     (providers_.there.size() < kMostProviders && random() % 3 != 0);
    const std::string id =
        add ? "p" + std::to_string(random() % 1'000'000) : any_of(providers_.there, random);
    if (add && providers_.there.contains(id)) continue;
    const bool done = add ? admin.register_provider(in_memory_provider(id, -1)).has_value()
                          : admin.remove_provider(ProviderId(id)).has_value();
    if (!act(providers_, id, add, done)) return;
    ++acknowledged_;
  }
}

void Churn::change_members(const client::AdminClient& admin, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (!stop_) {
    const bool add =
        members_.there.empty() || (members_.there.size() < kMostMembers && random() % 5 < 3);
    const std::string id =
        add ? "n" + std::to_string(random() % 1000) : any_of(members_.there, random);
    ClusterNode node = member(id, static_cast<std::uint16_t>(1 + random() % 60'000));
    node.incarnation = std::to_string(random() % 3);
    const bool done = add ? admin.join_member(node, ProviderId("default")).has_value()
                          : admin.leave_member(NodeId(id), ProviderId("default")).has_value();
    if (!act(members_, id, add, done)) return;
    ++acknowledged_;
  }
}

}  // namespace rollcall::test
