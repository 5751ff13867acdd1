#include "providers/kubernetes/kubernetes_provider.h"

#include <atomic>
#include <random>
#include <utility>

#include "providers/common/cancel.h"
#include "providers/common/endpoint_errors.h"
#include "providers/kubernetes/kubernetes_client.h"
#include "providers/kubernetes/kubernetes_settings.h"
#include "providers/kubernetes/kubernetes_stream.h"
#include "providers/kubernetes/limits.h"
#include "providers/kubernetes/slice_view.h"

namespace rollcall {
namespace {

class KubernetesProvider : public ClusterProvider {
 public:
  KubernetesProvider(ProviderDescriptor d, const Clock& clock, std::uint64_t seed)
      : descriptor_(std::move(d)),
        clock_(clock),
        settings_(std::make_shared<const KubernetesSettings>(kubernetes_settings(descriptor_))),
        pod_(PodSurroundings::of_this_process()),
        history_(std::make_shared<KubernetesHistory>()),
        seed_(seed) {}

  const ProviderDescriptor& descriptor() const override { return descriptor_; }

  Result<Capabilities> check_connectivity(MonoTime deadline) override {
    auto answer = read(deadline, /*watch_too=*/true);
    if (answer) return Capabilities{};
    if (answer.error().code == ErrorCode::CapabilityMissing) {
      return Capabilities{false, answer.error().message};  // R1.3: kept, and not activated
    }
    return tl::unexpected(std::move(answer.error()));
  }

  Result<ProviderSnapshot> initial_snapshot(MonoTime deadline) override {
    return read(deadline, /*watch_too=*/false);
  }

  std::unique_ptr<ProviderStream> stream() override {
    return std::make_unique<KubernetesStream>(settings_, pod_, history_, clock_, ++seed_);
  }

  Duration attest_interval() const override {
    return settings_->attest + limits::kKubernetesReadTimeout + limits::kKubernetesCatchUp;
  }

 private:
  // From the first endpoint that answers; each has an equal share of the time that is left.
  Result<ProviderSnapshot> read(MonoTime deadline, bool watch_too) {
    const Cancel never;
    KubernetesClient client(settings_, pod_, {clock_, never});
    EndpointErrors errors;
    for (std::size_t left = std::max<std::size_t>(settings_->endpoints.size(), 1); left > 0;
         --left) {
      const MonoTime now = clock_.now();
      const MonoTime share = now + (deadline - now) / static_cast<std::int64_t>(left);
      auto answer = read_one(client, share, watch_too);
      if (answer) return answer;
      errors.add(answer.error());
      if (!may_differ_elsewhere(answer.error().code)) break;
      client.next_endpoint();
    }
    return fail(errors.code(), errors.detail());
  }

  Result<ProviderSnapshot> read_one(KubernetesClient& client, MonoTime deadline, bool watch_too) {
    auto list = client.list(deadline);
    if (!list) return tl::unexpected(std::move(list.error()));
    SliceView view;
    if (auto ok = view.assign(std::move(list->slices)); !ok) {
      return tl::unexpected(std::move(ok.error()));
    }
    if (auto all = view.take_change(); !all) return tl::unexpected(std::move(all.error()));
    if (watch_too) {  // listing and watching are two permissions
      auto watched = client.watch(list->version, limits::kKubernetesWatchMinS, deadline);
      if (!watched) return tl::unexpected(std::move(watched.error()));
    }
    return ProviderSnapshot{view.members(), list->version, history_->lineage(), list->times};
  }

  const ProviderDescriptor descriptor_;
  const Clock& clock_;
  const std::shared_ptr<const KubernetesSettings> settings_;
  const PodSurroundings pod_;
  const std::shared_ptr<KubernetesHistory> history_;
  std::atomic<std::uint64_t> seed_;  // of the next stream
};

class KubernetesFactory : public ProviderFactory {
 public:
  const KindInfo& info() const override { return kubernetes_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    return validate_kubernetes(d, field);
  }

  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext& context) const override {
    if (auto problems = validate(d, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "provider " + d.id.str(), std::move(problems));
    }
    // Sidecars that start together must not wait for the same times.
    std::random_device random;
    const std::uint64_t seed = (std::uint64_t{random()} << 32U) | random();
    return std::make_unique<KubernetesProvider>(d, *context.clock, seed);
  }
};

}  // namespace

std::unique_ptr<ProviderFactory> make_kubernetes_factory() {
  return std::make_unique<KubernetesFactory>();
}

}  // namespace rollcall
