#include "providers/in_memory/member_state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

// How far a stream may fall behind before it takes the whole list: a stream is behind only while
// its thread hands over one answer.
constexpr std::size_t kMaxRecent = 4096;

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

MemberState::MemberState(FileSystem& files, std::string directory)
    : files_(files), directory_(std::move(directory)) {
  for (auto& bucket : buckets_) bucket = std::make_shared<const Bucket>();
}

Result<std::shared_ptr<MemberState>> MemberState::open(FileSystem& files, std::string directory) {
  std::shared_ptr<MemberState> state(new MemberState(files, std::move(directory)));
  if (auto made = files.make_directory(state->directory_); !made) {
    return tl::unexpected(std::move(made.error()));
  }
  // An earlier life may have ended between making the directories, or renaming a file in them, and
  // syncing what holds them.
  const std::string all = parent_of(state->directory_);
  for (const std::string& holder : {state->directory_, all, parent_of(all)}) {
    if (auto synced = files.sync_directory(holder); !synced) {
      return tl::unexpected(std::move(synced.error()));
    }
  }
  if (auto loaded = state->load(); !loaded) return tl::unexpected(std::move(loaded.error()));
  return state;
}

Result<void> MemberState::load() {
  auto names = files_.list(directory_);
  if (!names) return tl::unexpected(std::move(names.error()));
  for (std::size_t number = 0; number < kBuckets; ++number) {
    const std::string name = bucket_file_name(number);
    // Other names are left alone: NAME.tmp of a write that a crash cut short never counted.
    if (std::find(names->begin(), names->end(), name) == names->end()) continue;
    const std::string path = directory_ + "/" + name;
    auto text = files_.read(path, kMaxBucketFileBytes);
    if (!text) return tl::unexpected(std::move(text.error()));
    auto bucket = decode_bucket(*text, path, number);
    if (!bucket) return tl::unexpected(std::move(bucket.error()));
    size_ += bucket->members.size();
    only_read_[number] = true;
    buckets_[number] = std::make_shared<const Bucket>(std::move(*bucket));
  }
  if (size_ > limits::kMaxMembers) {
    return fail(ErrorCode::LimitExceeded, directory_ + " holds " + std::to_string(size_) +
                                              " members, above the limit of " +
                                              std::to_string(limits::kMaxMembers));
  }
  return {};
}

Result<void> MemberState::store(std::size_t number, const Bucket& bucket) {
  auto text = encode_bucket(bucket);
  if (!text) return tl::unexpected(std::move(text.error()));
  if (text->size() > kMaxBucketFileBytes) {  // what load() would refuse
    return fail(ErrorCode::LimitExceeded,
                bucket_file_name(number) + " would hold " + std::to_string(text->size()) +
                    " bytes of members, above the limit of " + std::to_string(kMaxBucketFileBytes));
  }
  auto written = write_atomically(files_, directory_, bucket_file_name(number), *text);
  uncertain_[number] = !written && written.error().unknown;
  if (!written) return tl::unexpected(std::move(written.error().error));
  only_read_[number] = false;
  return {};
}

// Memory holds what was acknowledged; the files of a write with unknown outcome may hold more.
Result<void> MemberState::rewrite_uncertain() {
  for (std::size_t number = 0; number < kBuckets; ++number) {
    if (!uncertain_[number]) continue;
    std::shared_ptr<const Bucket> bucket;
    {
      const std::lock_guard lock(mutex_);
      bucket = buckets_[number];
    }
    if (auto stored = store(number, *bucket); !stored) {
      uncertain_[number] = true;  // whatever kind of failure: it still isn't known
      stored.error().message =
          "members are read-only until a rewrite succeeds: " + stored.error().message;
      return stored;
    }
  }
  return {};
}

