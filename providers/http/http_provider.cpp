#include "providers/http/http_provider.h"

#include <atomic>
#include <utility>

#include "providers/common/endpoint_errors.h"
#include "providers/common/jitter.h"
#include "providers/http/http_sd_answer.h"
#include "providers/http/http_sd_client.h"
#include "providers/http/http_sd_settings.h"
#include "providers/http/http_sd_stream.h"
#include "providers/http/limits.h"

namespace rollcall {
namespace {

class HttpSdProvider : public ClusterProvider {
 public:
  HttpSdProvider(ProviderDescriptor d, std::uint64_t seed, const Clock& clock)
      : descriptor_(std::move(d)),
        clock_(clock),
        settings_(std::make_shared<const HttpSdSettings>(http_sd_settings(descriptor_))),
        seed_(seed) {}

  const ProviderDescriptor& descriptor() const override { return descriptor_; }

  Result<Capabilities> check_connectivity(MonoTime deadline) override {
    auto answer = initial_snapshot(deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    return Capabilities{};
  }

  // From the first URL that answers; each has an equal share of the time that is left.
  Result<ProviderSnapshot> initial_snapshot(MonoTime deadline) override {
    const Cancel never;
    HttpSdClient client(*settings_, descriptor_.auth, {clock_, never});
    EndpointErrors errors;
    for (std::size_t left = client.urls(); left > 0; --left) {
      const MonoTime now = clock_.now();
      auto reply = client.ask({}, now + (deadline - now) / static_cast<std::int64_t>(left));
      ProvisioningError error;
      if (reply) {
        auto members = parse_http_sd(reply->body, *settings_);
        if (members) {
          return ProviderSnapshot{std::move(*members), reply->shown_etag, 0, reply->times};
        }
        error = client.told(std::move(members.error()));
      } else {
        error = std::move(reply.error());
      }
      errors.add(error);
      if (!may_differ_elsewhere(error.code)) break;
      client.next_url();
    }
    return fail(errors.code(), errors.detail());
  }

  std::unique_ptr<ProviderStream> stream() override {
    return std::make_unique<HttpSdStream>(settings_, descriptor_.auth, seed_ + streams_++, clock_);
  }

  // From one answer to the next: the interval, what it is lengthened by, and the answer itself.
  Duration attest_interval() const override {
    const auto longest =
        static_cast<double>(settings_->refresh.count()) * (1.0 + limits::kHttpSdRefreshJitter);
    return Duration(static_cast<Duration::rep>(longest)) + settings_->timeout;
  }

 private:
  const ProviderDescriptor descriptor_;
  const Clock& clock_;
  const std::shared_ptr<const HttpSdSettings> settings_;
  const std::uint64_t seed_;
  std::atomic<std::uint64_t> streams_{0};
};

class HttpFactory : public ProviderFactory {
 public:
  explicit HttpFactory(std::optional<std::uint64_t> seed) : seed_(seed) {}

  const KindInfo& info() const override { return http_sd_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    return validate_http_sd(d, field);
  }

  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext& context) const override {
    if (auto problems = validate(d, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "provider " + d.id.str(), std::move(problems));
    }
    const std::uint64_t seed = seed_ ? *seed_ : random_seed(*context.clock);
    return std::make_unique<HttpSdProvider>(d, seed, *context.clock);
  }

 private:
  const std::optional<std::uint64_t> seed_;
};

}  // namespace

std::unique_ptr<ProviderFactory> make_http_factory(std::optional<std::uint64_t> seed) {
  return std::make_unique<HttpFactory>(seed);
}

}  // namespace rollcall
