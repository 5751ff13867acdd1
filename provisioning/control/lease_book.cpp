#include "provisioning/control/lease_book.h"

#include <set>
#include <string>
#include <utility>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

constexpr std::size_t kMaxPartitionBytes = 256;  // events.proto, Lease.partition

std::size_t lease_bytes(const Lease& lease) {
  constexpr std::size_t kNumbers = 2 * sizeof(std::uint64_t);
  return lease.partition.size() + lease.owner.str().size() + lease.metadata.size() + kNumbers;
}

void check(const Lease& lease, const std::string& field, std::vector<Problem>& problems) {
  if (lease.partition.empty() || lease.partition.size() > kMaxPartitionBytes ||
      !is_valid_utf8(lease.partition)) {
    problems.push_back({field + ".partition", lease.partition, "1 to 256 bytes of UTF-8"});
  }
  const std::string& owner = lease.owner.str();
  if (owner.empty() || owner.size() > limits::kMaxNodeIdBytes || !is_valid_utf8(owner)) {
    problems.push_back({field + ".owner", owner, "a node id"});
  }
  if (lease_bytes(lease) > limits::kMaxLeaseBytes) {
    problems.push_back({field, std::to_string(lease_bytes(lease)) + " bytes",
                        "at most " + std::to_string(limits::kMaxLeaseBytes) + " bytes"});
  }
}

}  // namespace

Result<void> LeaseBook::publish(std::uint64_t tick, const std::vector<Lease>& leases) {
  if (tick <= tick_) {
    return fail(ErrorCode::OutOfOrder, "tick " + std::to_string(tick) + " is not above tick " +
                                           std::to_string(tick_) + " of this epoch");
  }
  if (leases.size() > limits::kMaxLeases) {
    return fail(ErrorCode::LimitExceeded,
                "at most " + std::to_string(limits::kMaxLeases) + " leases");
  }
  std::vector<Problem> problems;
  std::set<std::string_view> partitions;
  for (std::size_t i = 0; i < leases.size() && problems.size() < limits::kMaxProblems; ++i) {
    const std::string field = "leases[" + std::to_string(i) + "]";
    check(leases[i], field, problems);
    if (!partitions.insert(leases[i].partition).second) {
      problems.push_back({field + ".partition", leases[i].partition, "each partition once"});
    }
  }
  if (!problems.empty()) {
    return fail(ErrorCode::InvalidConfig, "the leases were not published", std::move(problems));
  }
  auto next = std::make_shared<const LeaseMap>((table_ ? *table_ : LeaseMap()).with(leases));
  if (next->size() > limits::kMaxLeases) {
    return fail(ErrorCode::LimitExceeded,
                "leases of more than " + std::to_string(limits::kMaxLeases) + " partitions");
  }
  tick_ = tick;
  table_ = std::move(next);
  return {};
}

}  // namespace rollcall
