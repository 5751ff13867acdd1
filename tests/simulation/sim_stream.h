// SimStream: what a provider's thread is in the daemon: asks its backend, keeps the provider's own
// view (the real ProviderView), and leaves reports in one slot that merges (the real
// ProviderReport).
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/ids.h"
#include "provisioning/control/provider_report.h"
#include "provisioning/service/provider_view.h"
#include "tests/simulation/timeline.h"
#include "tests/simulation/world.h"

namespace rollcall::test {

class SimStream {
 public:
  using Deliver = std::function<void(const ProviderReport&)>;
  SimStream(ProviderId provider, Backend& backend, const World& world, Timeline& time, Dice& dice,
            Deliver deliver);
  ~SimStream();

  void start(StreamGeneration generation);
  void stop(StreamGeneration generation);
  void resume(StreamGeneration generation, MonoTime not_before);
  bool runs(StreamGeneration generation) const { return running_ && generation_ == generation; }

 private:
  void later(Duration wait, std::function<void()> what);
  void ask(StreamGeneration generation);
  void answered(StreamGeneration generation, MonoTime began);
  void say(ProviderReport report);
  std::optional<ProviderReport> to_report(StreamGeneration generation, ProviderEvent event);

  const ProviderId provider_;
  Backend& backend_;
  const World& world_;
  Timeline& time_;
  Dice& dice_;
  const Deliver deliver_;
  bool running_ = false;
  bool over_ = false;  // the stream terminated: not asked again
  StreamGeneration generation_;
  ProviderView view_;
  std::uint64_t lineage_ = 0;  // of the last answer
  std::optional<ProviderReport> slot_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rollcall::test
