// Mailbox: how other threads reach the service thread. Commands wait in a bounded queue; provider
// reports wait in their runners' slots, and the mailbox only knows that there are some.
//
// Threads: post() and ring() from any; wait() from the service thread only. Shared with provider
// threads by shared_ptr, so that a thread that was abandoned may still ring after the service
// ended.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/provider.h"
#include "core/time.h"
#include "provisioning/control/provisioning_core.h"

namespace rollcall {

using CoreReply = std::function<void(Result<effect::ReplyOk>)>;

// A provider of the accepted set with the object behind it; null: it could not be made, and the
// spec's missing_capability says why.
struct ProviderEntry {
  ProviderSpec spec;
  std::shared_ptr<ClusterProvider> provider;
};

namespace command {

// Something for the core; its request id is given by the service thread. `reply` is called once, on
// the service thread, and must not block. Null: nobody asked.
struct ToCore {
  Input input;
  CoreReply reply;
};
struct SetProviders {
  std::vector<ProviderEntry> entries;
  std::vector<ProviderId> release_holds;
  std::optional<FailoverPolicy> policy;  // of a reload: with the providers, in one step
  std::function<void()> done;
};
// The thread of this stream never came back: another object takes the provider's place.
struct ReplaceProvider {
  std::shared_ptr<ClusterProvider> lost;
  std::shared_ptr<ClusterProvider> fresh;  // null: it could not be made
};
struct Look {
  std::function<void(const ProvisioningCore&, MonoTime now)> look;
};
struct Stop {};

}  // namespace command

using Command = std::variant<command::ToCore, command::SetProviders, command::ReplaceProvider,
                             command::Look, command::Stop>;

class Mailbox {
 public:
  // LIMIT_EXCEEDED when limits::kMaxPendingCommands wait, SHUTTING_DOWN after close().
  Result<void> post(Command command);
  // For the program's own messages, which are bounded by what causes them. False after close().
  bool post_internal(Command command);
  void ring();  // some runner's slot has something

  struct Taken {
    std::deque<Command> commands;
    bool rung = false;
  };
  // Returns when there is something, or `at_most` has passed.
  Taken wait(Duration at_most);
  std::size_t waiting() const;
  // What is left; nothing can be posted afterwards.
  std::deque<Command> close();

 private:
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::deque<Command> commands_;
  bool rung_ = false;
  bool closed_ = false;
};

}  // namespace rollcall
