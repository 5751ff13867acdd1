// ProvisioningService: the one writer. It owns the ProvisioningCore, feeds it inputs one at a time,
// and carries out the effects of each step in their order: events to the hub, streams started and
// stopped, state handed to the StateWriter, replies to whoever asked (DESIGN "The way of a
// change").
//
// The service thread never waits for I/O, a provider or a consumer: providers have threads of their
// own, stopped streams go to the StreamReaper, files to the StateWriter, and callbacks must not
// block.
//
// Threads: start() and stop() from the owner's; everything else from any. Requests wait in a
// bounded mailbox (LIMIT_EXCEEDED beyond it); callbacks run on the service thread, with no lock
// held.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/provider.h"
#include "core/snapshot.h"
#include "core/time.h"
#include "provisioning/control/provisioning_core.h"
#include "provisioning/hub/commands.h"
#include "provisioning/hub/watch_hub.h"
#include "provisioning/registry/state_files.h"
#include "provisioning/service/mailbox.h"
#include "provisioning/service/provider_runner.h"
#include "provisioning/service/service_telemetry.h"
#include "provisioning/service/state_writer.h"
#include "provisioning/service/stream_reaper.h"

namespace rollcall {

// What is observed at one moment, for operators and metrics.
struct ServiceStatus {
  TopologySnapshot topology;
  std::vector<ProviderStatus> providers;  // in registration order
  std::optional<ProviderId> pinned;
  std::optional<MonoTime> pinned_until;
  std::size_t removals_held = 0;
  std::size_t blocks = 0;
  std::size_t abandoned_streams = 0;
  MonoTime at{};  // when this was so
};

class ProvisioningService final : public ConsumerCommands {
 public:
  // All outlive the service.
  struct Dependencies {
    const Clock* clock = nullptr;
    WatchHub* hub = nullptr;
    StateFiles* state = nullptr;
    ServiceTelemetry* telemetry = nullptr;
    // Makes an object to replace one whose thread was lost. Called on the reaper's thread.
    std::function<std::shared_ptr<ClusterProvider>(const ProviderDescriptor&)> make_provider;
    Duration topology_save_every = limits::kTopologySaveEvery;
  };
  ProvisioningService(Dependencies dependencies, CoreOptions options);
  ~ProvisioningService() override;  // stop()

  // The first step, then the thread. Once.
  void start(input::Start first, std::vector<ProviderEntry> entries);
  // Streams cancelled, waiting requests answered SHUTTING_DOWN, thread joined. Bounded by
  // limits::kStreamStopDeadline beside the step at hand. Idempotent.
  void stop();

  // One request to the core; the service gives it its RequestId. `reply` is called exactly once.
  void submit(Input input, CoreReply reply);
  // The whole accepted set, in the order of the calls, and with it the policy of a reload that
  // changed both (R5.4: one step). `done` may be null. Never refused, as set_policy().
  void set_providers(std::vector<ProviderEntry> entries, std::vector<ProviderId> release_holds,
                     std::function<void()> done,
                     std::optional<FailoverPolicy> policy = std::nullopt);
  void set_policy(FailoverPolicy policy);

  // Waits, at most so long: TIMEOUT, SHUTTING_DOWN, LIMIT_EXCEEDED. Not from the service thread.
  Result<ServiceStatus> status(Duration at_most);
  // Everything handed over before is carried out. False: not in time.
  bool settle(Duration at_most);
  // As submit(), waited for.
  Result<effect::ReplyOk> ask(Input input, Duration at_most);

  std::size_t abandoned_streams() const { return reaper_.abandoned(); }
  // Waits until every stream that was stopped has come back or counts as abandoned, which takes
  // limits::kStreamStopDeadline at most. False: not in time.
  bool streams_ended(Duration at_most) { return reaper_.idle(at_most); }
  std::size_t commands_waiting() const { return mailbox_->waiting(); }

  // Writes what waits to be written, the topology cache included.
  bool flush_state(Duration at_most) { return writer_.flush(at_most); }
  // Whether nothing waits to be written, or is being written.
  bool state_written() const { return writer_.idle(); }

  void publish_ownership(OwnershipUpdate update, std::function<void(Result<SeqNo>)> done) override;
  void report_quarantined(NodeReport report, std::function<void(Result<bool>)> done) override;
  void report_recovered(NodeReport report, std::function<void(Result<bool>)> done) override;

 private:
  struct Slot {
    std::shared_ptr<ClusterProvider> provider;
    std::shared_ptr<ProviderRunner> runner;  // of the newest stream, running or not
    bool running = false;
  };

  void run();
  void take_reports();
  void handle(command::ToCore& command);
  void handle(command::SetProviders& command);
  void handle(command::ReplaceProvider& command);
  void handle(command::Look& command);
  void handle(command::Stop& command);
  void step(const Input& input);
  void answered(ProviderReport report);

  void carry_out(Effects effects);
  void publish(const Effects& effects);
  void carry_out(effect::Publish&) {}  // published with the whole step
  void carry_out(effect::StartStream& e);
  void carry_out(effect::StopStream& e);
  void carry_out(effect::ResumeStream& e);
  void carry_out(effect::SaveBlocks& e);
  void carry_out(effect::SaveHolds& e);
  void carry_out(effect::TopologyConfirmed& e);
  void carry_out(effect::Reply& e);
  void carry_out(effect::Notice& e);

  void retire(const ProviderId& id, StreamGeneration generation);
  void refuse_stream(const ProviderId& id, StreamGeneration generation, ErrorCode code,
                     std::string reason);
  void install(std::vector<ProviderEntry> entries);
  void stream_abandoned(const std::shared_ptr<ProviderRunner>& runner);
  void shut_down();
  ServiceStatus look(const ProvisioningCore& core, MonoTime now) const;

  const Dependencies deps_;
  const std::shared_ptr<Mailbox> mailbox_;  // shared with the providers' threads
  ProvisioningCore core_;                   // service thread, and start() before it runs
  StreamReaper reaper_;
  StateWriter writer_;

  // Service thread only.
  std::map<ProviderId, Slot> slots_;
  std::map<RequestId, CoreReply> replies_;
  RequestId next_request_{1};
  std::optional<MonoTime> next_tick_;
  std::vector<ProviderReport> refused_;  // streams that could not be started
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace rollcall
