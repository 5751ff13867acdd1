// A catalogue of pretended kinds, whose backends answer what a test tells them to.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/provider.h"
#include "tests/support/manual_clock.h"

namespace rollcall::test {

// What pretended backends answer, by provider id. Thread-safe.
class Backends {
 public:
  using Answer = std::function<Result<Capabilities>(MonoTime deadline)>;

  void set(const std::string& id, Answer answer);
  void unreachable(const std::string& id, ErrorCode code = ErrorCode::BackendUnavailable);
  void reachable(const std::string& id);
  void lacks(const std::string& id, const std::string& what);
  Result<Capabilities> ask(const std::string& id, MonoTime deadline);
  std::vector<std::string> asked() const;  // ids, in order

 private:
  mutable std::mutex mutex_;  // guards everything below
  std::map<std::string, Answer> answers_;
  std::vector<std::string> asked_;
};

// in-memory (no backend of its own), consul and file (with one). consul wants an endpoint and
// watch_params.service.
class TestCatalog final : public ProviderCatalog {
 public:
  TestCatalog();
  ~TestCatalog() override;
  const ProviderFactory* find(std::string_view kind) const override;
  std::vector<const ProviderFactory*> all() const override;

  Backends& backends() { return *backends_; }
  ProviderContext context() { return {&clock_, nullptr, "/state"}; }

 private:
  ManualClock clock_;
  std::shared_ptr<Backends> backends_ = std::make_shared<Backends>();
  std::vector<std::unique_ptr<ProviderFactory>> factories_;  // sorted by kind
};

ProviderDescriptor in_memory(const std::string& id, std::int32_t priority = 0);
ProviderDescriptor consul(const std::string& id, std::int32_t priority = 0,
                          const std::string& service = "db");

}  // namespace rollcall::test
