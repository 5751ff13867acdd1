// EtcdView: the members that the keys below a prefix say, kept up to date change by change. It
// knows of every key, of those with a value that is no member too, so that nothing is ever silently
// left out: while there is one, or two keys with one id, the view has a fault and no members.
//
// Threads: belongs to one. Pure: no clock, no connection.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "providers/etcd/etcd_member.h"

namespace rollcall {

class EtcdView {
 public:
  struct Difference {
    std::vector<ClusterNode> upserts;
    std::vector<NodeId> removals;
    bool empty() const { return upserts.empty() && removals.empty(); }
  };

  EtcdView(std::string prefix, EtcdIdFrom id_from)
      : prefix_(std::move(prefix)), id_from_(id_from) {}
  EtcdView(EtcdView&&) = default;
  EtcdView& operator=(EtcdView&&) = default;

  // `key` begins with the prefix. `revision`: the one that wrote it.
  void put(std::string_view key, std::string_view value, std::int64_t revision);
  void remove(std::string_view key);

  // What the calls since the last one came to, member by member. Of a view without a fault, if
  // there was none the last time either.
  Difference take_difference();

  bool too_large() const;
  bool faulty() const;  // too large, or with malformed or ambiguous keys
  // MALFORMED_RESPONSE naming the keys at fault; LIMIT_EXCEEDED above limits::kMaxMembers keys or
  // limits::kMaxBackendAnswerBytes of them.
  std::optional<ProvisioningError> fault() const;
  std::vector<ClusterNode> members() const;  // of a view without a fault, in the keys' order

  std::size_t keys() const { return entries_.size(); }
  std::uint64_t digest() const { return digest_; }  // sum of the members' hashes

  // Whether `later`, the same keys at a later revision, goes on from this view as it was at
  // `revision`: what `later` has from until then must be here, unchanged. If not, the history that
  // we know is not the backend's: it was restored, and has meanwhile overtaken us.
  bool continues_in(const EtcdView& later, std::int64_t revision) const;

 private:
  struct Entry {
    std::int64_t revision = 0;
    std::size_t bytes = 0;
    std::optional<ClusterNode> node;  // none: `problem` says why
    std::uint64_t hash = 0;
    std::string problem;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;  // by key

  void note_before(const std::string& id);
  void enter(const Entry& entry);
  void leave(const Entry& entry);
  std::string id_fault() const;

  std::string prefix_;
  EtcdIdFrom id_from_;
  Entries entries_;
  std::unordered_map<std::string, std::vector<const Entry*>> owners_;     // of an id
  std::unordered_map<std::string, std::optional<std::uint64_t>> before_;  // hashes; none: absent
  std::size_t bytes_ = 0;
  std::size_t malformed_ = 0;  // entries without a node
  std::size_t ambiguous_ = 0;  // ids with several owners
  std::uint64_t digest_ = 0;
};

}  // namespace rollcall
