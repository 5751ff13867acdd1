#include "tests/daemon/recording_consumer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "bridges/client/replica/wire.h"

namespace rollcall::test {

RecordingConsumer::RecordingConsumer(const DaemonProcess& daemon, Options options) {
  client::SubscriberOptions o;
  o.channel.address = daemon.address();
  o.bridge = options.bridge;
  o.consumer_id = options.consumer_id;
  o.acknowledge = options.acknowledge;
  o.backoff = options.backoff;
  o.seed = 5;
  auto started = client::Subscriber::start(o, *this);
  EXPECT_TRUE(started) << (started ? "" : started.error().message);
  subscriber_ = std::move(*started);
}

RecordingConsumer::~RecordingConsumer() { subscriber_->stop(); }

void RecordingConsumer::on_event(const v1::ClusterEvent& event) {
  std::lock_guard lock(mutex_);
  const bool entry = event.event_case() != v1::ClusterEvent::kSnapshot &&
                     event.event_case() != v1::ClusterEvent::kBookmark;
  if (entry) {
    std::uint64_t& newest = newest_[event.epoch()];
    if (event.seq_no() <= newest)
      repeated_.push_back(std::to_string(event.seq_no()) + " after " + std::to_string(newest));
    newest = event.seq_no();
    events_.push_back(event);
  }
  changed_.notify_all();
}

void RecordingConsumer::on_trouble(const client::Trouble& trouble) {
  std::lock_guard lock(mutex_);
  troubles_.push_back(std::string(client::to_string(trouble.kind)) + ": " + trouble.message);
  changed_.notify_all();
}

void RecordingConsumer::on_connection(const client::ConnectionChange&) { changed_.notify_all(); }
void RecordingConsumer::on_topology(const client::TopologyChange&) { changed_.notify_all(); }
void RecordingConsumer::on_synced(const client::Synced&) { changed_.notify_all(); }

std::vector<v1::ClusterEvent> RecordingConsumer::events() const {
  std::lock_guard lock(mutex_);
  return events_;
}

std::vector<v1::ClusterEvent> RecordingConsumer::events(v1::ClusterEvent::EventCase kind) const {
  std::vector<v1::ClusterEvent> found;
  for (const auto& e : events())
    if (e.event_case() == kind) found.push_back(e);
  return found;
}

std::vector<std::string> RecordingConsumer::troubles() const {
  std::lock_guard lock(mutex_);
  return troubles_;
}

std::vector<std::string> RecordingConsumer::repeated() const {
  std::lock_guard lock(mutex_);
  return repeated_;
}

bool RecordingConsumer::wait_for(const std::function<bool()>& condition) const {
  return eventually(kHungProgram, condition);
}

bool RecordingConsumer::wait_for_event(
    const std::function<bool(const v1::ClusterEvent&)>& matches) const {
  return wait_for([&] {
    const auto all = events();
    return std::any_of(all.begin(), all.end(), matches);
  });
}

bool RecordingConsumer::wait_for_members(const std::vector<std::string>& ids) const {
  std::vector<std::string> wanted = ids;
  std::sort(wanted.begin(), wanted.end());
  return wait_for([&] {
    std::vector<std::string> have;
    view().members.for_each([&](const Member& m) { have.push_back(m.id().str()); });
    return view().has_topology() && have == wanted;
  });
}

std::string RecordingConsumer::describe() const {
  std::string text;
  for (const auto& e : events()) {
    text += std::string(client::event_name(e)) + " " + std::to_string(e.seq_no()) + " ";
    text += e.ShortDebugString().substr(0, 300) + "\n";
  }
  for (const auto& t : troubles()) text += "trouble " + t + "\n";
  return text;
}

}  // namespace rollcall::test
