// CustomStream: follows a plug-in. One next() is one event, or one failure: a broken, hung,
// flooding or lying plug-in costs its own stream one answer, and the next attempt waits for the
// core's backoff and for a bucket of its own, so that nothing is ever restarted in a loop.
//
// After `failed` and after an answer that makes no sense the process stays and the watch begins
// anew; after everything else (silence, a broken connection, a limit) the connection is given up,
// and the process with it, if it is Rollcall's.
//
// Threads: a ProviderStream's rules.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/common/rate_limit.h"
#include "providers/custom/plugin_connection.h"

namespace rollcall {

// What a provider knows of its backend's history. It outlives a stream, so that another backend
// behind a restarted plug-in is noticed.
class PluginHistory {
 public:
  // Notes the history of a whole answer (0: not known); the lineage that it belongs to.
  std::uint64_t note(std::uint64_t history);
  void broke();  // the plug-in said INDEX_ROLLBACK
  std::uint64_t lineage() const;

 private:
  mutable std::mutex mutex_;  // guards both; two streams may overlap for a moment
  std::uint64_t history_ = 0;
  std::uint64_t lineage_ = 0;
};

class CustomStream : public ProviderStream {
 public:
  CustomStream(std::shared_ptr<const PluginSettings> settings,
               std::shared_ptr<PluginHistory> history, const Clock& clock);
  ~CustomStream() override;
  ProviderEvent next() override;
  void cancel() noexcept override;

 private:
  Result<ProviderEvent> attempt();
  Result<void> begin();
  Result<ProviderEvent> follow();
  // Nothing: a chunk that does not complete its snapshot.
  Result<std::optional<ProviderEvent>> digest(const v1::PluginEvent& event, MonoTime arrived);
  Result<std::optional<ProviderEvent>> digest_chunk(const v1::PluginSnapshotChunk& chunk,
                                                    MonoTime arrived);
  Result<void> may_build_on_snapshot() const;
  AnswerTimes times_from(MonoTime arrived) const;
  void give_up();  // the connection, and the process with it

  const std::shared_ptr<const PluginSettings> settings_;
  const std::shared_ptr<PluginHistory> history_;
  const Clock& clock_;
  Cancel cancel_;
  const Io io_;
  CurrentCall current_;
  TokenBucket attempts_;
  TokenBucket messages_;
  std::unique_ptr<PluginConnection> connection_;

  // Of the watch under way.
  bool watching_ = false;
  bool has_snapshot_ = false;
  SnapshotAssembler assembler_;
  MonoTime chunks_began_{};
};

}  // namespace rollcall
