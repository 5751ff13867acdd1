// What the hub needs of the wire, without knowing it: bridges/codec implements both with protobuf,
// tests with plain text.
//
// Every frame is the encoding of a WatchBatch with one event, so that frames concatenate to a batch
// of many (DESIGN "Why frames concatenate").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/snapshot.h"
#include "core/time.h"

namespace rollcall {

// Where a frame goes: memory of the log itself, so that it is written once and never copied.
class FrameSpace {
 public:
  // Exactly `size` bytes, to be filled before the encoder returns. Called once a frame.
  virtual std::uint8_t* reserve(std::size_t size) = 0;

 protected:
  ~FrameSpace() = default;
};

// Used by the writer thread only; may keep scratch memory between calls.
class EventEncoder {
 public:
  virtual ~EventEncoder() = default;
  virtual void encode(const Event& event, FrameSpace& space) = 0;
};

// Used by several threads at once; holds no state.
//
// A snapshot is the chunks 0 … n-1 with its members and leases, shared by all subscribers, and
// chunk n, which has none and is marked last: it is made for each subscriber, because the age in it
// is of that moment.
class SnapshotEncoder {
 public:
  virtual ~SnapshotEncoder() = default;
  // Members and leases, in order, each chunk at most `max_chunk_bytes` and numbered from 0. None
  // for an empty topology without leases.
  virtual std::vector<std::string> encode_chunks(const TopologySnapshot& snapshot,
                                                 std::size_t max_chunk_bytes) const = 0;
  // The chunk that completes it.
  virtual std::string encode_last_chunk(const TopologySnapshot& snapshot, std::uint32_t index,
                                        Duration age) const = 0;
  // The newest seq_no and hash of `snapshot`, as a position.
  virtual std::string encode_bookmark(const TopologySnapshot& snapshot) const = 0;
};

}  // namespace rollcall
