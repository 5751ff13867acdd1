#include "providers/etcd/etcd_view.h"

#include <algorithm>
#include <utility>

#include "core/codec/canonical.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/etcd/limits.h"

namespace rollcall {
namespace {

constexpr std::size_t kShownKeyBytes = 80;
constexpr std::size_t kProblemBytes = 160;

}  // namespace

void EtcdView::put(std::string_view key, std::string_view value, std::int64_t revision) {
  remove(key);
  Entry entry;
  entry.revision = revision;
  entry.bytes = key.size() + value.size();
  auto member = parse_etcd_member(key.substr(prefix_.size()), value, id_from_);
  if (member) {
    entry.hash = member_hash(*member, false);
    entry.node = std::move(*member);
  } else {
    entry.problem = printable(member.error().message, kProblemBytes);
  }
  enter(entries_.emplace(std::string(key), std::move(entry)).first->second);
}

void EtcdView::remove(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  leave(found->second);
  entries_.erase(found);
}

void EtcdView::note_before(const std::string& id) {
  if (before_.contains(id)) return;
  const auto owners = owners_.find(id);
  before_[id] =
      owners == owners_.end() ? std::nullopt : std::optional(owners->second.front()->hash);
}

void EtcdView::enter(const Entry& entry) {
  bytes_ += entry.bytes;
  if (!entry.node) {
    ++malformed_;
    return;
  }
  note_before(entry.node->id.str());
  auto& owners = owners_[entry.node->id.str()];
  owners.push_back(&entry);
  ambiguous_ += owners.size() == 2 ? 1 : 0;
  digest_ += entry.hash;
}

void EtcdView::leave(const Entry& entry) {
  bytes_ -= entry.bytes;
  if (!entry.node) {
    --malformed_;
    return;
  }
  note_before(entry.node->id.str());
  const auto found = owners_.find(entry.node->id.str());
  auto& owners = found->second;
  owners.erase(std::find(owners.begin(), owners.end(), &entry));
  ambiguous_ -= owners.size() == 1 ? 1 : 0;
  if (owners.empty()) owners_.erase(found);
  digest_ -= entry.hash;
}

EtcdView::Difference EtcdView::take_difference() {
  Difference difference;
  for (const auto& [id, hash] : before_) {
    const auto now = owners_.find(id);
    if (now == owners_.end()) {
      if (hash) difference.removals.emplace_back(id);
    } else if (hash != now->second.front()->hash) {
      difference.upserts.push_back(*now->second.front()->node);
    }
  }
  before_.clear();
  // In an order that does not depend on a hash table's.
  std::sort(difference.removals.begin(), difference.removals.end());
  std::sort(difference.upserts.begin(), difference.upserts.end(),
            [](const ClusterNode& a, const ClusterNode& b) { return a.id < b.id; });
  return difference;
}

bool EtcdView::too_large() const {
  return entries_.size() > limits::kMaxMembers || bytes_ > limits::kMaxBackendAnswerBytes;
}

bool EtcdView::faulty() const { return too_large() || malformed_ != 0 || ambiguous_ != 0; }

std::optional<ProvisioningError> EtcdView::fault() const {
  if (!faulty()) return std::nullopt;
  if (too_large()) {
    return ProvisioningError{ErrorCode::LimitExceeded,
                             "the prefix has " + std::to_string(entries_.size()) + " keys of " +
                                 std::to_string(bytes_) + " bytes together; the limits are " +
                                 std::to_string(limits::kMaxMembers) + " and " +
                                 std::to_string(limits::kMaxBackendAnswerBytes),
                             {},
                             0};
  }
  std::string text;
  std::size_t told = 0;
  for (const auto& [key, entry] : entries_) {
    if (malformed_ == 0 || told == limits::kEtcdNamedKeys) break;
    if (entry.node) continue;
    if (told++ > 0) text += "; ";
    text += printable(key, kShownKeyBytes) + ": " + entry.problem;
  }
  if (malformed_ > told) text += "; and " + std::to_string(malformed_ - told) + " keys more";
  if (ambiguous_ > 0) text += (text.empty() ? "" : "; ") + id_fault();
  return ProvisioningError{ErrorCode::MalformedResponse, std::move(text), {}, 0};
}

std::string EtcdView::id_fault() const {
  std::map<std::string_view, std::string_view> first;  // id -> key
  for (const auto& [key, entry] : entries_) {
    if (!entry.node) continue;
    const auto [other, added] = first.emplace(entry.node->id.str(), key);
    if (added) continue;
    return printable(other->second, kShownKeyBytes) + " and " + printable(key, kShownKeyBytes) +
           " have the same id " + printable(other->first, kShownKeyBytes);
  }
  return {};
}

std::vector<ClusterNode> EtcdView::members() const {
  std::vector<ClusterNode> members;
  members.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) {
    if (entry.node) members.push_back(*entry.node);
  }
  return members;
}

bool EtcdView::continues_in(const EtcdView& later, std::int64_t revision) const {
  return std::all_of(later.entries_.begin(), later.entries_.end(), [&](const auto& item) {
    if (item.second.revision > revision) return true;
    const auto held = entries_.find(item.first);
    return held != entries_.end() && held->second.revision == item.second.revision &&
           held->second.hash == item.second.hash && held->second.problem == item.second.problem;
  });
}

}  // namespace rollcall
