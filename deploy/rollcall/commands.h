// The commands: each asks the sidecar, shows the answer, and says how it went.
//
// Threads: one command at a time, on the caller's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "bridges/client/admin_client.h"
#include "bridges/client/bridge_clients.h"
#include "bridges/client/channel.h"
#include "bridges/client/subscriber.h"
#include "core/descriptor.h"
#include "core/error.h"
#include "deploy/rollcall/exit_code.h"
#include "providers/local/registry/local_registry.h"

namespace rollcall::cli {

// Where a command writes. Results go to `out`, errors and notes to `err`.
struct Terminal {
  std::ostream& out;
  std::ostream& err;
  bool json = false;

  ExitCode fail(const ProvisioningError& error, ExitCode code) const;
  ExitCode fail(const ProvisioningError& error) const;  // Refused or NoAnswer
  // Writes `text`, or says that it can't be.
  ExitCode print(const Result<std::string>& text) const;
  // NoOutput if `out` takes nothing more: a full disk, or a reader that has gone.
  ExitCode flush() const;
};

struct WriteFlags {
  bool dry_run = false;
  std::optional<std::uint64_t> revision;
  bool allow_unreachable = false;
  bool prune = false;
  client::WriteOptions options() const { return {dry_run, revision, allow_unreachable, false}; }
};

struct WatchFlags {
  client::Bridge bridge = client::Bridge::Placement;
  std::string consumer;  // empty: one of this process
  std::string cluster;
  client::Position after;
  std::uint64_t count = 0;  // 0: without end
  bool bookmarks = false;
};

class Commands {
 public:
  Commands(Terminal terminal, client::ChannelOptions options, client::Channel channel,
           std::chrono::milliseconds deadline)
      : terminal_(terminal),
        options_(std::move(options)),
        channel_(channel),
        admin_(channel, deadline),
        remoting_(channel, "rollcall", deadline) {}

  ExitCode status(bool check) const;
  ExitCode members() const;
  ExitCode events(std::uint32_t backlog, std::uint64_t count) const;
  ExitCode drain() const;
  ExitCode watch(const WatchFlags& flags) const;

  ExitCode list_providers() const;
  ExitCode show_provider(const std::string& id) const;
  ExitCode list_kinds() const;
  ExitCode add_provider(const std::string& file, const WriteFlags& flags) const;
  ExitCode update_provider(const std::string& file, const WriteFlags& flags) const;
  ExitCode apply_providers(const std::string& file, const WriteFlags& flags) const;
  ExitCode remove_provider(const std::string& id, const WriteFlags& flags) const;
  ExitCode enable_provider(const std::string& id, const WriteFlags& flags) const;
  ExitCode disable_provider(const std::string& id, const std::string& reason,
                            const WriteFlags& flags) const;

  ExitCode join_member(const ClusterNode& node, const std::string& provider) const;
  ExitCode show_member(const std::string& node) const;
  ExitCode leave_member(const std::string& node, const std::string& provider) const;
  ExitCode quarantine(const std::string& node, const std::string& incarnation) const;
  ExitCode recover(const std::string& node, const std::string& incarnation) const;
  ExitCode switch_provider(const std::string& id, std::chrono::milliseconds duration) const;
  ExitCode clear_switch() const;
  ExitCode release_removals() const;

 private:
  ExitCode show_write(const Result<v1::ProviderResponse>& response, const std::string& id,
                      std::string_view did, bool dry_run) const;
  ExitCode show_switch(const Result<v1::SwitchProviderResponse>& response) const;

  Terminal terminal_;
  client::ChannelOptions options_;
  client::Channel channel_;
  client::AdminClient admin_;
  client::RemotingClient remoting_;
};

// Reads a state directory while rollcalld is stopped or running; needs no sidecar.
ExitCode verify_store(const Terminal& terminal, const std::string& directory);

// The process registry of this host; needs no sidecar. `directory` is the registry's, `wait` the
// longest wait for its lock.
struct LocalFlags {
  std::string directory;
  std::chrono::milliseconds wait{};
};
ExitCode register_local(const Terminal& terminal, const LocalFlags& flags,
                        const Registration& registration, std::int64_t pid);
ExitCode list_local(const Terminal& terminal, const LocalFlags& flags);
ExitCode remove_local(const Terminal& terminal, const LocalFlags& flags, const std::string& id);

}  // namespace rollcall::cli
