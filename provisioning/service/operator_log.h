// OperatorLog: what operators are told beside the log file (WatchEvents): the newest
// limits::kOperatorEvents notices, each with an index that rises without gaps.
//
// A watcher is a cursor (an index) and a callback that says "there is more": like consumers of the
// event log, a slow one loses the oldest and costs nothing.
//
// Threads: any. Callbacks run on the appending thread, with no lock held, and must not block.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/ids.h"
#include "core/time.h"

namespace rollcall {

struct OperatorNotice {
  enum class Level : std::uint8_t { Info, Warning, Error };
  std::uint64_t index = 0;  // given by append(); from 1
  WallTime at{};
  Level level = Level::Info;
  std::string event;  // stable name
  ProviderId provider;
  std::optional<ErrorCode> code;
  std::string message;
};
std::string_view to_string(OperatorNotice::Level level);  // "info", "warning", "error"

class OperatorLog {
 public:
  using WatcherId = std::uint64_t;

  void append(OperatorNotice notice);
  // Those after `after`, oldest first, at most `limit`.
  std::vector<OperatorNotice> read(std::uint64_t after, std::size_t limit) const;
  std::uint64_t newest() const;  // 0: none

  // LIMIT_EXCEEDED beyond limits::kMaxEventWatchers. A callback may still run while and shortly
  // after unwatch() returns: it holds what it needs by weak_ptr.
  Result<WatcherId> watch(std::function<void()> more);
  void unwatch(WatcherId id);

 private:
  mutable std::mutex mutex_;  // guards everything below
  std::deque<OperatorNotice> kept_;
  std::uint64_t next_index_ = 1;
  std::map<WatcherId, std::shared_ptr<std::function<void()>>> watchers_;
  WatcherId next_watcher_ = 1;
};

}  // namespace rollcall
