#include "providers/dns/dns_provider.h"

#include <atomic>
#include <string>
#include <utility>

#include "providers/common/jitter.h"
#include "providers/dns/dns_client.h"
#include "providers/dns/dns_settings.h"
#include "providers/dns/dns_stream.h"
#include "providers/dns/limits.h"

namespace rollcall {
namespace {

class DnsProvider : public ClusterProvider {
 public:
  DnsProvider(ProviderDescriptor d, std::uint64_t seed, const Clock& clock)
      : descriptor_(std::move(d)),
        clock_(clock),
        settings_(std::make_shared<const DnsSettings>(dns_settings(descriptor_))),
        seed_(seed) {}

  const ProviderDescriptor& descriptor() const override { return descriptor_; }

  Result<Capabilities> check_connectivity(MonoTime deadline) override {
    auto answer = initial_snapshot(deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    return Capabilities{};
  }

  Result<ProviderSnapshot> initial_snapshot(MonoTime deadline) override {
    const Cancel never;
    std::size_t first = 0;
    auto reply = look_up_anywhere(*settings_, first, deadline, {clock_, never});
    if (!reply) return tl::unexpected(std::move(reply.error()));
    return ProviderSnapshot{std::move(reply->members.members),
                            "ttl=" + std::to_string(reply->members.ttl.count()), 0, reply->times};
  }

  std::unique_ptr<ProviderStream> stream() override {
    return std::make_unique<DnsStream>(settings_, seed_ + streams_++, clock_);
  }

  // From one answer to the next: the longest interval, what it is lengthened by, and the look-up.
  Duration attest_interval() const override {
    const auto longest =
        static_cast<double>(settings_->max_ttl.count()) * (1.0 + limits::kDnsJitter);
    return Duration(static_cast<Duration::rep>(longest)) +
           limits::kDnsRoundTimeouts * settings_->timeout;
  }

 private:
  const ProviderDescriptor descriptor_;
  const Clock& clock_;
  const std::shared_ptr<const DnsSettings> settings_;
  const std::uint64_t seed_;
  std::atomic<std::uint64_t> streams_{0};
};

class DnsFactory : public ProviderFactory {
 public:
  explicit DnsFactory(std::optional<std::uint64_t> seed) : seed_(seed) {}

  const KindInfo& info() const override { return dns_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    return validate_dns(d, field);
  }

  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext& context) const override {
    if (auto problems = validate(d, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "provider " + d.id.str(), std::move(problems));
    }
    const std::uint64_t seed = seed_ ? *seed_ : random_seed(*context.clock);
    return std::make_unique<DnsProvider>(d, seed, *context.clock);
  }

 private:
  const std::optional<std::uint64_t> seed_;
};

}  // namespace

std::unique_ptr<ProviderFactory> make_dns_factory(std::optional<std::uint64_t> seed) {
  return std::make_unique<DnsFactory>(seed);
}

}  // namespace rollcall
