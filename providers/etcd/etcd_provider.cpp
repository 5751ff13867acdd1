#include "providers/etcd/etcd_provider.h"

#include <atomic>
#include <utility>

#include "providers/common/endpoint_errors.h"
#include "providers/common/jitter.h"
#include "providers/etcd/etcd_announcer.h"
#include "providers/etcd/etcd_calls.h"
#include "providers/etcd/etcd_client.h"
#include "providers/etcd/etcd_reader.h"
#include "providers/etcd/etcd_settings.h"
#include "providers/etcd/etcd_status.h"
#include "providers/etcd/etcd_stream.h"
#include "providers/etcd/etcd_watch.h"
#include "providers/etcd/limits.h"

namespace rollcall {
namespace {

class EtcdProvider : public ClusterProvider {
 public:
  EtcdProvider(ProviderDescriptor d, std::uint64_t seed, const Clock& clock)
      : descriptor_(std::move(d)),
        clock_(clock),
        settings_(std::make_shared<const EtcdSettings>(etcd_settings(descriptor_))),
        history_(std::make_shared<EtcdHistory>()),
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
    return std::make_unique<EtcdStream>(settings_, descriptor_.auth, history_, clock_,
                                        seed_ + streams_++);
  }

  std::unique_ptr<Announcer> announcer(const Announcement& what) override {
    return make_etcd_announcer(settings_, descriptor_.auth, what, clock_);
  }

  Duration attest_interval() const override {
    return settings_->attest + limits::kEtcdAnswerMargin;
  }

 private:
  // From the first endpoint that answers; each has an equal share of the time that is left.
  Result<ProviderSnapshot> read(MonoTime deadline, bool watch_too) {
    EtcdCalls calls;
    EtcdClient client({settings_->endpoints, settings_->tls_server_name, descriptor_.auth}, clock_,
                      calls);
    EndpointErrors errors;
    for (std::size_t left = client.endpoints(); left > 0; --left) {
      const MonoTime now = clock_.now();
      auto answer =
          read_one(client, now + (deadline - now) / static_cast<std::int64_t>(left), watch_too);
      if (answer) return answer;
      errors.add(answer.error());
      if (!may_differ_elsewhere(answer.error().code)) break;
      client.next_endpoint();
    }
    return fail(errors.code(), errors.detail());
  }

  Result<ProviderSnapshot> read_one(EtcdClient& client, MonoTime deadline, bool watch_too) {
    EtcdReader reader(client, settings_->prefix, settings_->id);
    auto snapshot = reader.read(deadline);
    if (!snapshot) return tl::unexpected(std::move(snapshot.error()));
    if (auto fault = snapshot->view.fault()) return tl::unexpected(std::move(*fault));
    const AnswerTimes times{snapshot->read_began, clock_.now(), clock_.wall_now()};
    if (watch_too) {
      auto watch = EtcdWatch::open(client, reader.prefix(), reader.prefix_end(),
                                   snapshot->at.revision + 1, deadline);
      if (!watch) return tl::unexpected(std::move(watch.error()));
      auto created = (*watch)->next(deadline);
      if (!created) return tl::unexpected(std::move(created.error()));
      if (!*created) return fail(ErrorCode::Timeout, client.endpoint() + ": no answer to a watch");
      if ((*created)->canceled()) {
        return tl::unexpected(client.reported(etcd_watch_error((*created)->cancel_reason())));
      }
    }
    return ProviderSnapshot{snapshot->view.members(), std::to_string(snapshot->at.revision),
                            history_->lineage(), times};
  }

  const ProviderDescriptor descriptor_;
  const Clock& clock_;
  const std::shared_ptr<const EtcdSettings> settings_;
  const std::shared_ptr<EtcdHistory> history_;
  const std::uint64_t seed_;
  std::atomic<std::uint64_t> streams_{0};
};

class EtcdFactory : public ProviderFactory {
 public:
  explicit EtcdFactory(std::optional<std::uint64_t> seed) : seed_(seed) {}

  const KindInfo& info() const override { return etcd_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    return validate_etcd(d, field);
  }

  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext& context) const override {
    if (auto problems = validate(d, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "provider " + d.id.str(), std::move(problems));
    }
    const std::uint64_t seed = seed_ ? *seed_ : random_seed(*context.clock);
    return std::make_unique<EtcdProvider>(d, seed, *context.clock);
  }

 private:
  const std::optional<std::uint64_t> seed_;
};

}  // namespace

std::unique_ptr<ProviderFactory> make_etcd_factory(std::optional<std::uint64_t> seed) {
  return std::make_unique<EtcdFactory>(seed);
}

}  // namespace rollcall
