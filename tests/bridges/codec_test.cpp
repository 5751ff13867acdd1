// The hub's encoders against protobuf's own parser: what is written is what is meant.
#include "bridges/codec/event_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "core/limits.h"

namespace rollcall {
namespace {

class StringSpace final : public FrameSpace {
 public:
  std::uint8_t* reserve(std::size_t size) override {
    bytes.resize(size);
    return reinterpret_cast<std::uint8_t*>(bytes.data());
  }
  std::string bytes;
};

std::string encode(const Event& event) {
  ProtoEventEncoder encoder;
  StringSpace space;
  encoder.encode(event, space);
  return space.bytes;
}

v1::WatchBatch parsed(const std::string& bytes) {
  v1::WatchBatch batch;
  EXPECT_TRUE(batch.ParseFromString(bytes));
  return batch;
}

std::string random_text(std::mt19937_64& random, std::size_t max) {
  std::string text(random() % (max + 1), 'x');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

Member random_member(std::mt19937_64& random) {
  ClusterNode node;
  node.id = NodeId("n" + random_text(random, 60));
  node.host = random_text(random, 40);
  node.port = static_cast<std::uint16_t>(random());
  node.zone = random_text(random, 20);
  for (std::size_t i = random() % 6; i > 0; --i) {
    node.labels["k" + random_text(random, 10)] = random_text(random, 200);
  }
  node.weight = static_cast<std::uint32_t>(random() >> (random() % 64));
  node.status = static_cast<NodeStatus>(1 + random() % 3);
  node.incarnation = random_text(random, 30);
  return Member{std::make_shared<const ClusterNode>(std::move(node)), random() % 2 == 0, random()};
}

Event random_event(std::mt19937_64& random) {
  Event event;
  event.seq_no = SeqNo(random() >> (random() % 64));
  event.epoch = Epoch(random() >> (random() % 64));
  event.snapshot_hash = random();
  event.observed_at = from_unix_ms(static_cast<std::int64_t>(random() >> (random() % 64)));
  const ProviderId provider("p" + random_text(random, 60));
  switch (random() % kEventKinds) {
    case 0: {
      event::Delta delta;
      for (std::size_t i = random() % 4; i > 0; --i) {
        delta.left.push_back({NodeId("n" + random_text(random, 50)), random_text(random, 20)});
      }
      for (std::size_t i = random() % 4; i > 0; --i) delta.joined.push_back(random_member(random));
      for (std::size_t i = random() % 4; i > 0; --i) delta.changed.push_back(random_member(random));
      delta.invalidates_hash = random();
      delta.provider_id = provider;
      delta.source_age = std::chrono::milliseconds(random() % 100'000);
      event.body = delta;
      break;
    }
    case 1:
      event.body = event::Reset{random(), provider};
      break;
    case 2:
      event.body = event::RemoteTopology{static_cast<RemoteKind>(1 + random() % 4),
                                         random_member(random), provider};
      break;
    case 3:
      event.body = event::ProviderChanged{provider, ProviderId("q"),
                                          static_cast<FailoverReason>(1 + random() % 4)};
      break;
    case 4:
      event.body = event::StreamTerminated{provider, random() % 2 == 0,
                                           static_cast<ErrorCode>(1 + random() % 20)};
      break;
    case 5:
      event.body =
          event::AvailabilityChanged{static_cast<Availability>(1 + random() % 4),
                                     random_text(random, 80), random() % 2 == 0, random() % 2 == 0};
      break;
    case 6:
      event.body = event::HealthWarning{provider, static_cast<HealthState>(1 + random() % 3),
                                        static_cast<Advice>(1 + random() % 4)};
      break;
    default: {
      event::LeaseUpdated update;
      update.tick = random();
      for (std::size_t i = random() % 5; i > 0; --i) {
        update.leases.push_back({random_text(random, 100), NodeId(random_text(random, 50)),
                                 random(), static_cast<std::int64_t>(random() >> 20),
                                 random_text(random, 300)});
      }
      event.body = update;
    }
  }
  return event;
}

TEST(Codec, ADeltaSaysWhatTheCoreMeant) {
  ClusterNode node;
  node.id = NodeId("n1");
  node.host = "10.0.0.1";
  node.port = 65535;
  node.zone = "z";
  node.labels = {{"b", "2"}, {"a", "1"}};
  node.weight = 7;
  node.status = NodeStatus::Draining;
  node.incarnation = "life-2";
  const Member member{std::make_shared<const ClusterNode>(node), true, 1};
  event::Delta delta;
  delta.left = {{NodeId("n1"), "life-1"}};
  delta.joined = {member};
  delta.changed = {member};
  delta.invalidates_hash = 99;
  delta.provider_id = ProviderId("consul");
  delta.source_age = std::chrono::milliseconds(1500);
  const Event event{make_seq(2, 9), make_epoch(2, 5), 77, from_unix_ms(123), delta};

  const auto batch = parsed(encode(event));
  ASSERT_EQ(batch.events_size(), 1);
  const auto& out = batch.events(0);
  EXPECT_EQ(out.seq_no(), make_seq(2, 9).value());
  EXPECT_EQ(out.epoch(), make_epoch(2, 5).value());
  EXPECT_EQ(out.snapshot_hash(), 77u);
  EXPECT_EQ(out.observed_at_unix_ms(), 123);
  ASSERT_TRUE(out.has_delta());
  EXPECT_EQ(out.delta().left(0).id(), "n1");
  EXPECT_EQ(out.delta().left(0).incarnation(), "life-1");
  const auto& joined = out.delta().joined(0);
  EXPECT_EQ(joined.id(), "n1");
  EXPECT_EQ(joined.host(), "10.0.0.1");
  EXPECT_EQ(joined.port(), 65535u);
  EXPECT_EQ(joined.labels().at("a"), "1");
  EXPECT_EQ(joined.weight(), 7u);
  EXPECT_EQ(joined.status(), v1::NODE_STATUS_DRAINING);
  EXPECT_EQ(joined.incarnation(), "life-2");
  EXPECT_TRUE(joined.blocked());
  EXPECT_EQ(out.delta().invalidates_hash(), 99u);
  EXPECT_EQ(out.delta().provider_id(), "consul");
  EXPECT_EQ(out.delta().source_age_ms(), 1500u);
}

// Every name of the core's enums is the name on the wire, whatever the numbers are.
TEST(Codec, EnumsKeepTheirNames) {
  const auto suffix = [](const std::string& wire, const std::string& prefix) {
    EXPECT_EQ(wire.rfind(prefix, 0), 0u) << wire;
    return wire.substr(prefix.size());
  };
  for (int i = 1; i <= 4; ++i) {
    const auto availability = static_cast<Availability>(i);
    EXPECT_EQ(suffix(v1::Availability_Name(to_proto(availability)), "AVAILABILITY_"),
              to_string(availability));
    Event event{SeqNo(1), Epoch(1), 0, {}, event::RemoteTopology{}};
    std::mt19937_64 random(1);
    event.body = event::RemoteTopology{static_cast<RemoteKind>(i), random_member(random), {}};
    EXPECT_EQ(suffix(v1::RemoteKind_Name(parsed(encode(event)).events(0).remote_topology().kind()),
                     "REMOTE_KIND_"),
              to_string(static_cast<RemoteKind>(i)));
    event.body = event::ProviderChanged{{}, {}, static_cast<FailoverReason>(i)};
    EXPECT_EQ(
        suffix(v1::FailoverReason_Name(parsed(encode(event)).events(0).provider_changed().reason()),
               "FAILOVER_REASON_"),
        to_string(static_cast<FailoverReason>(i)));
    event.body = event::HealthWarning{{}, HealthState::Healthy, static_cast<Advice>(i)};
    EXPECT_EQ(suffix(v1::Advice_Name(parsed(encode(event)).events(0).health_warning().advice()),
                     "ADVICE_"),
              to_string(static_cast<Advice>(i)));
  }
  for (int i = 1; i <= 3; ++i) {
    const auto health = static_cast<HealthState>(i);
    EXPECT_EQ(suffix(v1::Health_Name(to_proto(health)), "HEALTH_"), to_string(health));
  }
}

TEST(Codec, TheCoreNamesAnErrorOfATerminatedStream) {
  Event event{SeqNo(1),
              Epoch(1),
              0,
              {},
              event::StreamTerminated{ProviderId("p"), false, ErrorCode::AuthFailed}};
  EXPECT_EQ(parsed(encode(event)).events(0).stream_terminated().code(), "AUTH_FAILED");
  event.body = event::StreamTerminated{ProviderId("p"), true, ErrorCode::AuthFailed};
  EXPECT_EQ(parsed(encode(event)).events(0).stream_terminated().code(), "");
}

TEST(Codec, FramesConcatenateToOneBatch) {
  std::mt19937_64 random(4);
  std::string bytes;
  std::vector<std::string> single;
  for (int i = 0; i < 200; ++i) {
    single.push_back(encode(random_event(random)));
    bytes += single.back();
  }
  const auto batch = parsed(bytes);
  ASSERT_EQ(batch.events_size(), 200);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(batch.events(i).seq_no(),
              parsed(single[static_cast<std::size_t>(i)]).events(0).seq_no());
  }
}

// Decides between delta and reset inside the core (core/event.h), which doesn't know protobuf.
TEST(Codec, TheCoresBoundIsNeverBelowTheEncodedSize) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    const Event event = random_event(random);
    const std::size_t size = encode(event).size();
    ASSERT_LE(size, encoded_size_bound(event)) << "seed " << seed << ", " << event_name(event);
  }
}

TEST(Codec, TheSameEventIsTheSameBytesWhateverWasEncodedBefore) {
  std::mt19937_64 random(9);
  ProtoEventEncoder used;
  for (int i = 0; i < 500; ++i) {
    const Event event = random_event(random);
    StringSpace space;
    used.encode(event, space);
    ASSERT_EQ(space.bytes, encode(event));
  }
}

TopologySnapshot snapshot_of(std::size_t members) {
  std::mt19937_64 random(members);
  std::vector<Member> all;
  for (std::size_t i = 0; i < members; ++i) {
    Member member = random_member(random);
    ClusterNode node = *member.node;
    node.id = NodeId("node-" + std::to_string(i));
    all.push_back(
        {std::make_shared<const ClusterNode>(std::move(node)), member.blocked, member.hash});
  }
  TopologySnapshot snapshot;
  snapshot.epoch = make_epoch(1, 2);
  snapshot.seq_no = make_seq(1, 5);
  snapshot.members = MemberMap::from(std::move(all));
  snapshot.availability = Availability::Available;
  snapshot.active = ProviderId("consul");
  snapshot.active_health = HealthState::Degraded;
  snapshot.lease_tick = 12;
  return snapshot;
}

TEST(Codec, ASnapshotIsChunksOfAtMostOneMebibyteAndALastOne) {
  TopologySnapshot snapshot = snapshot_of(20'000);
  std::vector<Lease> leases;
  for (int i = 0; i < 3000; ++i) {
    leases.push_back({"p" + std::to_string(i), NodeId("node-1"), 7, 0, std::string(900, 'm')});
  }
  snapshot.leases = std::make_shared<const LeaseMap>(LeaseMap().with(leases));
  const ProtoSnapshotEncoder encoder;
  auto chunks = encoder.encode_chunks(snapshot, limits::kMaxChunkBytes);
  ASSERT_GT(chunks.size(), 5u);
  chunks.push_back(encoder.encode_last_chunk(snapshot, static_cast<std::uint32_t>(chunks.size()),
                                             std::chrono::milliseconds(2500)));
  std::vector<std::string> ids;
  std::size_t lease_count = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_LE(chunks[i].size(), limits::kMaxChunkBytes);
    EXPECT_TRUE(i + 2 >= chunks.size() || chunks[i].size() > limits::kMaxChunkBytes * 9 / 10);
    const auto batch = parsed(chunks[i]);
    ASSERT_EQ(batch.events_size(), 1);
    const auto& event = batch.events(0);
    EXPECT_EQ(event.seq_no(), snapshot.seq_no.value());
    EXPECT_EQ(event.epoch(), snapshot.epoch.value());
    EXPECT_EQ(event.snapshot_hash(), snapshot.hash());
    const auto& chunk = event.snapshot();
    EXPECT_EQ(chunk.chunk_index(), i);
    EXPECT_EQ(chunk.last(), i + 1 == chunks.size());
    EXPECT_EQ(chunk.hash_version(), 1u);
    EXPECT_EQ(chunk.total_members(), 20'000u);
    EXPECT_EQ(chunk.availability(), v1::AVAILABILITY_AVAILABLE);
    EXPECT_EQ(chunk.provider_id(), "consul");
    EXPECT_EQ(chunk.health(), v1::HEALTH_DEGRADED);
    EXPECT_EQ(chunk.lease_tick(), 12u);
    for (const auto& node : chunk.members()) ids.push_back(node.id());
    lease_count += static_cast<std::size_t>(chunk.leases_size());
  }
  EXPECT_EQ(ids.size(), 20'000u);
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(lease_count, 3000u);
  EXPECT_EQ(parsed(chunks.back()).events(0).snapshot().age_ms(), 2500u);
}

TEST(Codec, R2_4_AnEmptyTopologyIsOneChunk) {
  TopologySnapshot snapshot = snapshot_of(0);
  snapshot.availability = Availability::Empty;
  const ProtoSnapshotEncoder encoder;
  EXPECT_TRUE(encoder.encode_chunks(snapshot, limits::kMaxChunkBytes).empty());
  const auto batch = parsed(encoder.encode_last_chunk(snapshot, 0, Duration::zero()));
  const auto& chunk = batch.events(0).snapshot();
  EXPECT_EQ(chunk.chunk_index(), 0u);
  EXPECT_TRUE(chunk.last());
  EXPECT_EQ(chunk.availability(), v1::AVAILABILITY_EMPTY);
  EXPECT_EQ(batch.events(0).snapshot_hash(), 0u);
}

TEST(Codec, ABookmarkIsAPosition) {
  const TopologySnapshot snapshot = snapshot_of(3);
  const auto batch = parsed(ProtoSnapshotEncoder().encode_bookmark(snapshot));
  ASSERT_EQ(batch.events_size(), 1);
  EXPECT_TRUE(batch.events(0).has_bookmark());
  EXPECT_EQ(batch.events(0).seq_no(), snapshot.seq_no.value());
  EXPECT_EQ(batch.events(0).snapshot_hash(), snapshot.hash());
}

}  // namespace
}  // namespace rollcall
