#include "tests/service/scripted_provider.h"

#include <chrono>
#include <set>
#include <stdexcept>
#include <utility>

namespace rollcall::test {
namespace {

constexpr auto kHungProgram = std::chrono::seconds(60);

}  // namespace

class ScriptedStream final : public ProviderStream {
 public:
  explicit ScriptedStream(std::shared_ptr<Script> script) : script_(std::move(script)) {
    std::lock_guard lock(script_->mutex_);
    ++script_->streams_;
    script_->changed_.notify_all();
  }

  ProviderEvent next() override {
    std::unique_lock lock(script_->mutex_);
    ++script_->asked_;
    script_->changed_.notify_all();
    script_->changed_.wait(lock, [&] { return cancelled_ || !script_->lines_.empty(); });
    if (script_->lines_.empty())
      return Terminated{true, ErrorCode::BackendUnavailable, "cancelled"};
    if (std::holds_alternative<Script::Hang>(script_->lines_.front())) {
      script_->lines_.pop_front();
      script_->changed_.wait(lock, [&] { return script_->released_; });
      return Terminated{true, ErrorCode::BackendUnavailable, "released"};
    }
    if (cancelled_) return Terminated{true, ErrorCode::BackendUnavailable, "cancelled"};
    Script::Line line = std::move(script_->lines_.front());
    script_->lines_.pop_front();
    if (std::holds_alternative<Script::Throw>(line))
      throw std::runtime_error("the provider threw this");
    return std::get<ProviderEvent>(std::move(line));
  }

  void cancel() noexcept override {
    std::lock_guard lock(script_->mutex_);
    if (!std::exchange(cancelled_, true)) ++script_->cancelled_;
    script_->changed_.notify_all();
  }

 private:
  const std::shared_ptr<Script> script_;
  bool cancelled_ = false;  // guarded by the script's mutex
};

void Script::add(Line line) {
  std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
  changed_.notify_all();
}

void Script::say(ProviderEvent event) { add(std::move(event)); }

void Script::members(std::vector<ClusterNode> nodes, std::uint64_t lineage) {
  ProviderSnapshot answer;
  answer.members = std::move(nodes);
  answer.lineage = lineage;
  answer.times = now();
  say(std::move(answer));
}

void Script::unchanged() { say(UnchangedAnswer{now()}); }
void Script::fail(ErrorCode code, std::string detail) {
  say(FailedAnswer{code, std::move(detail)});
}
void Script::terminate(bool ended, ErrorCode code) { say(Terminated{ended, code, "scripted"}); }
void Script::throw_something() { add(Throw{}); }
void Script::hang() { add(Hang{}); }

void Script::release() {
  std::lock_guard lock(mutex_);
  released_ = true;
  changed_.notify_all();
}

AnswerTimes Script::now() const { return {clock_.now(), clock_.now(), clock_.wall_now()}; }

int Script::streams() const {
  std::lock_guard lock(mutex_);
  return streams_;
}
int Script::cancelled() const {
  std::lock_guard lock(mutex_);
  return cancelled_;
}
int Script::asked() const {
  std::lock_guard lock(mutex_);
  return asked_;
}

bool Script::wait_until(const std::function<bool()>& condition) const {
  const auto deadline = std::chrono::steady_clock::now() + kHungProgram;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(5));
  }
  return true;
}

ScriptedProvider::ScriptedProvider(ProviderDescriptor d, std::shared_ptr<Script> script,
                                   Capabilities can)
    : descriptor_(std::move(d)), script_(std::move(script)), can_(std::move(can)) {}

Result<ProviderSnapshot> ScriptedProvider::initial_snapshot(MonoTime) {
  ProviderSnapshot answer;
  answer.times = script_->now();
  return answer;
}

std::unique_ptr<ProviderStream> ScriptedProvider::stream() {
  return std::make_unique<ScriptedStream>(script_);
}

class ScriptedCatalog::Factory final : public ProviderFactory {
 public:
  explicit Factory(const Clock& clock) : clock_(clock) {
    info_.kind = "scripted";
    info_.summary = "says what a test tells it to";
    info_.external = false;
    info_.needs_endpoints = false;
  }
  const KindInfo& info() const override { return info_; }
  std::vector<Problem> validate(const ProviderDescriptor&, std::string_view) const override {
    return {};
  }
  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext&) const override {
    std::lock_guard lock(mutex_);
    if (auto refused = refused_.find(d.id.str()); refused != refused_.end())
      return rollcall::fail(refused->second, "scripted to fail");
    Capabilities can;
    if (blind_.contains(d.id.str())) can = {false, "cannot watch before version 2"};
    return std::make_unique<ScriptedProvider>(d, script_locked(d.id.str()), can);
  }
  std::shared_ptr<Script> script(const std::string& id) const {
    std::lock_guard lock(mutex_);
    return script_locked(id);
  }
  void blind(const std::string& id) {
    std::lock_guard lock(mutex_);
    blind_.insert(id);
  }
  void refuse(const std::string& id, ErrorCode code) {
    std::lock_guard lock(mutex_);
    refused_.emplace(id, code);
  }

 private:
  std::shared_ptr<Script> script_locked(const std::string& id) const {
    auto& s = scripts_[id];
    if (!s) s = std::make_shared<Script>(clock_);
    return s;
  }
  const Clock& clock_;
  KindInfo info_;
  mutable std::mutex mutex_;  // guards everything below
  mutable std::map<std::string, std::shared_ptr<Script>> scripts_;
  std::set<std::string> blind_;
  std::map<std::string, ErrorCode> refused_;
};

ScriptedCatalog::ScriptedCatalog(const Clock& clock) : factory_(std::make_unique<Factory>(clock)) {}
ScriptedCatalog::~ScriptedCatalog() = default;
const ProviderFactory* ScriptedCatalog::find(std::string_view kind) const {
  return kind == "scripted" ? factory_.get() : nullptr;
}
std::vector<const ProviderFactory*> ScriptedCatalog::all() const { return {factory_.get()}; }
Script& ScriptedCatalog::script(const std::string& id) { return *factory_->script(id); }
void ScriptedCatalog::lacks_watching(const std::string& id) { factory_->blind(id); }
void ScriptedCatalog::cannot_be_made(const std::string& id, ErrorCode code) {
  factory_->refuse(id, code);
}

ClusterNode node(const std::string& id, const std::string& zone) {
  ClusterNode n;
  n.id = NodeId(id);
  n.host = "10.0.0.1";
  n.port = 7000;
  n.zone = zone;
  return n;
}

ProviderDescriptor scripted(const std::string& id, int priority) {
  ProviderDescriptor d;
  d.id = ProviderId(id);
  d.kind = "scripted";
  d.priority = priority;
  return d;
}

}  // namespace rollcall::test
