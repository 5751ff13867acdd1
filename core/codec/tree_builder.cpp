#include "core/codec/tree_builder.h"

#include <algorithm>
#include <numeric>

#include "core/codec/json_reader.h"
#include "core/text.h"

namespace rollcall::codec {
namespace {

// Up to here comparing all pairs is cheaper than sorting.
constexpr std::size_t kFewKeys = 16;

}  // namespace

bool TreeBuilder::fail(SourcePosition position, std::string expected, std::string found) {
  if (!error_) error_ = fail_at(limits_.code, position, expected, found).value();
  return false;
}

bool TreeBuilder::count(SourcePosition position) {
  if (++values_ <= limits_.max_values) return true;
  fail(position, "at most " + std::to_string(limits_.max_values) + " values", "more");
  error_->code = ErrorCode::LimitExceeded;
  return false;
}

bool TreeBuilder::begin(bool object, SourcePosition position) {
  if (!count(position)) return false;
  if (open_.size() >= static_cast<std::size_t>(std::max(limits_.max_depth, 0))) {
    return fail(position, "at most " + std::to_string(limits_.max_depth) + " levels of nesting",
                "a deeper one");
  }
  open_.push_back({object, false, position, {}, {}});
  return true;
}

bool TreeBuilder::key(std::string name, SourcePosition position) {
  open_.back().members.push_back({std::move(name), position, JsonValue()});
  open_.back().has_key = true;
  return true;
}

bool TreeBuilder::scalar(JsonValue value) {
  return count(value.position()) && add(std::move(value));
}

bool TreeBuilder::end() {
  Open top = std::move(open_.back());
  open_.pop_back();
  if (!top.object) return add(JsonValue(std::move(top.items), top.position));
  return check_keys_unique(top.members) && add(JsonValue(std::move(top.members), top.position));
}

bool TreeBuilder::add(JsonValue value) {
  if (open_.empty()) {
    root_ = std::move(value);
    complete_ = true;
  } else if (open_.back().object) {
    open_.back().members.back().value = std::move(value);
    open_.back().has_key = false;
  } else {
    open_.back().items.push_back(std::move(value));
  }
  return true;
}

std::string TreeBuilder::path_of(const std::string& key) const {
  std::string path;
  for (const Open& open : open_) {
    if (!open.object) {
      path += "[" + std::to_string(open.items.size()) + "]";
    } else {
      path += (path.empty() ? "" : ".") + open.members.back().key;
    }
  }
  return path + (path.empty() ? "" : ".") + key;
}

// Whether reading may go on.
bool TreeBuilder::repeated(const JsonMember& first, const JsonMember& second) {
  if (limits_.repeated != nullptr && limits_.repeated->size() < limits::kMaxProblems) {
    limits_.repeated->push_back({path_of(second.key), second.key_position, first.key_position});
    return true;
  }
  return fail(second.key_position,
              "each key once (first on line " + std::to_string(first.key_position.line) + ")",
              "key " + printable(second.key, limits::kMaxProblemValueBytes - 16) + " again");
}

// Repetitions that may stay are taken out of `members`: the first one stands.
bool TreeBuilder::check_keys_unique(JsonValue::Object& members) {
  std::vector<std::size_t> again;
  if (members.size() <= kFewKeys) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (members[i].key != members[j].key) continue;
        if (!repeated(members[j], members[i])) return false;
        again.push_back(i);
        break;
      }
    }
  } else {
    std::vector<std::size_t> order(members.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const int compared = members[a].key.compare(members[b].key);
      return compared != 0 ? compared < 0 : a < b;
    });
    for (std::size_t i = 1; i < order.size(); ++i) {
      const JsonMember& before = members[order[i - 1]];
      const JsonMember& after = members[order[i]];
      if (before.key != after.key) continue;
      if (!repeated(before, after)) return false;
      again.push_back(order[i]);
    }
    std::sort(again.begin(), again.end());
  }
  for (; !again.empty(); again.pop_back()) {
    members.erase(members.begin() + static_cast<std::ptrdiff_t>(again.back()));
  }
  return true;
}

SourcePosition PositionTracker::at(std::size_t offset) {
  offset = std::min(offset, text_.size());
  for (; offset_ < offset; ++offset_) {
    if (text_[offset_] == '\n') {
      ++line_;
      line_start_ = offset_ + 1;
    }
  }
  return {line_, static_cast<std::uint32_t>(offset - line_start_ + 1)};
}

}  // namespace rollcall::codec
