// A SharedDocument in memory, for what a real etcd can't be made to do at will: lose the answer of
// a write that it made, or of one that it did not make, and go back in its history between two
// calls. Any number of sidecars share one MemoryStore.
//
// Threads: any.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "core/shared_document.h"

namespace rollcall::test {

class MemoryStore {
 public:
  struct State {
    std::uint64_t history = 7;
    std::int64_t revision = 1;  // of the store
    SharedVersion version{7, 0, 0, 0};
    std::string text;
  };
  State state() const;
  void restore(State state);                                        // a backup
  void empty(std::optional<std::uint64_t> history = std::nullopt);  // another one: another store
  void put(const std::string& text);                                // by hand
  void remove();

  // The next write: its answer is lost, and it was made or not.
  enum class Lost { Made, NotMade, MadeAndAway };  // the last: and nothing is answered from then on
  void lose_next(Lost lost);
  // Before the next write is compared, once.
  void before_next_swap(std::function<void()> act);
  void fail(std::optional<ProvisioningError> error);  // every call, until none
  std::size_t writes() const;
  std::uint64_t next_fleet();  // another one each time

 private:
  friend class MemoryDocument;
  void put_locked(const std::string& text);

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  State state_;
  std::optional<Lost> lost_;
  std::function<void()> before_;
  std::optional<ProvisioningError> error_;
  std::size_t writes_ = 0;
  std::uint64_t fleets_ = 100;
};

class MemoryDocument final : public SharedDocument {
 public:
  explicit MemoryDocument(MemoryStore& store) : store_(store) {}
  Result<SharedState> look(const SharedVersion& known, MonoTime deadline) override;
  tl::expected<SharedVersion, SwapFailure> swap(const SharedVersion& expected,
                                                std::string_view text, MonoTime deadline) override;
  void wait(MonoTime deadline) override;  // until something changed, whatever the deadline
  void cancel() noexcept override;

 private:
  MemoryStore& store_;
  SharedVersion looked_;
  bool cancelled_ = false;  // under the store's mutex
};

}  // namespace rollcall::test
