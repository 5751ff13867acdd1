#include "bridges/client/listener.h"

namespace rollcall::client {
namespace {

struct Deliverer {
  TopologyListener& to;
  void operator()(const TopologyChange& n) const { to.on_topology(n); }
  void operator()(const RemoteChange& n) const { to.on_remote(n); }
  void operator()(const ProviderChange& n) const { to.on_provider_changed(n); }
  void operator()(const event::StreamTerminated& n) const { to.on_stream_terminated(n); }
  void operator()(const AvailabilityChange& n) const { to.on_availability(n); }
  void operator()(const HealthChange& n) const { to.on_health(n); }
  void operator()(const LeasesChange& n) const { to.on_leases(n); }
  void operator()(const Synced& n) const { to.on_synced(n); }
  void operator()(const Trouble& n) const { to.on_trouble(n); }
};

}  // namespace

std::string_view to_string(ConnectionState state) {
  return state == ConnectionState::Streaming ? "STREAMING" : "WAITING";
}

void deliver(const Notice& notice, TopologyListener& listener) {
  std::visit(Deliverer{listener}, notice);
}

}  // namespace rollcall::client
