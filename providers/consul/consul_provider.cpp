#include "providers/consul/consul_provider.h"

#include <utility>

#include "core/limits.h"
#include "providers/common/cancel.h"
#include "providers/common/endpoint_errors.h"
#include "providers/consul/consul_announcer.h"
#include "providers/consul/consul_answer.h"
#include "providers/consul/consul_client.h"
#include "providers/consul/consul_settings.h"
#include "providers/consul/consul_stream.h"
#include "providers/consul/limits.h"

namespace rollcall {
namespace {

class ConsulProvider : public ClusterProvider {
 public:
  ConsulProvider(ProviderDescriptor d, const Clock& clock)
      : descriptor_(std::move(d)),
        clock_(clock),
        settings_(std::make_shared<const ConsulSettings>(consul_settings(descriptor_))),
        history_(std::make_shared<ConsulHistory>(settings_->endpoints.size())) {}

  const ProviderDescriptor& descriptor() const override { return descriptor_; }

  Result<Capabilities> check_connectivity(MonoTime deadline) override {
    auto answer = read(deadline);
    if (answer) return Capabilities{};
    if (answer.error().code == ErrorCode::CapabilityMissing) {
      return Capabilities{false, answer.error().message};  // R1.3: kept, and not activated
    }
    return tl::unexpected(std::move(answer.error()));
  }

  Result<ProviderSnapshot> initial_snapshot(MonoTime deadline) override { return read(deadline); }

  std::unique_ptr<ProviderStream> stream() override {
    return std::make_unique<ConsulStream>(settings_, descriptor_.auth, history_, clock_);
  }

  std::unique_ptr<Announcer> announcer(const Announcement& what) override {
    return make_consul_announcer(settings_, descriptor_.auth, what, clock_);
  }

  // The longest silence of an agent that answers: lower limits of failover go with a lower wait_ms.
  Duration attest_interval() const override {
    return settings_->wait + settings_->wait / 16 + limits::kConsulAnswerMargin;
  }

 private:
  // From the first endpoint that answers; each has an equal share of the time that is left.
  Result<ProviderSnapshot> read(MonoTime deadline) {
    const Cancel never;
    ConsulClient client(*settings_, descriptor_.auth, {clock_, never});
    EndpointErrors errors;
    for (std::size_t left = client.endpoints(); left > 0; --left) {
      const MonoTime now = clock_.now();
      auto answer = read_one(client, now + (deadline - now) / static_cast<std::int64_t>(left));
      if (answer) return answer;
      errors.add(answer.error());
      if (!may_differ_elsewhere(answer.error().code)) break;
      client.next_endpoint();
    }
    return fail(errors.code(), errors.detail());
  }

  Result<ProviderSnapshot> read_one(ConsulClient& client, MonoTime deadline) {
    auto reply = client.ask(0, deadline);
    while (reply) {
      auto members = parse_members(reply->body, *settings_);
      if (!members) return tl::unexpected(std::move(members.error()));
      if (!is_doubtful(*reply, *members, *history_)) {
        return ProviderSnapshot{std::move(*members), std::to_string(reply->index),
                                history_->lineage(), reply->times};
      }
      reply = client.prove(std::move(*reply), deadline);  // then it is not masked any more
    }
    return tl::unexpected(std::move(reply.error()));
  }

  const ProviderDescriptor descriptor_;
  const Clock& clock_;
  const std::shared_ptr<const ConsulSettings> settings_;
  const std::shared_ptr<ConsulHistory> history_;
};

class ConsulFactory : public ProviderFactory {
 public:
  const KindInfo& info() const override { return consul_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    return validate_consul(d, field);
  }

  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext& context) const override {
    if (auto problems = validate(d, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "provider " + d.id.str(), std::move(problems));
    }
    return std::make_unique<ConsulProvider>(d, *context.clock);
  }
};

}  // namespace

std::unique_ptr<ProviderFactory> make_consul_factory() { return std::make_unique<ConsulFactory>(); }

}  // namespace rollcall
