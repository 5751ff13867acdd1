// Strong types for identifiers and counters (DESIGN style rule 7): a NodeId can't be handed where a
// ProviderId is meant, and a revision can't be compared with a sequence number.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace rollcall {

// An immutable-by-convention UTF-8 string with a meaning. Bounds and the character set are checked
// where text enters the program (limits.h, descriptor.h, codec), not here.
template <class Tag>
class StrongString {
 public:
  StrongString() = default;
  explicit StrongString(std::string value) : value_(std::move(value)) {}
  explicit StrongString(std::string_view value) : value_(value) {}
  explicit StrongString(const char* value) : value_(value) {}
  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend auto operator<=>(const StrongString&, const StrongString&) = default;
  friend bool operator==(const StrongString&, const StrongString&) = default;

 private:
  std::string value_;
};

template <class Tag>
class StrongU64 {
 public:
  constexpr StrongU64() = default;
  constexpr explicit StrongU64(std::uint64_t value) : value_(value) {}
  constexpr std::uint64_t value() const { return value_; }
  constexpr StrongU64 next() const { return StrongU64(value_ + 1); }
  friend constexpr auto operator<=>(const StrongU64&, const StrongU64&) = default;
  friend constexpr bool operator==(const StrongU64&, const StrongU64&) = default;

 private:
  std::uint64_t value_ = 0;
};

using NodeId = StrongString<struct NodeIdTag>;          // 1..256 bytes
using ProviderId = StrongString<struct ProviderIdTag>;  // [a-z0-9]([-a-z0-9._]*), 1..64 bytes
using Epoch = StrongU64<struct EpochTag>;        // boot counter << 32 | 32 random bits (SPEC 5)
using SeqNo = StrongU64<struct SeqNoTag>;        // boot counter << 40 | n; 0 is "none"
using Revision = StrongU64<struct RevisionTag>;  // of the provider set; rises by 1 per stored write
using StreamGeneration = StrongU64<struct StreamGenerationTag>;  // fencing: which stream of a provider
using RequestId = StrongU64<struct RequestIdTag>;  // pairs an input of the core with its Reply

inline constexpr int kSeqBootShift = 40;
inline constexpr int kEpochBootShift = 32;

constexpr SeqNo make_seq(std::uint64_t boot, std::uint64_t n) {
  return SeqNo((boot << kSeqBootShift) | n);
}
constexpr Epoch make_epoch(std::uint64_t boot, std::uint32_t random) {
  return Epoch((boot << kEpochBootShift) | random);
}

}  // namespace rollcall

template <class Tag>
struct std::hash<rollcall::StrongString<Tag>> {
  std::size_t operator()(const rollcall::StrongString<Tag>& v) const noexcept {
    return std::hash<std::string>{}(v.str());
  }
};
template <class Tag>
struct std::hash<rollcall::StrongU64<Tag>> {
  std::size_t operator()(const rollcall::StrongU64<Tag>& v) const noexcept {
    return std::hash<std::uint64_t>{}(v.value());
  }
};
