#include "tests/client/recording_listener.h"

#include "bridges/client/replica/wire.h"

namespace rollcall::client::testing {

void RecordingListener::on_event(const v1::ClusterEvent& event) {
  note([&](Heard& heard) { heard.events.emplace_back(event_name(event)); });
}

}  // namespace rollcall::client::testing
