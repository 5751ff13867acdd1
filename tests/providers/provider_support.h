// What the tests of providers share: a real clock, a FileSystem in memory whose calls can be made
// to fail, temporary directories, and a stream that is read on a thread of its own, as the service
// does.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/provider.h"

namespace rollcall::test {

// How long a test waits for what must come; only a broken program ever waits that long.
inline constexpr std::chrono::seconds kPatience{60};

class RealClock : public Clock {
 public:
  MonoTime now() const override;
  WallTime wall_now() const override;
};

// A real clock that can be stopped, so that nothing happens for want of time.
class PausableClock : public Clock {
 public:
  MonoTime now() const override;
  WallTime wall_now() const override { return real_.wall_now(); }
  void pause();

 private:
  RealClock real_;
  mutable std::mutex mutex_;
  std::optional<MonoTime> paused_at_;
};

void write_in_place(const std::string& path, std::string_view text);
void write_and_rename(const std::string& path, std::string_view text);

// Reads a stream on its own thread and keeps what it said.
class StreamReader {
 public:
  explicit StreamReader(std::unique_ptr<ProviderStream> stream);
  ~StreamReader();  // cancels and joins
  // The next event; fails the test (and answers Terminated) if none comes within kPatience.
  ProviderEvent next();
  // Skips events until one satisfies `wanted`.
  ProviderEvent until(const std::function<bool(const ProviderEvent&)>& wanted);
  // Cancels and joins; how long that took.
  Duration stop();
  // The same once the stream is asked for what nobody has heard of yet: cancel() has a wait to end.
  Duration stop_waiting();

 private:
  std::unique_ptr<ProviderStream> stream_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable taken_;
  std::deque<ProviderEvent> events_;
  bool asking_ = false;  // next() is called, or about to be
  bool stopping_ = false;
  std::thread thread_;
};

ClusterNode make_node(const std::string& id, std::uint16_t port = 7000);
std::vector<std::string> ids_of(const std::vector<ClusterNode>& nodes);  // sorted

// "snapshot[a,b]", "change[+a -b]", "unchanged", "failed TIMEOUT", "terminated": for messages and
// comparisons.
std::string to_text(const ProviderEvent& event);

// Descriptors open in this process and threads running in it.
std::size_t open_descriptors();
std::size_t running_threads();
// Waits until `value()` is `wanted`: the kernel lets go of a joined thread a moment after join().
bool comes_to(const std::function<std::size_t()>& value, std::size_t wanted);
// The same for what has to be no more than it was: it may have been counted too early, with
// something in it that was about to go.
bool comes_down_to(const std::function<std::size_t()>& value, std::size_t most);

}  // namespace rollcall::test
