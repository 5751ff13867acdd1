#include "bridges/client/subscriber.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "bridges/client/status_error.h"
#include "bridges/client/watch_connection.h"
#include "core/limits.h"
#include "core/text.h"

namespace rollcall::client {

using std::chrono::milliseconds;
using What = WatchConnection::What;

std::string_view to_string(Bridge bridge) {
  switch (bridge) {
    case Bridge::Placement:
      return "placement";
    case Bridge::Partition:
      return "partition";
    case Bridge::Remoting:
      return "remoting";
  }
  return "?";
}

// The thread and everything that it owns.
class Subscriber::Loop {
 public:
  Loop(SubscriberOptions options, Channel channel, TopologyReplica replica,
       TopologyListener& listener, std::uint64_t seed)
      : options_(std::move(options)),
        channel_(std::move(channel)),
        listener_(listener),
        connection_(channel_, options_.bridge),
        backoff_(options_.backoff, seed),
        replica_(std::move(replica)) {}

  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void request_stop() {
    stopping_.store(true);
    connection_.wake();
  }
  void stop() {
    request_stop();
    if (thread_.joinable()) thread_.join();
  }

  template <class F>
  auto with_replica(F&& f) const {
    const std::lock_guard lock(mutex_);
    return f(replica_);
  }
  void acknowledge(Position position) {
    {
      const std::lock_guard lock(mutex_);
      manual_ = position;
    }
    connection_.wake();
  }

 private:
  // Why a stream ended, as far as the next attempt is concerned.
  enum class End : std::uint8_t { Stopped, Resync, Failed, Replaced };

  void run();
  End run_stream();
  End end_of_stream(bool resync, bool stalled);
  void wait_before_next(End end);
  bool take(const v1::WatchBatch& batch);
  bool tell(const Step& step);
  void acknowledge_if_due();
  std::optional<Position> position_to_acknowledge() const;
  v1::WatchRequest request() const;

  const SubscriberOptions options_;
  const Channel channel_;
  TopologyListener& listener_;
  WatchConnection connection_;
  Backoff backoff_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};

  // Of the thread alone.
  bool streaming_ = false;                // the stream has said something
  bool asked_again_ = false;              // the last attempt was a resync
  std::optional<ProvisioningError> why_;  // the last stream ended
  std::uint64_t stream_ = 0;              // how many were opened
  Position acknowledged_;                 // to this stream
  Position acknowledging_;                // the call under way …
  std::uint64_t acknowledging_to_ = 0;    // … and the stream that was open when it was sent

  mutable std::mutex mutex_;  // guards the two below; never held across a callback or I/O
  TopologyReplica replica_;
  Position manual_;
};

void Subscriber::Loop::run() {
  while (!stopping_.load()) {
    const End end = run_stream();
    if (end == End::Stopped) break;
    wait_before_next(end);
  }
}

v1::WatchRequest Subscriber::Loop::request() const {
  v1::WatchRequest request;
  request.set_consumer_id(options_.consumer_id);
  request.set_cluster(options_.cluster);
  request.set_acknowledges(options_.acknowledge != Acknowledge::Never);
  const Position position =
      with_replica([](const TopologyReplica& r) { return r.resume_position(); });
  if (!position.none()) {
    request.set_epoch(position.epoch.value());
    request.set_after_seq(position.seq_no.value());
  }
  return request;
}

