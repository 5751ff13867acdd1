#include "tests/providers/provider_support.h"

#include <dirent.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace rollcall::test {

MonoTime RealClock::now() const {
  return MonoTime(std::chrono::steady_clock::now().time_since_epoch());
}

WallTime RealClock::wall_now() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

MonoTime PausableClock::now() const {
  const std::lock_guard lock(mutex_);
  return paused_at_ ? *paused_at_ : real_.now();
}

void PausableClock::pause() {
  const std::lock_guard lock(mutex_);
  paused_at_ = real_.now();
}

// --- files ---

void write_in_place(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << text;
  file.close();
  ASSERT_TRUE(file.good()) << path;
}

void write_and_rename(const std::string& path, std::string_view text) {
  write_in_place(path + ".new", text);
  ASSERT_EQ(0, std::rename((path + ".new").c_str(), path.c_str()));
}

// --- streams ---

StreamReader::StreamReader(std::unique_ptr<ProviderStream> stream) : stream_(std::move(stream)) {
  thread_ = std::thread([this] {
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        asking_ = true;
        arrived_.notify_all();
      }
      ProviderEvent event = stream_->next();
      const bool over = std::holds_alternative<Terminated>(event);
      std::unique_lock lock(mutex_);
      asking_ = false;
      events_.push_back(std::move(event));
      arrived_.notify_all();
      if (over) return;
      // One event at a time, as the service takes them: a failing stream must not flood the test.
      taken_.wait(lock, [&] { return events_.empty() || stopping_; });
      if (stopping_) return;
    }
  });
}

StreamReader::~StreamReader() { stop(); }

ProviderEvent StreamReader::next() {
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_for(lock, kPatience, [&] { return !events_.empty(); })) {
    ADD_FAILURE() << "the stream said nothing";
    return Terminated{false, ErrorCode::Timeout, "the test's patience"};
  }
  ProviderEvent event = std::move(events_.front());
  events_.pop_front();
  taken_.notify_all();
  return event;
}

ProviderEvent StreamReader::until(const std::function<bool(const ProviderEvent&)>& wanted) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  std::string seen;
  while (std::chrono::steady_clock::now() < give_up) {
    ProviderEvent event = next();
    if (wanted(event)) return event;
    seen = to_text(event);
    if (std::holds_alternative<Terminated>(event)) break;
  }
  ADD_FAILURE() << "the event never came; the last one was " << seen;
  return Terminated{false, ErrorCode::Timeout, "the test's patience"};
}

Duration StreamReader::stop_waiting() {
  {
    std::unique_lock lock(mutex_);
    while (!asking_) {
      events_.clear();
      taken_.notify_all();
      if (arrived_.wait_for(lock, kPatience) == std::cv_status::timeout) {
        ADD_FAILURE() << "the stream is not asked any more";
        break;
      }
    }
  }
  return stop();
}

Duration StreamReader::stop() {
  const auto began = std::chrono::steady_clock::now();
  if (!thread_.joinable()) return {};
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    taken_.notify_all();
  }
  stream_->cancel();
  thread_.join();
  return std::chrono::steady_clock::now() - began;
}

// --- values ---

ClusterNode make_node(const std::string& id, std::uint16_t port) {
  ClusterNode node;
  node.id = NodeId(id);
  node.host = "10.0.0.1";
  node.port = port;
  return node;
}

std::vector<std::string> ids_of(const std::vector<ClusterNode>& nodes) {
  std::vector<std::string> ids;
  for (const ClusterNode& node : nodes) ids.push_back(node.id.str());
  std::sort(ids.begin(), ids.end());
  return ids;
}

namespace {

std::string joined(const std::vector<std::string>& parts, const char* before) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += ' ';
    text += before + part;
  }
  return text;
}

struct ToText {
  std::string operator()(const ProviderSnapshot& a) const {
    return "snapshot[" + joined(ids_of(a.members), "") + "]";
  }
  std::string operator()(const ChangeAnswer& a) const {
    std::vector<std::string> removed;
    for (const NodeId& id : a.removals) removed.push_back(id.str());
    std::string text = joined(ids_of(a.upserts), "+");
    if (!text.empty() && !removed.empty()) text += ' ';
    return "change[" + text + joined(removed, "-") + "]";
  }
  std::string operator()(const UnchangedAnswer&) const { return "unchanged"; }
  std::string operator()(const FailedAnswer& a) const {
    return "failed " + std::string(to_string(a.code)) + ": " + a.detail;
  }
  std::string operator()(const Terminated& t) const { return "terminated: " + t.reason; }
};

std::size_t entries_of(const char* directory) {
  DIR* open = ::opendir(directory);
  if (open == nullptr) return 0;
  std::size_t count = 0;
  while (const dirent* entry = ::readdir(open)) count += entry->d_name[0] != '.';
  ::closedir(open);
  return count;
}

}  // namespace

std::string to_text(const ProviderEvent& event) { return std::visit(ToText{}, event); }

std::size_t open_descriptors() { return entries_of("/proc/self/fd") - 1; }  // without opendir()'s

std::size_t running_threads() { return entries_of("/proc/self/task"); }

namespace {

bool becomes_true(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

bool comes_to(const std::function<std::size_t()>& value, std::size_t wanted) {
  return becomes_true([&] { return value() == wanted; });
}

bool comes_down_to(const std::function<std::size_t()>& value, std::size_t most) {
  return becomes_true([&] { return value() <= most; });
}

}  // namespace rollcall::test
