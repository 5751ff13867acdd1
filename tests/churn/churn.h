// Thousands of members of a real backend that never rest, a real rollcalld that follows them, and a
// consumer that writes down what it is told and when. Every change puts its number into the zone of
// its member, so that what a consumer sees says which change it is; some changes take a member away
// and a later one brings it back.
//
// Between two looks at the backend several changes of one member may become one (DESIGN, merging):
// then the later one is seen and the earlier ones are superseded. A change that is neither is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "tests/daemon/daemon_process.h"

namespace rollcall::test {

struct MemberChange {
  std::size_t member = 0;    // 0 … members - 1
  std::uint64_t number = 0;  // rises with every change
  bool present = true;       // false: it goes
};

// Where the members live. Members [k * kChurnGroup, (k + 1) * kChurnGroup) are one object where the
// backend keeps several in one, and the changes of one write are of one group.
inline constexpr std::size_t kChurnGroup = 100;

class ChurnSource {
 public:
  virtual ~ChurnSource() = default;
  virtual ProviderDescriptor descriptor() const = 0;
  virtual Outcome<void> write(const std::vector<MemberChange>& changes) = 0;
};

struct ChurnPlan {
  std::size_t members = 5000;  // a multiple of kChurnGroup
  std::size_t changes = 0;     // after all members are there
  std::size_t batch = 10;      // of one write
  // Called with the number of changes that were written, before the next write; null: as fast as the
  // backend takes them.
  std::function<void(std::size_t)> pace;
  std::uint64_t seed = 1;
};

struct ChurnFigures {
  std::size_t written = 0;     // changes that the backend acknowledged
  std::size_t seen = 0;        // told to the consumer as they are
  std::size_t superseded = 0;  // a later change of the member was told instead
  std::size_t lost = 0;
  double seconds = 0;             // of writing
  double daemon_cpu_seconds = 0;  // of rollcalld while that lasted
  std::vector<double> lag_ms;  // of each seen one, from sending the write to the consumer; sorted
  std::vector<std::string> wrong;  // what must never happen: gaps, false hashes, wrong members
};

// Of the daemon: with a configuration it has no provider of its own.
inline constexpr char kChurnConfig[] = "failover: {cooldown: 1s}\n";

// Registers the source's provider with the daemon, which runs and has no other, and waits until all
// members are there; then changes them, and waits until nothing more can come.
Outcome<ChurnFigures> run_churn(ChurnSource& source, DaemonProcess& daemon, const ChurnPlan& plan);

// The name by which `member` is known, and its address.
std::string churn_id(std::size_t member);
std::string churn_host(std::size_t member);

}  // namespace rollcall::test
