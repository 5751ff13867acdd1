#include "core/event.h"

#include <gtest/gtest.h>

#include <set>

namespace rollcall {
namespace {

template <class... Bodies>
std::vector<std::string> names_of(const Bodies&... bodies) {
  std::vector<std::string> names;
  (names.emplace_back(event_name(Event{{}, {}, 0, {}, bodies})), ...);
  return names;
}

TEST(Event, NamesAreThoseOfTheSpecification) {
  EXPECT_EQ(names_of(event::Delta{}, event::Reset{}, event::RemoteTopology{},
                     event::ProviderChanged{}, event::StreamTerminated{},
                     event::AvailabilityChanged{}, event::HealthWarning{}, event::LeaseUpdated{}),
            (std::vector<std::string>{"delta", "reset", "remote_topology", "provider_changed",
                                      "stream_terminated", "availability_changed", "health_warning",
                                      "lease_updated"}));
}

template <class Enum>
std::vector<std::string> all_of(int count) {
  std::vector<std::string> names;
  for (int i = 1; i <= count; ++i) names.emplace_back(to_string(static_cast<Enum>(i)));
  return names;
}

TEST(Event, EnumsHaveTheNamesOfTheSpecification) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(all_of<Availability>(4), (Names{"AVAILABLE", "EMPTY", "UNAVAILABLE", "DRAINING"}));
  EXPECT_EQ(all_of<HealthState>(3), (Names{"HEALTHY", "DEGRADED", "UNREACHABLE"}));
  EXPECT_EQ(all_of<FailoverReason>(4),
            (Names{"TIMEOUT", "HEALTH_DEGRADED", "MANUAL_OVERRIDE", "RECOVERED"}));
  EXPECT_EQ(all_of<Advice>(4),
            (Names{"NONE", "AVOID_NEW_CHANNELS", "REMOVALS_HELD", "PROVIDER_HELD"}));
  EXPECT_EQ(all_of<RemoteKind>(4), (Names{"JOIN", "LEAVE", "BLOCKED", "UNBLOCKED"}));
  EXPECT_EQ(all_of<NodeStatus>(3), (Names{"READY", "DRAINING", "NOT_READY"}));
}

TEST(Event, SequenceAndEpochHoldTheBootCounter) {
  EXPECT_EQ(make_seq(3, 1).value(), (std::uint64_t{3} << 40) | 1);
  EXPECT_EQ(make_epoch(3, 0xffffffff).value(), (std::uint64_t{3} << 32) | 0xffffffff);
  EXPECT_GT(make_seq(4, 1), make_seq(3, (std::uint64_t{1} << 40) - 1));
}

}  // namespace
}  // namespace rollcall