// `change(bucket)` alters a copy: an error refuses, false means that it changed nothing.
template <class Change>
Result<void> MemberState::write(const NodeId& id, Change change) {
  const std::size_t number = bucket_of(id);
  std::unique_lock lock(mutex_);
  if (waiting_ >= limits::kMaxWaitingRequests) {
    return fail(ErrorCode::LimitExceeded,
                "more than " + std::to_string(limits::kMaxWaitingRequests) + " writes are waiting");
  }
  ++waiting_;
  turn_.wait(lock, [&] { return !writing_; });
  --waiting_;
  writing_ = true;
  auto bucket = std::make_shared<Bucket>(*buckets_[number]);
  const std::size_t others = size_ - bucket->members.size();
  lock.unlock();

  Result<bool> changes = change(*bucket, others);
  // "There already" and "not there" promise something about the disk as well.
  const bool promises = changes || changes.error().code == ErrorCode::NotFound;
  Result<void> result;
  if (promises) result = rewrite_uncertain();
  if (promises && result && (changes.value_or(false) || only_read_[number])) {
    result = store(number, *bucket);
  }
  if (result && !changes) result = tl::unexpected(std::move(changes.error()));

  lock.lock();
  writing_ = false;
  turn_.notify_one();
  if (!result || !*changes) return result;
  size_ = others + bucket->members.size();
  buckets_[number] = std::move(bucket);
  ++version_;
  recent_.push_back(id);
  if (recent_.size() > kMaxRecent) recent_.pop_front();
  changed_.notify_all();
  return {};
}

Result<void> MemberState::join(const ClusterNode& given) {
  ClusterNode node = given;
  // A node may declare its incarnation by a label (SPEC 1); the files say it in its own field.
  if (const auto label = node.labels.find(std::string(kIncarnationKey));
      node.incarnation.empty() && label != node.labels.end()) {
    node.incarnation = label->second;
  }
  if (auto problems = validate_node(node, "node"); !problems.empty()) {
    return fail(ErrorCode::InvalidConfig, "the member is refused", std::move(problems));
  }
  return write(node.id, [&](Bucket& bucket, std::size_t others) -> Result<bool> {
    const auto known = bucket.members.find(node.id);
    if (known != bucket.members.end() && *known->second.node == node) return false;
    if (known == bucket.members.end() && others + bucket.members.size() >= limits::kMaxMembers) {
      return fail(ErrorCode::LimitExceeded, "there are " + std::to_string(limits::kMaxMembers) +
                                                " members already, which is the limit");
    }
    bucket.members[node.id] = {std::make_shared<const ClusterNode>(node), {}};
    return true;
  });
}

Result<void> MemberState::leave(const NodeId& id) {
  return write(id, [&](Bucket& bucket, std::size_t) -> Result<bool> {
    if (bucket.members.erase(id) == 0) {
      return fail(ErrorCode::NotFound,
                  "no member has the id " + printable(id.str(), limits::kMaxNodeIdBytes));
    }
    return true;
  });
}

MemberState::View MemberState::view() const {
  std::array<std::shared_ptr<const Bucket>, kBuckets> buckets;
  View view;
  {
    const std::lock_guard lock(mutex_);
    buckets = buckets_;
    view.version = version_;
    view.members.reserve(size_);
  }
  for (const auto& bucket : buckets) {
    for (const auto& [id, member] : bucket->members) view.members.push_back(*member.node);
  }
  return view;
}

MemberState::Changes MemberState::changes_since(std::uint64_t since) const {
  Changes changes;
  const std::lock_guard lock(mutex_);
  changes.version = version_;
  const std::uint64_t behind = version_ - since;
  changes.complete = behind <= recent_.size();
  if (!changes.complete) return changes;
  const std::set<NodeId> ids(recent_.end() - static_cast<std::ptrdiff_t>(behind), recent_.end());
  for (const NodeId& id : ids) {
    const auto& members = buckets_[bucket_of(id)]->members;
    if (const auto found = members.find(id); found != members.end()) {
      changes.upserts.push_back(*found->second.node);
    } else {
      changes.removals.push_back(id);
    }
  }
  return changes;
}

void MemberState::wait(std::uint64_t since, const bool& stop, Duration at_most) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, at_most, [&] { return stop || version_ != since; });
}

void MemberState::wake(bool& stop) const noexcept {
  const std::lock_guard lock(mutex_);
  stop = true;
  changed_.notify_all();
}

}  // namespace rollcall
