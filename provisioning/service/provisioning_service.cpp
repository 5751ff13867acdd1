#include "provisioning/service/provisioning_service.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/limits.h"

namespace rollcall {
namespace {

// The thread looks at the clock at least this often: after a suspend of the machine its timers,
// which the kernel counts without the time asleep, are late by no more.
constexpr auto kLongestWait = std::chrono::seconds(1);

std::string event_reason(const ProvisioningError& error) { return error.message; }

// Puts the id into an input that has room for one.
template <class T>
void set_request(T& input, RequestId id) {
  if constexpr (requires { input.request; }) input.request = id;
}

bool is_answered(const Input& input) {
  return std::visit(
      [](const auto& i) {
        return requires { i.request; };
      },
      input);
}

ProvisioningError shutting_down() {
  return {ErrorCode::ShuttingDown, "the sidecar is shutting down", {}, 0};
}

// A value that one thread waits for and another one brings, whichever outlives the other.
template <class T>
class Handover {
 public:
  void bring(T value) {
    std::lock_guard lock(mutex_);
    value_ = std::move(value);
    there_.notify_all();
  }
  std::optional<T> wait(Duration at_most) {
    std::unique_lock lock(mutex_);
    there_.wait_for(lock, at_most, [&] { return value_.has_value(); });
    return std::exchange(value_, std::nullopt);
  }