Subscriber::Loop::End Subscriber::Loop::run_stream() {
  streaming_ = false;
  ++stream_;
  acknowledged_ = {};
  connection_.open(request());
  {
    const std::lock_guard lock(mutex_);
    replica_.stream_opened();
  }
  const auto opened = std::chrono::steady_clock::now();
  bool resync = false;
  bool stalled = false;
  while (true) {
    const What what = connection_.next(options_.silence);
    if (stopping_.load()) connection_.cancel();
    switch (what) {
      case What::Message:
        if (stopping_.load()) break;
        if (!take(connection_.batch())) {
          resync = !stopping_.load();
          connection_.cancel();
        }
        if (std::chrono::steady_clock::now() - opened > limits::kStableAfter) backoff_.reset();
        break;
      case What::Ended:
        return end_of_stream(resync, stalled);
      case What::Acknowledged:
        // The sidecar counts it for the stream that was open when it came. If that is gone, this
        // one still has to be told.
        if (acknowledging_to_ != stream_) break;
        if (connection_.status().ok()) {
          acknowledged_ = acknowledging_;
        } else if (!stopping_.load()) {
          listener_.on_acknowledge_failed(error_of(connection_.status(), channel_.address()));
          continue;  // not at once: with the next message
        }
        break;
      case What::Woken:
        break;
      case What::TimedOut:
        stalled = true;
        connection_.cancel();
        break;
    }
    acknowledge_if_due();
  }
}

Subscriber::Loop::End Subscriber::Loop::end_of_stream(bool resync, bool stalled) {
  why_.reset();
  if (stopping_.load()) return End::Stopped;
  if (resync) return End::Resync;
  if (stalled) {
    why_ =
        ProvisioningError{ErrorCode::Timeout,
                          "the stream said nothing for " +
                              std::to_string(options_.silence.count()) + " ms, not even a bookmark",
                          {},
                          0};
    return End::Failed;
  }
  if (connection_.status().ok()) {
    why_ = ProvisioningError{ErrorCode::ShuttingDown, "the sidecar ended the stream", {}, 0};
    return End::Failed;
  }
  why_ = error_of(connection_.status(), channel_.address());
  const bool replaced = connection_.status().error_code() == grpc::StatusCode::ABORTED;
  return replaced ? End::Replaced : End::Failed;
}

void Subscriber::Loop::wait_before_next(End end) {
  milliseconds wait = backoff_.next();
  // A copy that is found wrong is worth asking at once, but not over and over.
  if (end == End::Resync && !asked_again_) wait = milliseconds(0);
  // Two consumers of one name: whoever comes back at once only takes it away from the other again.
  if (end == End::Replaced) wait = backoff_.longest();
  asked_again_ = end == End::Resync;
  listener_.on_connection({ConnectionState::Waiting, why_, wait});
  const auto until = std::chrono::steady_clock::now() + wait;
  while (!stopping_.load()) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    if (left <= milliseconds(0)) return;
    connection_.next(left);  // wakes, and an acknowledgement that was under way
  }
}

// False: the stream is of no more use.
bool Subscriber::Loop::take(const v1::WatchBatch& batch) {
  if (!std::exchange(streaming_, true)) {
    listener_.on_connection({ConnectionState::Streaming, std::nullopt, milliseconds(0)});
  }
  for (const auto& event : batch.events()) {
    Step step;
    {
      const std::lock_guard lock(mutex_);
      step = replica_.apply(event);
    }
    if (step.verdict == Verdict::Applied || step.verdict == Verdict::Position) {
      listener_.on_event(event);
    }
    if (!tell(step)) return false;
    if (step.verdict == Verdict::Resync) return false;
    if (event.has_bookmark() && step.verdict == Verdict::Position) {
      backoff_.reset();
      asked_again_ = false;
    }
  }
  return true;
}

bool Subscriber::Loop::tell(const Step& step) {
  // All of them, or the copy would be ahead of what its consumer was told.
  for (const Notice& notice : step.notices) deliver(notice, listener_);
  return !stopping_.load();
}

std::optional<Position> Subscriber::Loop::position_to_acknowledge() const {
  const std::lock_guard lock(mutex_);
  const TopologyView& view = replica_.view();
  if (options_.acknowledge == Acknowledge::Automatic) {
    if (view.phase != Phase::Following) return {};
    return view.position;
  }
  if (manual_.epoch != view.position.epoch || manual_.none()) return {};
  return manual_;
}

