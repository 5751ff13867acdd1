#include "bridges/http/topology_json.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/codec/json_writer.h"
#include "core/codec/node_codec.h"

namespace rollcall {
namespace {

// Members were validated when they came: their texts are UTF-8, so writing them cannot fail.
std::string text_of(JsonWriter writer) {
  auto text = std::move(writer).finish();
  return text ? std::move(*text) : std::string("null");
}

}  // namespace

TopologyJson::TopologyJson(std::shared_ptr<const TopologySnapshot> snapshot, MonoTime now,
                           std::optional<std::vector<ProviderListing>> listings)
    : snapshot_(std::move(snapshot)),
      now_(now),
      listings_(std::move(listings)),
      members_(snapshot_->members.to_vector()) {}

std::string TopologyJson::member_json(const Member& member) const {
  JsonWriter w;
  w.begin_object();
  write_node_fields(*member.node, w);
  w.field("blocked", member.blocked);
  if (listings_) {
    w.key("providers").begin_array();
    for (const ProviderListing& listing : *listings_) {
      if (listing.members.find(member.id()) != nullptr) w.string(listing.id.str());
    }
    w.end_array();
  }
  w.end_object();
  return text_of(std::move(w));
}

std::string TopologyJson::head() const {
  using Seconds = std::chrono::duration<double>;
  const Duration age = std::max(now_ - snapshot_->confirmed_at, Duration::zero());
  JsonWriter w;
  w.begin_object()
      .field_u64_text("epoch", snapshot_->epoch.value())
      .field_u64_text("seq_no", snapshot_->seq_no.value())
      .field_u64_text("snapshot_hash", snapshot_->hash())
      .field("hash_version", kHashVersion)
      .field("provider", snapshot_->active.str())
      .field("availability", to_string(snapshot_->availability))
      .field("stale", snapshot_->stale)
      .field_number("age_seconds", std::chrono::duration_cast<Seconds>(age).count())
      .key("members")
      .begin_array()
      .end_array()
      .end_object();
  std::string text = text_of(std::move(w));
  text.resize(text.size() - 2);  // "]}" follows after the members
  return text;
}

std::string TopologyJson::next(std::size_t bytes) {
  std::string out;
  if (ended_) return out;
  if (!std::exchange(began_, true)) out = head();
  while (at_ < members_.size() && out.size() < bytes) {
    if (at_ > 0) out += ',';
    out += member_json(members_[at_++]);
  }
  if (at_ == members_.size()) {
    out += "]}\n";
    ended_ = true;
  }
  return out;
}

std::string topology_etag(const TopologySnapshot& snapshot) {
  return "\"" + std::to_string(snapshot.epoch.value()) + "-" +
         std::to_string(snapshot.seq_no.value()) + (snapshot.stale ? "-stale" : "") + "\"";
}

}  // namespace rollcall
