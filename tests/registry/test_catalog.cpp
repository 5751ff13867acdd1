#include "tests/registry/test_catalog.h"

#include <utility>

namespace rollcall::test {

void Backends::set(const std::string& id, Answer answer) {
  const std::lock_guard lock(mutex_);
  answers_[id] = std::move(answer);
}

void Backends::unreachable(const std::string& id, ErrorCode code) {
  set(id, [code](MonoTime) -> Result<Capabilities> { return fail(code, "nobody is there"); });
}

void Backends::reachable(const std::string& id) {
  set(id, [](MonoTime) -> Result<Capabilities> { return Capabilities{}; });
}

void Backends::lacks(const std::string& id, const std::string& what) {
  set(id, [what](MonoTime) -> Result<Capabilities> { return Capabilities{false, what}; });
}

Result<Capabilities> Backends::ask(const std::string& id, MonoTime deadline) {
  Answer answer;
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(id);
    const auto found = answers_.find(id);
    if (found != answers_.end()) answer = found->second;
  }
  return answer ? answer(deadline) : Result<Capabilities>(Capabilities{});
}

std::vector<std::string> Backends::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

namespace {

class EndedStream final : public ProviderStream {
 public:
  ProviderEvent next() override { return Terminated{true, ErrorCode::BackendUnavailable, "test"}; }
  void cancel() noexcept override {}
};

class TestProvider final : public ClusterProvider {
 public:
  TestProvider(ProviderDescriptor d, std::shared_ptr<Backends> backends)
      : descriptor_(std::move(d)), backends_(std::move(backends)) {}
  const ProviderDescriptor& descriptor() const override { return descriptor_; }
  Result<Capabilities> check_connectivity(MonoTime deadline) override {
    return backends_->ask(descriptor_.id.str(), deadline);
  }
  Result<ProviderSnapshot> initial_snapshot(MonoTime) override { return ProviderSnapshot{}; }
  std::unique_ptr<ProviderStream> stream() override { return std::make_unique<EndedStream>(); }
  Duration attest_interval() const override { return std::chrono::seconds(12); }

 private:
  ProviderDescriptor descriptor_;
  std::shared_ptr<Backends> backends_;
};

class TestFactory final : public ProviderFactory {
 public:
  TestFactory(KindInfo info, std::shared_ptr<Backends> backends)
      : info_(std::move(info)), backends_(std::move(backends)) {}
  const KindInfo& info() const override { return info_; }
  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    return validate_params(info_, d, field);
  }
  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext&) const override {
    return std::make_unique<TestProvider>(d, backends_);
  }

 private:
  KindInfo info_;
  std::shared_ptr<Backends> backends_;
};

}  // namespace

TestCatalog::TestCatalog() {
  const auto add = [&](KindInfo info) {
    factories_.push_back(std::make_unique<TestFactory>(std::move(info), backends_));
  };
  add({"consul",
       "pretended",
       true,
       true,
       {{"service", "string", "", true, "its name"},
        {"wait_ms", "duration_ms", "", false, "a wait"}}});
  add({"file", "pretended", true, false, {{"path", "path", "", true, "a file"}}});
  add({"in-memory", "pretended", false, false, {}});
}
TestCatalog::~TestCatalog() = default;

const ProviderFactory* TestCatalog::find(std::string_view kind) const {
  for (const auto& factory : factories_) {
    if (factory->info().kind == kind) return factory.get();
  }
  return nullptr;
}

std::vector<const ProviderFactory*> TestCatalog::all() const {
  std::vector<const ProviderFactory*> out;
  for (const auto& factory : factories_) out.push_back(factory.get());
  return out;
}

ProviderDescriptor in_memory(const std::string& id, std::int32_t priority) {
  ProviderDescriptor d;
  d.id = ProviderId(id);
  d.kind = "in-memory";
  d.priority = priority;
  return d;
}

ProviderDescriptor consul(const std::string& id, std::int32_t priority,
                          const std::string& service) {
  ProviderDescriptor d;
  d.id = ProviderId(id);
  d.kind = "consul";
  d.priority = priority;
  d.endpoints = {"http://127.0.0.1:8500"};
  d.watch_params = {{"service", service}};
  return d;
}

}  // namespace rollcall::test