void Subscriber::Loop::acknowledge_if_due() {
  if (options_.acknowledge == Acknowledge::Never || !streaming_ || stopping_.load()) return;
  if (connection_.acknowledging() || !connection_.is_open()) return;
  const auto position = position_to_acknowledge();
  if (!position || *position == acknowledged_) return;
  v1::AcknowledgeRequest request;
  request.set_consumer_id(options_.consumer_id);
  request.set_epoch(position->epoch.value());
  request.set_seq_no(position->seq_no.value());
  acknowledging_ = *position;
  acknowledging_to_ = stream_;
  connection_.acknowledge(request);
}

// --- the public face ---

namespace {

std::vector<Problem> problems_of(const SubscriberOptions& options) {
  std::vector<Problem> problems;
  const std::size_t longest = rollcall::limits::kMaxConsumerIdBytes;
  if (options.consumer_id.empty() || options.consumer_id.size() > longest ||
      !is_valid_utf8(options.consumer_id)) {
    problems.push_back({"consumer_id", printable(options.consumer_id, longest),
                        "1 to " + std::to_string(longest) + " bytes of UTF-8"});
  }
  if (options.acknowledge != Acknowledge::Never && options.bridge != Bridge::Placement) {
    problems.push_back({"acknowledge", std::string(to_string(options.bridge)),
                        "the placement bridge, which alone acknowledges"});
  }
  if (options.keep == TopologyReplica::Keep::Position && !options.resume_state.empty()) {
    problems.push_back({"resume_state", "a state", "nothing, when only the position is kept"});
  }
  if (options.keep == TopologyReplica::Keep::Copy && !options.resume_at.none()) {
    problems.push_back({"resume_at", std::to_string(options.resume_at.seq_no.value()),
                        "resume_state: a copy can't be followed from a position alone"});
  }
  if (options.silence <= milliseconds(0)) {
    problems.push_back({"silence", std::to_string(options.silence.count()), "above 0 ms"});
  }
  return problems;
}

}  // namespace

Result<std::unique_ptr<Subscriber>> Subscriber::start(SubscriberOptions options,
                                                      TopologyListener& listener) {
  if (auto problems = problems_of(options); !problems.empty()) {
    return fail(ErrorCode::InvalidConfig, "the subscription can't be started", std::move(problems));
  }
  auto channel = Channel::open(options.channel);
  if (!channel) return tl::unexpected(channel.error());
  TopologyReplica replica(options.keep);
  if (!options.resume_state.empty()) {
    if (auto imported = replica.import_state(options.resume_state); !imported) {
      return tl::unexpected(imported.error());
    }
    options.resume_state.clear();
    options.resume_state.shrink_to_fit();
  }
  if (!options.resume_at.none()) {
    if (auto put = replica.resume_at(options.resume_at); !put) {
      return tl::unexpected(put.error());
    }
  }
  const std::uint64_t seed = options.seed != 0 ? options.seed : std::random_device{}();
  auto loop = std::make_unique<Loop>(std::move(options), *std::move(channel), std::move(replica),
                                     listener, seed);
  loop->start();
  return std::unique_ptr<Subscriber>(new Subscriber(std::move(loop)));
}

Subscriber::Subscriber(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Subscriber::~Subscriber() { stop(); }
void Subscriber::stop() { loop_->stop(); }
void Subscriber::request_stop() { loop_->request_stop(); }
void Subscriber::acknowledge(Position position) { loop_->acknowledge(position); }

TopologyView Subscriber::view() const {
  return loop_->with_replica([](const TopologyReplica& r) { return r.view(); });
}
LeaseTable Subscriber::leases() const {
  return loop_->with_replica([](const TopologyReplica& r) { return r.leases(); });
}
std::string Subscriber::export_state() const {
  return loop_->with_replica([](const TopologyReplica& r) { return r.export_state(); });
}

}  // namespace rollcall::client
