// TopologyListener: what a consumer implements; override what matters to it.
//
//   placement   on_topology (recalculate, then it is acknowledged), on_availability (pause, resume)
//   partition   on_topology, on_leases
//   remoting    on_remote (open and close channels), on_health (advice on new ones)
//
// Threads: every call comes from the one thread of the Subscriber, one after another. While a call
// runs nothing more is read: a slow consumer slows only itself, and nothing is queued for it. A
// callback must not throw and must not call Subscriber::stop(); request_stop() is fine.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bridges/client/replica/notice.h"
#include "core/error.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall::client {

enum class ConnectionState : std::uint8_t {
  Streaming = 1,  // the first message of a stream came
  Waiting = 2,    // the stream ended; the next attempt comes after `retry_in`
};
std::string_view to_string(ConnectionState state);

struct ConnectionChange {
  ConnectionState state = ConnectionState::Waiting;
  std::optional<ProvisioningError> error;  // why it ended; nothing: the library ended it (a resync)
  std::chrono::milliseconds retry_in{0};
};

class TopologyListener {
 public:
  virtual ~TopologyListener() = default;

  virtual void on_topology(const TopologyChange&) {}
  virtual void on_remote(const RemoteChange&) {}
  virtual void on_provider_changed(const ProviderChange&) {}
  virtual void on_stream_terminated(const event::StreamTerminated&) {}
  virtual void on_availability(const AvailabilityChange&) {}
  virtual void on_health(const HealthChange&) {}
  virtual void on_leases(const LeasesChange&) {}
  virtual void on_synced(const Synced&) {}
  virtual void on_trouble(const Trouble&) {}
  virtual void on_connection(const ConnectionChange&) {}
  // An acknowledgement that the sidecar did not take; it is sent again with the next position.
  virtual void on_acknowledge_failed(const ProvisioningError&) {}
  // Each message that was taken, as it came, before what it causes above: log entries once and in
  // order (those that a snapshot stands for don't come), snapshot chunks and bookmarks.
  virtual void on_event(const v1::ClusterEvent&) {}
};

// Calls the method that belongs to the notice.
void deliver(const Notice& notice, TopologyListener& listener);

}  // namespace rollcall::client
