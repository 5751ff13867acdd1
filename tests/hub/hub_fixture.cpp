#include "tests/hub/hub_fixture.h"

#include <algorithm>
#include <cstring>

namespace rollcall::testing_hub {
namespace {

// kind, index, last, total size, seq_no, hash, padding derived from seq_no and size.
constexpr std::size_t kFixed = 1 + 4 + 1 + 4 + 8 + 8;

char padding(SeqNo s, std::size_t i) { return static_cast<char>((s.value() * 31 + i) & 0x7f); }

void fill(char* out, const Item& item) {
  const std::uint32_t size = static_cast<std::uint32_t>(item.size);
  const std::uint64_t s = item.seq_no.value();
  out[0] = item.kind;
  std::memcpy(out + 1, &item.index, 4);
  out[5] = item.last ? 1 : 0;
  std::memcpy(out + 6, &size, 4);
  std::memcpy(out + 10, &s, 8);
  std::memcpy(out + 18, &item.hash, 8);
  for (std::size_t i = kFixed; i < item.size; ++i) out[i] = padding(item.seq_no, i);
}

std::string text(const Item& item) {
  std::string out(item.size, '\0');
  fill(out.data(), item);
  return out;
}

}  // namespace

std::uint64_t hash_after(SeqNo s) {
  std::uint64_t h = s.value() + 0x9e3779b97f4a7c15u;
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
  return h ^ (h >> 27);
}

std::optional<std::vector<Item>> parse(std::string_view bytes) {
  std::vector<Item> items;
  while (!bytes.empty()) {
    if (bytes.size() < kFixed) return std::nullopt;
    Item item;
    std::uint32_t size = 0;
    std::uint64_t s = 0;
    item.kind = bytes[0];
    std::memcpy(&item.index, bytes.data() + 1, 4);
    item.last = bytes[5] != 0;
    std::memcpy(&size, bytes.data() + 6, 4);
    std::memcpy(&s, bytes.data() + 10, 8);
    std::memcpy(&item.hash, bytes.data() + 18, 8);
    item.seq_no = SeqNo(s);
    item.size = size;
    if (std::string_view("ERCB").find(item.kind) == std::string_view::npos || size < kFixed ||
        size > bytes.size()) {
      return std::nullopt;
    }
    for (std::size_t i = kFixed; i < size; ++i) {
      if (bytes[i] != padding(item.seq_no, i)) return std::nullopt;
    }
    items.push_back(item);
    bytes.remove_prefix(size);
  }
  return items;
}

std::string bytes_of(const Subscription::Next& next) {
  std::string all;
  for (std::uint32_t i = 0; i < next.slice_count; ++i) all += view(next.slices[i]);
  return all;
}

void TestEventEncoder::encode(const Event& event, FrameSpace& space) {
  Item item;
  item.kind = std::holds_alternative<event::Reset>(event.body) ? 'R' : 'E';
  item.seq_no = event.seq_no;
  item.hash = event.snapshot_hash;
  item.size = kFixed;
  if (const auto* changed = std::get_if<event::AvailabilityChanged>(&event.body)) {
    if (!changed->reason.empty()) item.size += std::stoul(changed->reason);
  }
  fill(reinterpret_cast<char*>(space.reserve(item.size)), item);
}

std::vector<std::string> TestSnapshotEncoder::encode_chunks(const TopologySnapshot& s,
                                                            std::size_t) const {
  std::vector<std::string> all;
  for (std::uint32_t i = 0; i < chunks_; ++i) {
    all.push_back(text({'C', s.seq_no, s.hash(), i, false, kFixed + chunk_bytes_}));
  }
  return all;
}

std::string TestSnapshotEncoder::encode_last_chunk(const TopologySnapshot& s, std::uint32_t index,
                                                   Duration) const {
  return text({'C', s.seq_no, s.hash(), index, true, kFixed});
}

std::string TestSnapshotEncoder::encode_bookmark(const TopologySnapshot& s) const {
  return text({'B', s.seq_no, s.hash(), 0, false, kFixed});
}

Event plain_event(SeqNo s, std::size_t payload) {
  event::AvailabilityChanged body;
  if (payload != 0) body.reason = std::to_string(payload);
  return Event{s, kEpoch, hash_after(s), {}, body};
}

Event reset_event(SeqNo s) { return Event{s, kEpoch, hash_after(s), {}, event::Reset{}}; }

std::shared_ptr<const TopologySnapshot> state_at(SeqNo s, bool has_topology,
                                                 MonoTime confirmed_at) {
  auto state = std::make_shared<TopologySnapshot>();
  state->epoch = kEpoch;
  state->seq_no = s;
  state->has_topology = has_topology;
  state->confirmed_at = confirmed_at;
  ClusterNode node;
  node.id = NodeId("n");
  state->members = MemberMap::from(
      {Member{std::make_shared<const ClusterNode>(std::move(node)), false, hash_after(s)}});
  return state;
}

void Consumer::apply(std::string_view bytes) {
  const auto items = parse(bytes);
  ASSERT_TRUE(items.has_value()) << "a torn frame";
  for (const Item& item : *items) apply(item);
}

void Consumer::apply(const Item& item) {
  switch (item.kind) {
    case 'C':
      if (item.index == 0) {
        unfinished_ = item;
        next_chunk_ = 0;
        ++starts_;
      }
      ASSERT_TRUE(unfinished_.has_value()) << "a chunk without a chunk 0";
      ASSERT_EQ(item.index, next_chunk_++);
      ASSERT_EQ(item.seq_no, unfinished_->seq_no);
      break;
    case 'B':
      ASSERT_FALSE(unfinished_.has_value()) << "a bookmark within a snapshot";
      ASSERT_FALSE(needs_snapshot_);
      ASSERT_EQ(item.seq_no, position_);
      ASSERT_EQ(item.hash, hash_);
      ++bookmarks_;
      return;
    default:
      ASSERT_FALSE(unfinished_.has_value()) << "an event within a snapshot";
      ASSERT_FALSE(needs_snapshot_) << "an event after a reset, without a snapshot";
      ASSERT_EQ(item.seq_no, position_.next());
      ASSERT_EQ(item.hash, hash_after(item.seq_no));
      position_ = item.seq_no;
      hash_ = item.hash;
      needs_snapshot_ = item.kind == 'R';
      ++events_;
      return;
  }
  if (!item.last) return;
  ASSERT_GE(unfinished_->seq_no, position_) << "a snapshot leads back";
  ASSERT_EQ(unfinished_->hash, hash_after(unfinished_->seq_no));
  position_ = unfinished_->seq_no;
  hash_ = unfinished_->hash;
  unfinished_.reset();
  needs_snapshot_ = false;
  ++snapshots_;
}

HubOptions TestHub::with_defaults(HubOptions options) {
  options.epoch = kEpoch;
  options.first_seq = seq(1);
  return options;
}

TestHub::TestHub(HubOptions options, std::uint32_t chunks)
    : snapshots(chunks), hub(with_defaults(std::move(options)), events, snapshots) {}

void TestHub::publish(std::size_t count, std::size_t payload) {
  std::vector<Event> step;
  SeqNo s = hub.head();
  for (std::size_t i = 0; i < count; ++i) step.push_back(plain_event(s = s.next(), payload));
  hub.publish(step, state_at(s, has_topology, now));
}

void TestHub::publish_reset() {
  const SeqNo s = hub.head().next();
  const std::vector<Event> step{reset_event(s), plain_event(s.next())};
  hub.publish(step, state_at(s.next(), has_topology, now));
}

Subscription::Outcome Stream::step(TestHub& hub, std::size_t max_bytes) {
  const auto next = sub->next(max_bytes, hub.now);
  if (next.outcome == Subscription::Outcome::Batch) {
    consumer.apply(bytes_of(next));
    sub->written();
  } else if (next.outcome == Subscription::Outcome::Ended) {
    ended = true;
    end = next.error;
  }
  return next.outcome;
}

void Stream::drain(TestHub& hub, std::size_t max_bytes) {
  for (;;) {
    const auto outcome = step(hub, max_bytes);
    if (outcome == Subscription::Outcome::Ended) return;
    if (outcome == Subscription::Outcome::Batch) continue;
    const int before = waker->wakes;
    hub.hub.poll(hub.now);
    if (waker->wakes == before) return;
  }
}

Stream open_stream(TestHub& hub, std::string id, Epoch epoch, SeqNo after, Bridge bridge,
                   bool acknowledges) {
  Stream stream;
  auto opened =
      hub.hub.subscribe({bridge, std::move(id), epoch, after, acknowledges}, stream.waker, hub.now);
  EXPECT_TRUE(opened.has_value());
  if (opened) stream.sub = *opened;
  if (epoch == kEpoch && after.value() != 0) stream.consumer.start_at(after);
  return stream;
}

}  // namespace rollcall::testing_hub
