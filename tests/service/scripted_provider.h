// A provider that says what a test tells it to, and misbehaves on demand.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/provider.h"

namespace rollcall::test {

// What the provider's streams read; shared by test and streams. Thread-safe.
class Script {
 public:
  explicit Script(const Clock& clock) : clock_(clock) {}

  void say(ProviderEvent event);
  // The complete list, now.
  void members(std::vector<ClusterNode> nodes, std::uint64_t lineage = 0);
  void unchanged();
  void fail(ErrorCode code, std::string detail = "scripted");
  void terminate(bool ended, ErrorCode code = ErrorCode::BackendUnavailable);
  void throw_something();
  // next() ignores cancel() until release().
  void hang();
  void release();

  AnswerTimes now() const;
  int streams() const;    // ever started
  int cancelled() const;  // streams
  int asked() const;      // calls of next()
  // Until `condition` holds; false after a bound that only a hung program reaches.
  bool wait_until(const std::function<bool()>& condition) const;

 private:
  friend class ScriptedStream;
  struct Throw {};
  struct Hang {};
  using Line = std::variant<ProviderEvent, Throw, Hang>;
  void add(Line line);

  const Clock& clock_;
  mutable std::mutex mutex_;  // guards everything below
  mutable std::condition_variable changed_;
  std::deque<Line> lines_;
  bool released_ = false;
  int streams_ = 0;
  int cancelled_ = 0;
  int asked_ = 0;
};

class ScriptedProvider final : public ClusterProvider {
 public:
  ScriptedProvider(ProviderDescriptor d, std::shared_ptr<Script> script, Capabilities can = {});
  const ProviderDescriptor& descriptor() const override { return descriptor_; }
  Result<Capabilities> check_connectivity(MonoTime) override { return can_; }
  Result<ProviderSnapshot> initial_snapshot(MonoTime) override;
  std::unique_ptr<ProviderStream> stream() override;
  Duration attest_interval() const override { return std::chrono::seconds(5); }
  Capabilities capabilities() const override { return can_; }

 private:
  const ProviderDescriptor descriptor_;
  const std::shared_ptr<Script> script_;
  const Capabilities can_;
};

// One kind, "scripted", whose providers read the script of their id.
class ScriptedCatalog final : public ProviderCatalog {
 public:
  explicit ScriptedCatalog(const Clock& clock);
  ~ScriptedCatalog() override;
  const ProviderFactory* find(std::string_view kind) const override;
  std::vector<const ProviderFactory*> all() const override;

  Script& script(const std::string& id);
  void lacks_watching(const std::string& id);
  void cannot_be_made(const std::string& id, ErrorCode code);

 private:
  class Factory;
  std::unique_ptr<Factory> factory_;
};

ClusterNode node(const std::string& id, const std::string& zone = "");
ProviderDescriptor scripted(const std::string& id, int priority = 0);

}  // namespace rollcall::test
