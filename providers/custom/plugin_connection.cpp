#include "providers/custom/plugin_connection.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "providers/common/limits.h"
#include "providers/custom/limits.h"
#include "providers/custom/plugin_socket.h"

namespace rollcall {

Result<std::unique_ptr<PluginConnection>> PluginConnection::open(const PluginSettings& settings,
                                                                 MonoTime deadline, const Io& io,
                                                                 CurrentCall& current) {
  std::unique_ptr<PluginConnection> connection(new PluginConnection());
  if (settings.supervised()) {
    auto process = PluginProcess::start(settings);
    if (!process) return tl::unexpected(std::move(process.error()));
    connection->process_ = std::move(*process);
  }
  auto socket = connection->connect(settings, deadline, io);
  if (!socket) return tl::unexpected(connection->explain(std::move(socket.error()), true, io));
  connection->session_ = std::make_unique<PluginSession>(std::move(*socket), io.clock, current);
  auto answer = connection->session_->handshake(settings, deadline);
  if (!answer) {
    answer.error().message.insert(0, "handshake: ");
    return tl::unexpected(connection->explain(std::move(answer.error()), true, io));
  }
  auto identity = identity_from_plugin(*answer, to_ms(settings.attest));
  if (!identity) return tl::unexpected(std::move(identity.error()));
  connection->identity_ = std::move(*identity);
  return connection;
}

// The socket of a plug-in that was just started comes in its own time; a running one's is there.
Result<UniqueFd> PluginConnection::connect(const PluginSettings& settings, MonoTime deadline,
                                           const Io& io) {
  if (!process_) return connect_plugin(settings.socket);
  while (true) {
    auto socket = connect_plugin(process_->socket());
    if (socket || socket.error().code != ErrorCode::BackendUnavailable) return socket;
    if (process_->ended()) {
      return fail(ErrorCode::BackendUnavailable, "the plug-in ended before it could be asked");
    }
    const MonoTime now = io.clock.now();
    if (now >= deadline) {
      return fail(ErrorCode::Timeout, "the plug-in opened no socket within " +
                                          std::to_string(to_ms(settings.start)) +
                                          " ms (watch_params.start_ms)");
    }
    const MonoTime again = std::min(deadline, now + Duration(limits::kPluginConnectEvery));
    if (wait_for(process_->ended_fd(), POLLIN, again, io.clock, io.cancel) == Wake::Cancelled) {
      return fail(ErrorCode::ShuttingDown, "cancelled");
    }
  }
}

Result<void> PluginConnection::can_watch() const {
  if (identity_.watch) return {};
  return fail(ErrorCode::CapabilityMissing,
              "the plug-in " + identity_.name + " does not offer the capability `watch`");
}

Result<ProviderSnapshot> PluginConnection::snapshot(MonoTime deadline, const Clock& clock,
                                                    std::uint64_t& history) {
  ProviderSnapshot answer;
  answer.times.read_began = clock.now();
  if (auto begun = session_->begin_snapshot(deadline); !begun) {
    return tl::unexpected(std::move(begun.error()));
  }
  SnapshotAssembler assembler;
  while (true) {
    auto chunk = session_->read_snapshot(deadline);
    if (!chunk) return tl::unexpected(std::move(chunk.error()));
    if (!*chunk) {
      return fail(ErrorCode::MalformedResponse, "the snapshot ended before its last chunk");
    }
    auto complete = assembler.add(**chunk, (*chunk)->ByteSizeLong());
    if (!complete) return tl::unexpected(std::move(complete.error()));
    if (!*complete) continue;
    answer.members = std::move((*complete)->members);
    answer.backend_index = std::move((*complete)->backend_index);
    history = (*complete)->history;
    answer.times.complete = clock.now();
    answer.times.observed_at = clock.wall_now();
    return answer;
  }
}

ProvisioningError PluginConnection::explain(ProvisioningError error, bool broken,
                                            const Io& io) const {
  if (!identity_.name.empty()) {
    error.message.insert(0, "plug-in " + identity_.name + " " + identity_.version + ": ");
  }
  if (process_ && broken) {
    // Its connection breaks a moment before its end can be seen.
    if (error.code == ErrorCode::BackendUnavailable) {
      const MonoTime until = io.clock.now() + Duration(limits::kPluginExitGrace);
      wait_for(process_->ended_fd(), POLLIN, until, io.clock, io.cancel);
    }
    if (const auto end = process_->how_it_ended()) error.message += "; its process " + *end;
    const std::size_t used = std::min(error.message.size() + 24, limits::kMaxFailureDetailBytes);
    const std::size_t room = limits::kMaxFailureDetailBytes - used;
    const std::string output = room < 32 ? "" : process_->output_tail(room);
    if (!output.empty()) error.message += "; it wrote: " + output;
  }
  error.message = utf8_prefix(error.message, limits::kMaxFailureDetailBytes);
  return error;
}

}  // namespace rollcall