 private:
  std::mutex mutex_;  // guards value_
  std::condition_variable there_;
  std::optional<T> value_;
};

tl::unexpected<ProvisioningError> too_slow() {
  return fail(ErrorCode::Timeout, "the service did not answer in time; try again");
}

}  // namespace

ProvisioningService::ProvisioningService(Dependencies dependencies, CoreOptions options)
    : deps_(std::move(dependencies)),
      mailbox_(std::make_shared<Mailbox>()),
      core_(std::move(options)),
      reaper_(*deps_.clock,
              [this](const std::shared_ptr<ProviderRunner>& runner) { stream_abandoned(runner); }),
      writer_(*deps_.state, *deps_.clock,
              {[this](std::uint64_t version, std::optional<ProvisioningError> error) {
                 mailbox_->post_internal(
                     command::ToCore{input::BlocksSaved{version, std::move(error)}, nullptr});
               },
               [this](std::string_view what, const ProvisioningError& error) {
                 deps_.telemetry->tell(OperatorNotice::Level::Error, "state_not_written", {},
                                       error.code, std::string(what) + ": " + error.message);
               },
               [this](std::string_view file, const SaveError* failure, Duration took) {
                 const auto outcome = failure == nullptr ? StoreOutcome::Ok
                                      : failure->unknown ? StoreOutcome::Unknown
                                                         : StoreOutcome::Failed;
                 deps_.telemetry->metrics().store_written(file, outcome, took);
               }},
              deps_.topology_save_every) {}

ProvisioningService::~ProvisioningService() { stop(); }

void ProvisioningService::start(input::Start first, std::vector<ProviderEntry> entries) {
  install(std::move(entries));
  step(std::move(first));
  thread_ = std::thread([this] { run(); });
}

void ProvisioningService::stop() {
  if (!thread_.joinable()) return;
  mailbox_->post_internal(command::Stop{});
  thread_.join();
}

void ProvisioningService::submit(Input input, CoreReply reply) {
  // The reply goes with the command; if that is refused, it is answered here.
  auto shared = std::make_shared<CoreReply>(std::move(reply));
  auto posted =
      mailbox_->post(command::ToCore{std::move(input), [shared](Result<effect::ReplyOk> r) {
                                       if (*shared) (*shared)(std::move(r));
                                     }});
  if (!posted && *shared) (*shared)(tl::unexpected(posted.error()));
}

void ProvisioningService::set_providers(std::vector<ProviderEntry> entries,
                                        std::vector<ProviderId> release_holds,
                                        std::function<void()> done,
                                        std::optional<FailoverPolicy> policy) {
  mailbox_->post_internal(command::SetProviders{std::move(entries), std::move(release_holds),
                                                std::move(policy), std::move(done)});
}

void ProvisioningService::set_policy(FailoverPolicy policy) {
  mailbox_->post_internal(command::ToCore{input::PolicyChanged{std::move(policy)}, nullptr});
}

Result<ServiceStatus> ProvisioningService::status(Duration at_most) {
  auto handover = std::make_shared<Handover<ServiceStatus>>();
  auto posted =
      mailbox_->post(command::Look{[this, handover](const ProvisioningCore& core, MonoTime now) {
        handover->bring(look(core, now));
      }});
  if (!posted) return tl::unexpected(posted.error());
  if (auto status = handover->wait(at_most)) return std::move(*status);
  return too_slow();
}

bool ProvisioningService::settle(Duration at_most) {
  auto handover = std::make_shared<Handover<bool>>();
  auto posted = mailbox_->post(
      command::Look{[handover](const ProvisioningCore&, MonoTime) { handover->bring(true); }});
  return posted && handover->wait(at_most).has_value();
}

Result<effect::ReplyOk> ProvisioningService::ask(Input input, Duration at_most) {
  auto handover = std::make_shared<Handover<Result<effect::ReplyOk>>>();
  submit(std::move(input),
         [handover](Result<effect::ReplyOk> reply) { handover->bring(std::move(reply)); });
  if (auto reply = handover->wait(at_most)) return std::move(*reply);
  return too_slow();
}

void ProvisioningService::publish_ownership(OwnershipUpdate update,
                                            std::function<void(Result<SeqNo>)> done) {
  input::PublishOwnership input{
      {}, update.epoch, update.tick, update.based_on, std::move(update.leases)};
  submit(std::move(input), [done = std::move(done)](Result<effect::ReplyOk> reply) {
    done(reply ? Result<SeqNo>(reply->seq_no) : tl::unexpected(std::move(reply.error())));
  });
}

void ProvisioningService::report_quarantined(NodeReport report,
                                             std::function<void(Result<bool>)> done) {
  submit(input::Quarantine{{}, std::move(report.node), std::move(report.incarnation)},
         [done = std::move(done)](Result<effect::ReplyOk> reply) {
           done(reply ? Result<bool>(reply->member) : tl::unexpected(std::move(reply.error())));
         });
}

void ProvisioningService::report_recovered(NodeReport report,
                                           std::function<void(Result<bool>)> done) {
  submit(input::Recover{{}, std::move(report.node), std::move(report.incarnation)},
         [done = std::move(done)](Result<effect::ReplyOk> reply) {
           done(reply ? Result<bool>(reply->member) : tl::unexpected(std::move(reply.error())));
         });
}

// --- the service thread -------------------------------------------------------------------------

void ProvisioningService::run() {
  while (!stopping_) {
    Duration wait = kLongestWait;
    if (next_tick_) wait = std::min(wait, *next_tick_ - deps_.clock->now());
    Mailbox::Taken taken = mailbox_->wait(std::max(wait, Duration::zero()));
    if (taken.rung) take_reports();
    for (Command& command : taken.commands) std::visit([this](auto& c) { handle(c); }, command);
    if (next_tick_ && deps_.clock->now() >= *next_tick_) step(input::Tick{});
  }
  shut_down();
}

void ProvisioningService::take_reports() {
  // A report's step may start and stop streams: look up each runner anew.
  std::vector<std::shared_ptr<ProviderRunner>> runners;
  for (const auto& [id, slot] : slots_)
    if (slot.running) runners.push_back(slot.runner);
  for (const auto& runner : runners)
    if (auto report = runner->take_report()) answered(std::move(*report));
}

void ProvisioningService::answered(ProviderReport report) {
  deps_.telemetry->reported(report);
  std::optional<MonoTime> complete;
  if (report.answer) complete = report.answer->times.complete;
  const bool over = report.terminated.has_value();
  const ProviderId provider = report.provider;
  const StreamGeneration generation = report.generation;
  const SeqNo before = core_.snapshot().seq_no;
  step(input::Answered{std::move(report)});
  if (over) retire(provider, generation);
  if (complete && core_.snapshot().seq_no != before)
    deps_.telemetry->metrics().snapshot_latency(deps_.clock->now() - *complete);
}

void ProvisioningService::handle(command::ToCore& command) {
  std::optional<RequestId> id;
  if (is_answered(command.input)) {
    id = next_request_;
    next_request_ = next_request_.next();
    std::visit([&](auto& i) { set_request(i, *id); }, command.input);
    if (command.reply) replies_.emplace(*id, std::move(command.reply));
  }
  step(command.input);
  // Inputs without a request id (a new policy) are done when they are done.
  if (!id && command.reply) command.reply(effect::ReplyOk{});
}

void ProvisioningService::handle(command::SetProviders& command) {
  input::ProvidersChanged changed;
  changed.release_holds = std::move(command.release_holds);
  changed.policy = std::move(command.policy);
  for (const ProviderEntry& e : command.entries) changed.providers.push_back(e.spec);
  install(std::move(command.entries));
  step(std::move(changed));
  if (command.done) command.done();
}

void ProvisioningService::handle(command::ReplaceProvider& command) {
  for (auto& [id, slot] : slots_)
    if (slot.provider == command.lost) slot.provider = std::move(command.fresh);
}

void ProvisioningService::handle(command::Look& command) {
  command.look(core_, deps_.clock->now());
}

void ProvisioningService::handle(command::Stop&) { stopping_ = true; }

void ProvisioningService::step(const Input& input) {
  carry_out(core_.step(input, deps_.clock->now()));
  // Streams that could not be started are answers too. Each such answer makes the core wait before
  // it tries again, so this ends.
  while (!refused_.empty()) {
    ProviderReport report = std::move(refused_.back());
    refused_.pop_back();
    deps_.telemetry->reported(report);
    carry_out(core_.step(input::Answered{std::move(report)}, deps_.clock->now()));
  }
}

// --- effects ------------------------------------------------------------------------------------

void ProvisioningService::carry_out(Effects effects) {
  next_tick_ = effects.next_tick;
  publish(effects);
  for (Effect& effect : effects.list) std::visit([this](auto& e) { carry_out(e); }, effect);
}

void ProvisioningService::publish(const Effects& effects) {
  std::vector<Event> events;
  for (const Effect& effect : effects.list)
    if (const auto* p = std::get_if<effect::Publish>(&effect)) events.push_back(p->event);
  deps_.hub->publish(events, std::make_shared<const TopologySnapshot>(core_.snapshot()));
  for (const Event& event : events) deps_.telemetry->published(event);
}

void ProvisioningService::carry_out(effect::StartStream& e) {
  Slot& slot = slots_[e.provider];
  if (!slot.provider) {
    refuse_stream(e.provider, e.generation, ErrorCode::BackendUnavailable,
                  "the provider could not be made");
    return;
  }
  if (reaper_.exhausted()) {
    refuse_stream(e.provider, e.generation, ErrorCode::LimitExceeded,
                  "too many streams never came back; restart the sidecar");
    return;
  }
  ProviderRunner::Options options;
  options.id = e.provider;
  options.generation = e.generation;
  options.provider = slot.provider;
  if (slot.runner && slot.runner->provider() == slot.provider && !slot.runner->done())
    options.predecessor = slot.runner;
  options.clock = deps_.clock;
  options.wake = [mailbox = mailbox_] { mailbox->ring(); };
  auto runner = std::make_shared<ProviderRunner>(std::move(options));
  if (slot.running) reaper_.retire(slot.runner);
  if (auto started = runner->start(); !started) {
    slot.running = false;
    refuse_stream(e.provider, e.generation, started.error().code, event_reason(started.error()));
    return;
  }
  slot.runner = std::move(runner);
  slot.running = true;
}

void ProvisioningService::carry_out(effect::StopStream& e) { retire(e.provider, e.generation); }

// Nothing to do if another stream has taken its place.
void ProvisioningService::retire(const ProviderId& id, StreamGeneration generation) {
  auto at = slots_.find(id);
  if (at == slots_.end()) return;
  Slot& slot = at->second;
  if (!slot.running || slot.runner->generation() != generation) return;
  slot.runner->request_stop();
  reaper_.retire(slot.runner);
  slot.running = false;
  if (!slot.provider) slots_.erase(at);  // removed from the set
}

void ProvisioningService::carry_out(effect::ResumeStream& e) {
  auto at = slots_.find(e.provider);
  if (at == slots_.end() || !at->second.running) return;
  if (at->second.runner->generation() == e.generation) at->second.runner->resume(e.not_before);
}

void ProvisioningService::carry_out(effect::SaveBlocks& e) {
  // The core knows no wall clock: what is left of each block is written as a wall time, because
  // that is what survives a restart.
  const MonoTime now = deps_.clock->now();
  const WallTime wall = deps_.clock->wall_now();
  for (auto& [id, block] : e.blocks)
    block.expires_at = wall + std::chrono::milliseconds(to_ms(block.expires_mono - now));
  writer_.save_blocks(e.version, std::move(e.blocks));
}

void ProvisioningService::carry_out(effect::SaveHolds& e) { writer_.save_holds(std::move(e.held)); }

void ProvisioningService::carry_out(effect::TopologyConfirmed&) {
  const TopologySnapshot& now = core_.snapshot();
  writer_.save_topology({now.members, now.observed_at, now.active});
}

void ProvisioningService::carry_out(effect::Reply& e) {
  auto at = replies_.find(e.request);
  if (at == replies_.end()) return;
  CoreReply reply = std::move(at->second);
  replies_.erase(at);
  reply(std::move(e.result));
}

void ProvisioningService::carry_out(effect::Notice& e) { deps_.telemetry->notice(e); }

void ProvisioningService::refuse_stream(const ProviderId& id, StreamGeneration generation,
                                        ErrorCode code, std::string reason) {
  ProviderReport report;
  report.provider = id;
  report.generation = generation;
  report.add(Terminated{false, code, std::move(reason)});
  refused_.push_back(std::move(report));
}

// Called before the core hears of the set: what it starts must be there, and streams that it stops
// still are. Objects that go away are destroyed on the reaper's thread.
void ProvisioningService::install(std::vector<ProviderEntry> entries) {
  std::map<ProviderId, std::shared_ptr<ClusterProvider>> wanted;
  for (ProviderEntry& e : entries) wanted[e.spec.descriptor.id] = std::move(e.provider);
  for (auto at = slots_.begin(); at != slots_.end();) {
    auto& [id, slot] = *at;
    auto found = wanted.find(id);
    std::shared_ptr<ClusterProvider> next = found == wanted.end() ? nullptr : found->second;
    if (slot.provider && slot.provider != next) reaper_.dispose(std::move(slot.provider));
    slot.provider = std::move(next);
    const bool gone = found == wanted.end();
    if (!gone) wanted.erase(found);
    at = gone && !slot.running ? slots_.erase(at) : std::next(at);
  }
  for (auto& [id, provider] : wanted) slots_[id].provider = std::move(provider);
}

// On the reaper's thread.
void ProvisioningService::stream_abandoned(const std::shared_ptr<ProviderRunner>& runner) {
  deps_.telemetry->tell(OperatorNotice::Level::Error, "stream_abandoned", runner->id(),
                        ErrorCode::Timeout,
                        "the provider's stream did not stop; its thread is left behind");
  std::shared_ptr<ClusterProvider> fresh;
  if (deps_.make_provider) fresh = deps_.make_provider(runner->provider()->descriptor());
  mailbox_->post_internal(command::ReplaceProvider{runner->provider(), std::move(fresh)});
}

void ProvisioningService::shut_down() {
  for (auto& [id, slot] : slots_) {
    if (!slot.running) continue;
    slot.runner->request_stop();
    reaper_.retire(std::move(slot.runner));
    slot.running = false;
  }
  for (Command& command : mailbox_->close()) {
    if (auto* to_core = std::get_if<command::ToCore>(&command)) {
      if (to_core->reply) to_core->reply(tl::unexpected(shutting_down()));
    } else if (auto* set = std::get_if<command::SetProviders>(&command)) {
      if (set->done) set->done();
    }
  }
  for (auto& [id, reply] : std::exchange(replies_, {})) reply(tl::unexpected(shutting_down()));
}

ServiceStatus ProvisioningService::look(const ProvisioningCore& core, MonoTime now) const {
  ServiceStatus status;
  status.topology = core.snapshot();
  status.providers = core.providers();
  status.pinned = core.pinned();
  status.pinned_until = core.pinned_until();
  status.removals_held = core.removals_held();
  status.blocks = core.blocks().size();
  status.abandoned_streams = reaper_.abandoned();
  status.at = now;
  return status;
}

}  // namespace rollcall
