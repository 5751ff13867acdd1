// encoded_size_bound() decides inside the pure core between a delta and a reset; here it is held
// against protobuf itself. The messages are filled field by field, on purpose not by the bridges'
// encoder: the bound must hold for any encoder of the schema.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "core/event.h"
#include "core/limits.h"
#include "rollcall/v1/events.pb.h"
#include "tests/core/sample_members.h"

namespace rollcall {
namespace {

using test::random_node;
using test::random_text;

void fill(const Member& from, v1::Node& to) {
  const ClusterNode& node = *from.node;
  to.set_id(node.id.str());
  to.set_host(node.host);
  to.set_port(node.port);
  to.set_zone(node.zone);
  for (const auto& [key, value] : node.labels) (*to.mutable_labels())[key] = value;
  to.set_weight(node.weight);
  to.set_status(static_cast<v1::NodeStatus>(node.status));
  to.set_incarnation(node.incarnation);
  to.set_blocked(from.blocked);
}

struct Filler {
  v1::ClusterEvent& out;
  void operator()(const event::Delta& e) const {
    v1::Delta& to = *out.mutable_delta();
    for (const LeftMember& left : e.left) {
      v1::LeftNode& node = *to.add_left();
      node.set_id(left.id.str());
      node.set_incarnation(left.incarnation);
    }
    for (const Member& member : e.joined) fill(member, *to.add_joined());
    for (const Member& member : e.changed) fill(member, *to.add_changed());
    to.set_invalidates_hash(e.invalidates_hash);
    to.set_provider_id(e.provider_id.str());
    to.set_source_age_ms(static_cast<std::uint32_t>(to_ms(e.source_age)));
  }
  void operator()(const event::Reset& e) const {
    out.mutable_reset()->set_invalidates_hash(e.invalidates_hash);
    out.mutable_reset()->set_provider_id(e.provider_id.str());
  }
  void operator()(const event::RemoteTopology& e) const {
    v1::RemoteTopology& to = *out.mutable_remote_topology();
    to.set_kind(static_cast<v1::RemoteKind>(e.kind));
    fill(e.node, *to.mutable_node());
    to.set_provider_id(e.provider_id.str());
  }
  void operator()(const event::ProviderChanged& e) const {
    v1::ProviderChanged& to = *out.mutable_provider_changed();
    to.set_from_provider_id(e.from.str());
    to.set_to_provider_id(e.to.str());
    to.set_reason(static_cast<v1::FailoverReason>(e.reason));
  }
  void operator()(const event::StreamTerminated& e) const {
    v1::StreamTerminated& to = *out.mutable_stream_terminated();
    to.set_provider_id(e.provider_id.str());
    to.set_ended(e.ended);
    to.set_code(std::string(to_string(e.code)));
  }
  void operator()(const event::AvailabilityChanged& e) const {
    v1::AvailabilityChanged& to = *out.mutable_availability_changed();
    to.set_availability(static_cast<v1::Availability>(e.availability));
    to.set_reason(e.reason);
    to.set_placement_paused(e.placement_paused);
    to.set_stale(e.stale);
  }
  void operator()(const event::HealthWarning& e) const {
    v1::HealthWarning& to = *out.mutable_health_warning();
    to.set_provider_id(e.provider_id.str());
    to.set_health(static_cast<v1::Health>(e.health));
    to.set_advice(static_cast<v1::Advice>(e.advice));
  }
  void operator()(const event::LeaseUpdated& e) const {
    v1::LeaseUpdated& to = *out.mutable_lease_updated();
    to.set_tick(e.tick);
    for (const Lease& lease : e.leases) {
      v1::Lease& entry = *to.add_leases();
      entry.set_partition(lease.partition);
      entry.set_owner(lease.owner.str());
      entry.set_lease_id(lease.lease_id);
      entry.set_expires_at_unix_ms(lease.expires_at_unix_ms);
      entry.set_metadata(lease.metadata);
    }
  }
};

std::size_t encoded_size(const Event& event) {
  v1::WatchBatch batch;
  v1::ClusterEvent& out = *batch.add_events();
  out.set_seq_no(event.seq_no.value());
  out.set_epoch(event.epoch.value());
  out.set_snapshot_hash(event.snapshot_hash);
  out.set_observed_at_unix_ms(to_unix_ms(event.observed_at));
  std::visit(Filler{out}, event.body);
  return batch.ByteSizeLong();
}

void expect_bounded(const Event& event) {
  const std::size_t real = encoded_size(event);
  const std::size_t bound = encoded_size_bound(event);
  EXPECT_GE(bound, real) << event_name(event);
  // Not so generous that deltas of half the allowed size become resets.
  EXPECT_LE(bound, 2 * real + 300) << event_name(event);
}

// Everything at its largest: 64-bit numbers of ten bytes, negative times, all bools true.
Event largest(decltype(Event::body) body) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return Event{SeqNo(kMost), Epoch(kMost), kMost, from_unix_ms(-1), std::move(body)};
}

Member largest_member() {
  ClusterNode node;
  node.id = NodeId(std::string(limits::kMaxNodeIdBytes, 'i'));
  node.host = std::string(limits::kMaxHostBytes, 'h');
  node.port = 65535;
  node.zone = std::string(limits::kMaxZoneBytes, 'z');
  for (std::size_t i = 0; i < limits::kMaxLabels; ++i) {
    node.labels["k" + std::to_string(i)] = std::string(i % 3 == 0 ? 0 : 200, 'v');
  }
  node.weight = std::numeric_limits<std::uint32_t>::max();
  node.status = NodeStatus::NotReady;
  node.incarnation = std::string(limits::kMaxIncarnationBytes, 'n');
  return make_member(std::move(node), true);
}

TEST(EncodedSizeBound, HoldsForTheLargestOfEachKind) {
  const ProviderId provider(std::string(64, 'p'));
  const Member member = largest_member();
  event::Delta delta;
  delta.joined.assign(200, member);
  delta.changed.assign(100, member);
  delta.left.assign(300, {member.id(), member.node->incarnation});
  delta.invalidates_hash = std::numeric_limits<std::uint64_t>::max();
  delta.provider_id = provider;
  delta.source_age = std::chrono::milliseconds(0xffffffff);
  expect_bounded(largest(delta));
  expect_bounded(largest(event::Reset{~std::uint64_t{0}, provider}));
  expect_bounded(largest(event::RemoteTopology{RemoteKind::Unblocked, member, provider}));
  expect_bounded(largest(event::ProviderChanged{provider, provider, FailoverReason::Recovered}));
  for (int code = 1; code <= static_cast<int>(kErrorCodeCount); ++code) {
    expect_bounded(largest(event::StreamTerminated{provider, true, static_cast<ErrorCode>(code)}));
  }
  expect_bounded(largest(
      event::AvailabilityChanged{Availability::Draining, std::string(300, 'r'), true, true}));
  expect_bounded(
      largest(event::HealthWarning{provider, HealthState::Unreachable, Advice::ProviderHeld}));
  event::LeaseUpdated leases;
  leases.tick = std::numeric_limits<std::uint64_t>::max();
  leases.leases.assign(
      1000, {std::string(256, 'p'), member.id(), ~std::uint64_t{0}, -1, std::string(600, '\0')});
  expect_bounded(largest(leases));
}

TEST(EncodedSizeBound, HoldsForTheSmallest) {
  Event event;
  event.body = event::Reset{};
  expect_bounded(event);
  event.body = event::Delta{};
  expect_bounded(event);
  event.body = event::LeaseUpdated{};
  expect_bounded(event);
}

TEST(EncodedSizeBound, HoldsForRandomDeltas) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    event::Delta delta;
    const auto some = [&] { return random() % (random() % 8 == 0 ? 200 : 4); };
    for (std::size_t i = some(); i > 0; --i) {
      delta.left.push_back({NodeId("l" + random_text(random, 200)), random_text(random, 100)});
    }
    for (std::size_t i = some(); i > 0; --i) {
      delta.joined.push_back(make_member(random_node(random, random_text(random, 200))));
    }
    for (std::size_t i = some(); i > 0; --i) {
      delta.changed.push_back(make_member(random_node(random, "c"), random() % 2 == 0));
    }
    delta.invalidates_hash = random();
    delta.provider_id = ProviderId("p");
    delta.source_age = std::chrono::milliseconds(random() % 100'000);
    expect_bounded(Event{SeqNo(random()), Epoch(random()), random(),
                         from_unix_ms(static_cast<std::int64_t>(random() >> 20)), delta});
  }
}

}  // namespace
}  // namespace rollcall
