// `rollcall watch`: one line an event, until the count is reached or for ever.
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "core/codec/json_writer.h"
#include "deploy/rollcall/commands.h"
#include "deploy/rollcall/show_events.h"
#include "deploy/rollcall/text.h"

namespace rollcall::cli {
namespace {

// Threads: the callbacks come from the Subscriber's thread; wait() is for the command's.
class Printer : public client::TopologyListener {
 public:
  Printer(const Terminal& terminal, const WatchFlags& flags) : terminal_(terminal), flags_(flags) {}

  void on_event(const v1::ClusterEvent& event) override {
    if (done() || (event.has_bookmark() && !flags_.bookmarks)) return;
    // A person wants to see a snapshot once; a program wants all of it.
    if (event.has_snapshot() && !event.snapshot().last() && !terminal_.json) return;
    const ExitCode code = terminal_.print(terminal_.json ? event_json(event)
                                                         : Result<std::string>(event_text(event)));
    if (code != ExitCode::Ok) return end(code);
    if (flags_.count > 0 && ++printed_ >= flags_.count) end(ExitCode::Ok);
  }
  void on_trouble(const client::Trouble& trouble) override {
    note(std::string(to_string(trouble.kind)) + ": " + trouble.message);
  }
  void on_connection(const client::ConnectionChange& change) override {
    if (done()) return;
    if (change.state == client::ConnectionState::Streaming) {
      streamed_ = true;
      return;
    }
    if (!change.error) return;
    // Before the first event an error is the answer; only a topology that isn't there yet may come.
    // Whoever took our name over would lose it again if we came back.
    const ErrorCode code = change.error->code;
    if ((!streamed_ && code != ErrorCode::NoSnapshot) || code == ErrorCode::OutOfOrder) {
      return end(terminal_.fail(*change.error));
    }
    note(std::string(to_string(change.error->code)) + ": " + change.error->message +
         "; trying again in " + duration_text(change.retry_in));
  }

  ExitCode wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return result_.has_value(); });
    return *result_;
  }

 private:
  bool done() {
    const std::lock_guard lock(mutex_);
    return result_.has_value();
  }
  void end(ExitCode code) {
    const std::lock_guard lock(mutex_);
    if (!result_) result_ = code;
    changed_.notify_all();
  }
  void note(const std::string& text) {
    if (done()) return;
    const std::string line = shown(text, 2'048);
    if (terminal_.json) {
      JsonWriter writer;
      writer.begin_object().field("note", line).end_object();
      terminal_.err << std::move(writer).finish().value_or("{}") << "\n" << std::flush;
    } else {
      terminal_.err << "note: " << line << "\n" << std::flush;
    }
  }

  const Terminal& terminal_;
  const WatchFlags& flags_;
  std::uint64_t printed_ = 0;
  bool streamed_ = false;
  std::mutex mutex_;  // guards result_
  std::condition_variable changed_;
  std::optional<ExitCode> result_;
};

}  // namespace

ExitCode Commands::watch(const WatchFlags& flags) const {
  client::SubscriberOptions options;
  options.channel = options_;
  options.bridge = flags.bridge;
  options.cluster = flags.cluster;
  // One of its own, so that looking on never takes a real consumer's stream away.
  options.consumer_id =
      flags.consumer.empty() ? "rollcall-watch-" + std::to_string(::getpid()) : flags.consumer;
  if (!flags.after.none()) {
    options.keep = client::TopologyReplica::Keep::Position;
    options.resume_at = flags.after;
  }
  Printer printer(terminal_, flags);
  auto subscriber = client::Subscriber::start(std::move(options), printer);
  if (!subscriber) return terminal_.fail(subscriber.error(), ExitCode::Usage);
  const ExitCode code = printer.wait();
  (*subscriber)->stop();
  return code;
}

}  // namespace rollcall::cli
