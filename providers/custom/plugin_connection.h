// PluginConnection: a plug-in that shook hands: the process, if Rollcall started it, and the
// session with it. Ending it ends the process.
//
// Threads: belongs to one; only the CurrentCall is touched from others.
#pragma once

#include <memory>
#include <optional>

#include "core/error.h"
#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/custom/plugin_messages.h"
#include "providers/custom/plugin_process.h"
#include "providers/custom/plugin_session.h"
#include "providers/custom/plugin_settings.h"

namespace rollcall {

class PluginConnection {
 public:
  // Starts the plug-in or finds it, and shakes hands, by `deadline`. Errors as the kind's page
  // lists them, with what the process did and wrote.
  static Result<std::unique_ptr<PluginConnection>> open(const PluginSettings& settings,
                                                        MonoTime deadline, const Io& io,
                                                        CurrentCall& current);

  PluginSession& session() { return *session_; }
  const PluginIdentity& identity() const { return identity_; }
  // The process that Rollcall started has ended.
  bool lost() const { return process_ && process_->ended(); }
  // CAPABILITY_MISSING unless the plug-in can be watched.
  Result<void> can_watch() const;

  // All members, read once.
  Result<ProviderSnapshot> snapshot(MonoTime deadline, const Clock& clock, std::uint64_t& history);

  // The error with the plug-in's name and, if the connection is `broken`, how its process ended and
  // what it wrote last. Waits kPluginExitGrace for that end at most.
  ProvisioningError explain(ProvisioningError error, bool broken, const Io& io) const;

 private:
  PluginConnection() = default;
  Result<UniqueFd> connect(const PluginSettings& settings, MonoTime deadline, const Io& io);

  // The session's end comes before the process's: members are destroyed from the last.
  std::unique_ptr<PluginProcess> process_;  // null: it was running
  std::unique_ptr<PluginSession> session_;
  PluginIdentity identity_;
};

}  // namespace rollcall
