// Oracle: what must be true after every step, judged without the core's own code.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/member_map.h"
#include "core/snapshot.h"
#include "provisioning/control/provider_report.h"

namespace rollcall::test {

class Oracle {
 public:
  // Writes down every answer and every event, for a person. May be null.
  void tell_story(std::ostream* to) { story_ = to; }
  const std::vector<std::string>& violations() const { return violations_; }
  void violation(MonoTime now, const std::string& what);

  // A sidecar's life begins; `members` is the cached topology that it serves.
  void booted(Epoch epoch, std::uint64_t boot, const MemberMap& members);
  // The core is about to be told this, by a stream that runs.
  void told(const ProviderReport& report);
  // Whether the topology is the union of all providers from now on, or the active one's list.
  void merging(bool yes);
  // Only these providers are registered, and of them only these enabled, from now on.
  void providers_are(const std::set<ProviderId>& ids, const std::set<ProviderId>& enabled);
  void stepped(const std::vector<Event>& events, const TopologySnapshot& after, MonoTime now);

  // The hash after that event, in whatever life; none: there was no such event.
  std::optional<std::uint64_t> hash_at(Epoch epoch, SeqNo seq) const;
  std::uint64_t events() const { return events_; }
  // How often each event came, by name and what it says: shows that a story has something to tell.
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }
  std::uint64_t digest() const { return digest_; }

 private:
  // What one provider's answers amount to.
  struct Belief {
    std::optional<MemberMap> view;  // the last answer that may remove members
    std::uint64_t lineage = 0;
    bool counts = true;    // merged: it was believed since that began, and since it was enabled
    bool doubted = false;  // a history broke, and the answers since would remove members
    MemberMap candidate;
    MonoTime since{};
  };
  void check_sequence(const Event& event, MonoTime now);
  void check_delta(const event::Delta& delta, MonoTime now);
  void check_removals(const std::set<std::string>& removed, const TopologySnapshot& after,
                      MonoTime now);

  std::ostream* story_ = nullptr;
  std::vector<std::string> violations_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> hashes_;  // (epoch, seq)
  std::map<ProviderId, Belief> beliefs_;
  std::vector<MemberMap> former_;  // last answers of providers that were removed
  Epoch epoch_;
  std::uint64_t boot_ = 0;
  SeqNo last_;  // of all lives
  bool merging_ = false;
  bool first_ = true;  // no event yet in this life
  MemberMap model_;    // deltas applied one by one
  std::uint64_t events_ = 0;
  std::map<std::string, std::uint64_t> counts_;
  std::uint64_t digest_ = 0;
};

}  // namespace rollcall::test
