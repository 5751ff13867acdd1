#include "tests/fleet/memory_document.h"

#include <utility>

#include "core/codec/canonical.h"

namespace rollcall::test {

MemoryStore::State MemoryStore::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void MemoryStore::restore(State state) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  changed_.notify_all();
}

void MemoryStore::empty(std::optional<std::uint64_t> history) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t same = state_.history;
  state_ = State{};
  state_.history = history.value_or(same);
  state_.version = {state_.history, 0, 0, 0};
  changed_.notify_all();
}

void MemoryStore::put_locked(const std::string& text) {
  state_.text = text;
  state_.version = {state_.history, ++state_.revision, state_.version.writes + 1, xxh64(text)};
  ++writes_;
  changed_.notify_all();
}

void MemoryStore::put(const std::string& text) {
  const std::lock_guard lock(mutex_);
  put_locked(text);
}

void MemoryStore::remove() {
  const std::lock_guard lock(mutex_);
  ++state_.revision;
  state_.text.clear();
  state_.version = {state_.history, 0, 0, 0};
  changed_.notify_all();
}

void MemoryStore::lose_next(Lost lost) {
  const std::lock_guard lock(mutex_);
  lost_ = lost;
}

void MemoryStore::before_next_swap(std::function<void()> act) {
  const std::lock_guard lock(mutex_);
  before_ = std::move(act);
}

void MemoryStore::fail(std::optional<ProvisioningError> error) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
  changed_.notify_all();
}

std::size_t MemoryStore::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

std::uint64_t MemoryStore::next_fleet() {
  const std::lock_guard lock(mutex_);
  return ++fleets_;
}

Result<SharedState> MemoryDocument::look(const SharedVersion& known, MonoTime) {
  const std::lock_guard lock(store_.mutex_);
  if (cancelled_) return rollcall::fail(ErrorCode::ShuttingDown, "cancelled");
  if (store_.error_) return tl::unexpected(*store_.error_);
  looked_ = store_.state_.version;
  SharedState state{looked_, std::nullopt};
  if (looked_.written != 0 && looked_ != known) state.text = store_.state_.text;
  return state;
}

tl::expected<SharedVersion, SwapFailure> MemoryDocument::swap(const SharedVersion& expected,
                                                              std::string_view text, MonoTime) {
  std::function<void()> before;
  {
    const std::lock_guard lock(store_.mutex_);
    before = std::exchange(store_.before_, nullptr);
  }
  if (before) before();
  const auto failed = [](SwapFailure::Kind kind, ErrorCode code, const char* message) {
    return tl::unexpected(SwapFailure{kind, {code, message, {}, 0}});
  };
  const std::lock_guard lock(store_.mutex_);
  if (cancelled_) return failed(SwapFailure::Kind::Unknown, ErrorCode::ShuttingDown, "cancelled");
  if (store_.error_) {
    return tl::unexpected(SwapFailure{SwapFailure::Kind::Unknown, *store_.error_});
  }
  const auto lost = std::exchange(store_.lost_, std::nullopt);
  if (lost == MemoryStore::Lost::NotMade) {
    return failed(SwapFailure::Kind::Unknown, ErrorCode::Timeout, "no answer in time");
  }
  SharedVersion there = store_.state_.version;
  there.digest = expected.digest;  // etcd compares numbers only
  if (expected != there) {
    return failed(SwapFailure::Kind::Changed, ErrorCode::RevisionConflict, "changed");
  }
  store_.put_locked(std::string(text));
  if (lost == MemoryStore::Lost::MadeAndAway) {
    store_.error_ = ProvisioningError{ErrorCode::BackendUnavailable, "refused", {}, 0};
  }
  if (lost) return failed(SwapFailure::Kind::Unknown, ErrorCode::Timeout, "no answer in time");
  return store_.state_.version;
}

void MemoryDocument::wait(MonoTime) {
  std::unique_lock lock(store_.mutex_);
  store_.changed_.wait(
      lock, [&] { return cancelled_ || store_.error_ || looked_ != store_.state_.version; });
}

void MemoryDocument::cancel() noexcept {
  const std::lock_guard lock(store_.mutex_);
  cancelled_ = true;
  store_.changed_.notify_all();
}

}  // namespace rollcall::test
