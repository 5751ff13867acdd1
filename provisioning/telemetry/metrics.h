// ProvisioningMetrics: everything that is measured (R4.5, R5.1), in the Prometheus text format.
//
// Two ways in. What *happens* is counted when it happens, by the functions below (a few nanoseconds
// to a mutex and a map look-up; never on the path of one delivered event). What *is* (health,
// members, age, lag) is handed over whole as a MetricsSample when somebody scrapes, so that no
// series outlives its subject.
//
// Label values are bounded, always: provider names by limits::kMaxProviders, consumer names by
// limits::kMetricConsumers, then `other`; all else is an enum of ours.
//
// Threads: any.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/node.h"
#include "core/time.h"

namespace rollcall {

// The state at one moment.
struct MetricsSample {
  struct Provider {
    ProviderId id;
    std::string kind;
    HealthState health = HealthState::Unreachable;
    bool ever_answered = false;
    WallTime last_update{};  // of the last confirmed answer, if ever_answered
    bool active = false;
    bool enabled = true;
    bool held = false;
    bool watching = false;
    bool capability_missing = false;
    bool accepted_unreachable = false;
    std::uint32_t consecutive_errors = 0;
    std::size_t members = 0;
  };
  struct Consumer {
    std::string_view bridge;  // static storage: "placement", "partition", "remoting"
    std::string consumer_id;
    bool connected = false;
    bool acknowledges = false;
    std::uint64_t lag_events = 0;             // head − sent
    std::uint64_t unacknowledged_events = 0;  // head − acknowledged, if it acknowledges
  };

  // What a bridge's streams were sent since the start: counters, kept by whoever sends.
  struct Traffic {
    std::string_view bridge;  // static storage
    std::uint64_t batches = 0;
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::uint64_t snapshots = 0;
    std::uint64_t acknowledgements = 0;
    // [0]: in order or by the client; [code]: with that error.
    std::array<std::uint64_t, kErrorCodeCount + 1> ended{};
  };

  // This node at a provider through which it is announced.
  struct Announcement {
    ProviderId provider;
    std::string_view state;                // one of announce_states
    std::optional<WallTime> last_success;  // of registering or renewing
  };
  // Of a store that a fleet shares.
  struct SharedStore {
    bool following = false;           // what is there runs here
    bool reached = false;             // it answered when it was asked last
    Revision seen;                    // of the set that is there
    std::optional<WallTime> contact;  // when it answered last
  };

  std::vector<Provider> providers;
  std::vector<Consumer> consumers;
  std::vector<Traffic> traffic;
  std::vector<Announcement> announcements;
  std::vector<std::string_view> announce_states;  // all there are; static storage

  bool has_topology = false;
  std::array<std::size_t, kNodeStatusCount> members_by_status{};  // index: status - 1
  std::size_t blocked = 0;                                        // members shown as blocked …
  std::array<std::size_t, kNodeStatusCount> blocked_by_status{};  // … and the same by status
  WallTime topology_observed_at{};                                // meaningful if has_topology
  std::size_t blocks = 0;           // in the table, absent nodes included
  double topology_age_seconds = 0;  // meaningful if has_topology
  bool stale = true;
  Availability availability = Availability::Unavailable;
  bool placement_paused = true;
  std::size_t removals_held = 0;

  Epoch epoch;
  SeqNo seq_no;
  Revision revision;
  std::optional<SharedStore> shared_store;  // none: a file of one's own
  std::size_t leases = 0;
  std::size_t log_bytes = 0;
  std::size_t log_events = 0;
  std::size_t snapshot_versions = 0;
  std::size_t snapshot_bytes = 0;  // of those
  std::size_t commands_queued = 0;
  std::size_t abandoned_streams = 0;
  double uptime_seconds = 0;
};

// What a metric is: the reference in the README is made of these, and a test holds exposition
// against them.
struct MetricInfo {
  std::string_view name;
  std::string_view type;    // "counter", "gauge", "histogram"
  std::string_view labels;  // "provider, code"; empty: none
  std::string_view help;
};

enum class StoreOutcome : std::uint8_t { Ok = 1, Failed = 2, Unknown = 3 };

class ProvisioningMetrics {
 public:
  explicit ProvisioningMetrics(std::string_view version);
  ~ProvisioningMetrics();
  ProvisioningMetrics(const ProvisioningMetrics&) = delete;
  ProvisioningMetrics& operator=(const ProvisioningMetrics&) = delete;

  // --- providers and decisions ---
  // From the complete answer to the moment when its events were in the log.
  void snapshot_latency(Duration latency);
  void event_published(const Event& event);  // also failovers, of a provider_changed
  void stream_interrupted(const ProviderId& provider, std::string_view code);  // or "ENDED"
  void validation_hold(const ProviderId& provider);
  void connectivity_checked(std::optional<ErrorCode> error, Duration took);

  // --- announcing; `call`: static storage, "register" … ---
  void announce_call(const ProviderId& provider, std::string_view call,
                     std::optional<ErrorCode> error);
  void announce_missing(const ProviderId& provider);

  // --- store and configuration ---
  // `file`: static storage, "providers.jsonl" …
  void store_written(std::string_view file, StoreOutcome outcome, Duration took);
  void reloaded(bool ok);

  // --- hub and bridges; what their streams carry is in the sample ---
  void snapshot_encoded(Duration took);
  // `method`: static storage, "RegisterProvider"; one of a bounded set.
  void request(std::string_view method, std::optional<ErrorCode> error);

  // The text exposition format 0.0.4.
  std::string expose(const MetricsSample& sample);

  static const std::vector<MetricInfo>& reference();  // sorted by name
  static std::string reference_markdown();            // the README's table

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rollcall
