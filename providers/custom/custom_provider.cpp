#include "providers/custom/custom_provider.h"

#include <algorithm>
#include <utility>

#include "providers/common/cancel.h"
#include "providers/custom/custom_announcer.h"
#include "providers/custom/custom_stream.h"
#include "providers/custom/grpc_up.h"
#include "providers/custom/limits.h"
#include "providers/custom/plugin_connection.h"
#include "providers/custom/plugin_messages.h"
#include "providers/custom/plugin_settings.h"

namespace rollcall {
namespace {

class CustomProvider : public ClusterProvider {
 public:
  CustomProvider(ProviderDescriptor d, std::shared_ptr<LeftPlugins> left, const Clock& clock)
      : descriptor_(std::move(d)),
        clock_(clock),
        settings_(settings_of(descriptor_, std::move(left))),
        history_(std::make_shared<PluginHistory>()) {}

  const ProviderDescriptor& descriptor() const override { return descriptor_; }

  Result<Capabilities> check_connectivity(MonoTime deadline) override {
    const Cancel never;
    const Io io{clock_, never};
    CurrentCall current;
    auto connection = PluginConnection::open(*settings_, start_by(deadline), io, current);
    Result<void> able =
        connection ? (*connection)->can_watch() : tl::unexpected(connection.error());
    if (!able && able.error().code == ErrorCode::CapabilityMissing) {
      return Capabilities{false, able.error().message};  // R1.3: kept, and not activated
    }
    if (!able) return tl::unexpected(std::move(able.error()));
    auto answer = (*connection)->session().check(within(limits::kPluginCheckTimeout, deadline));
    if (answer && !answer->has_failure()) return Capabilities{};
    ProvisioningError error =
        answer ? failure_from_plugin(answer->failure()) : std::move(answer.error());
    return tl::unexpected((*connection)->explain(std::move(error), false, io));
  }

  Result<ProviderSnapshot> initial_snapshot(MonoTime deadline) override {
    const Cancel never;
    const Io io{clock_, never};
    CurrentCall current;
    auto connection = PluginConnection::open(*settings_, start_by(deadline), io, current);
    if (!connection) return tl::unexpected(std::move(connection.error()));
    std::uint64_t history = 0;
    auto answer =
        (*connection)->snapshot(within(limits::kPluginSnapshotTransfer, deadline), clock_, history);
    if (!answer) return tl::unexpected((*connection)->explain(std::move(answer.error()), true, io));
    answer->lineage = history_->note(history);
    return answer;
  }

  std::unique_ptr<ProviderStream> stream() override {
    return std::make_unique<CustomStream>(settings_, history_, clock_);
  }

  std::unique_ptr<Announcer> announcer(const Announcement& what) override {
    return make_custom_announcer(settings_, what, clock_);
  }

  Duration attest_interval() const override { return settings_->attest; }

 private:
  static std::shared_ptr<const PluginSettings> settings_of(const ProviderDescriptor& d,
                                                           std::shared_ptr<LeftPlugins> left) {
    auto settings = std::make_shared<PluginSettings>(plugin_settings(d));
    settings->left = std::move(left);
    return settings;
  }
  MonoTime within(Duration at_most, MonoTime deadline) const {
    return std::min(deadline, clock_.now() + at_most);
  }
  MonoTime start_by(MonoTime deadline) const { return within(settings_->start, deadline); }

  const GrpcUp grpc_up_;
  const ProviderDescriptor descriptor_;
  const Clock& clock_;
  const std::shared_ptr<const PluginSettings> settings_;
  const std::shared_ptr<PluginHistory> history_;
};

class CustomFactory : public ProviderFactory {
 public:
  const KindInfo& info() const override { return custom_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    return validate_custom(d, field);
  }

  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext& context) const override {
    if (auto problems = validate(d, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "provider " + d.id.str(), std::move(problems));
    }
    return std::make_unique<CustomProvider>(d, left_, *context.clock);
  }

 private:
  const std::shared_ptr<LeftPlugins> left_ = std::make_shared<LeftPlugins>();
};

}  // namespace

std::unique_ptr<ProviderFactory> make_custom_factory() { return std::make_unique<CustomFactory>(); }

}  // namespace rollcall
