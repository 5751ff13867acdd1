// PluginProcess: a plug-in that Rollcall started: its process, the private directory of its socket,
// and what it writes. It lives and ends with this object; nothing of it is left then.
//
// A thread of its own starts it (so that PR_SET_PDEATHSIG is bound to a thread that outlives it),
// takes its output, and collects it the moment it ends. The end: SIGTERM to its process group,
// SIGKILL after kPluginTermGrace, and SIGKILL to what the group's leader left behind. One that does
// not end of that within kPluginKillGrace either goes to the LeftPlugins.
//
// Threads: start() and the destructor from one; the rest from any.
#pragma once

#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/error.h"
#include "providers/common/unique_fd.h"
#include "providers/custom/plugin_output.h"
#include "providers/custom/plugin_settings.h"
#include "providers/custom/spawn.h"

namespace rollcall {

class PluginProcess {
 public:
  // spawn()'s errors; BACKEND_UNAVAILABLE: no room for its directory, pipes or thread, or
  // kMaxLeftPlugins are left already.
  static Result<std::unique_ptr<PluginProcess>> start(const PluginSettings& settings);
  ~PluginProcess();
  PluginProcess(const PluginProcess&) = delete;
  PluginProcess& operator=(const PluginProcess&) = delete;

  const std::string& socket() const { return socket_; }
  int ended_fd() const { return ended_.get(); }  // readable once it has ended
  bool ended() const { return how_it_ended().has_value(); }
  // "exited with status 3", "was killed by signal 11".
  std::optional<std::string> how_it_ended() const;
  // Ends it now, as the destructor does. False: SIGTERM did not end it, and it was killed.
  bool stop();
  std::string output_tail(std::size_t max_bytes) const { return output_.tail(max_bytes); }

 private:
  PluginProcess() = default;
  Result<void> prepare();
  void run(SpawnRequest request, std::promise<Result<void>> started);
  void supervise(const Spawned& child);
  // Waits for the end until then, taking output; true: it has ended.
  bool wait_end(const Spawned& child, std::chrono::milliseconds at_most);
  bool take_output();
  void collect(const Spawned& child);

  std::shared_ptr<LeftPlugins> left_;
  std::string directory_;
  std::string socket_;
  UniqueFd lifeline_;      // the other end of its stdin: it reads the end when Rollcall is gone
  UniqueFd input_;         // its stdin, until it is started
  UniqueFd child_output_;  // its stdout and stderr, until it is started
  UniqueFd output_pipe_;   // supervisor only
  UniqueFd stop_;          // eventfd
  UniqueFd ended_;         // eventfd
  PluginOutput output_;

  mutable std::mutex mutex_;  // guards what follows
  std::optional<std::string> how_it_ended_;
  bool killed_ = false;  // by us, after SIGTERM

  std::thread thread_;
};

}  // namespace rollcall
