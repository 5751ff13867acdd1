#include "deploy/rollcalld/control_plane.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/codec/descriptor_codec.h"
#include "core/limits.h"
#include "providers/catalog.h"
#include "providers/etcd/etcd_store.h"
#include "provisioning/announce/announce_sample.h"
#include "provisioning/config/config_loader.h"
#include "provisioning/service/metrics_sample.h"

namespace rollcall {
namespace {

constexpr auto kScrapeAnswer = std::chrono::seconds(5);  // below Prometheus' own 10 s
constexpr auto kLiveAnswer = std::chrono::seconds(2);
constexpr auto kListsAnswer = std::chrono::seconds(1);  // to the announcing thread
constexpr std::string_view kSharedStore = "etcd";       // of rollcall_store_writes_total

OperatorNotice::Level level_of(FleetNews::Level level) {
  switch (level) {
    case FleetNews::Level::Info:
      return OperatorNotice::Level::Info;
    case FleetNews::Level::Warning:
      return OperatorNotice::Level::Warning;
    case FleetNews::Level::Error:
      return OperatorNotice::Level::Error;
  }
  return OperatorNotice::Level::Error;
}

bool any_from_config(const ProviderRegistry::View& view) {
  return std::any_of(view.providers.begin(), view.providers.end(), [](const AcceptedProvider& a) {
    return a.descriptor.origin == Origin::Config;
  });
}

}  // namespace

Result<std::unique_ptr<ControlPlane>> ControlPlane::start(Config config, LineLogger& logger,
                                                          std::string_view version) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane(std::move(config), logger, version));
  if (auto ok = plane->open_state(); !ok) return tl::unexpected(std::move(ok.error()));
  if (auto ok = plane->open_registry(); !ok) return tl::unexpected(std::move(ok.error()));
  if (auto ok = plane->start_service(); !ok) return tl::unexpected(std::move(ok.error()));
  plane->make_announcing();
  if (plane->follower_) plane->follower_->start();
  return plane;
}

ControlPlane::ControlPlane(Config config, LineLogger& logger, std::string_view version)
    : config_(std::move(config)),
      logger_(logger),
      started_(clock_.now()),
      metrics_(version),
      telemetry_(clock_, logger, metrics_, operators_),
      catalog_(builtin_catalog()) {}

ControlPlane::~ControlPlane() {
  if (announcing_) announcing_->stop();
  leave_fleet();
  if (registry_) registry_->set_listener({});
  if (service_) service_->stop();
}

Result<void> ControlPlane::open_state() {
  const std::string holder =
      "rollcalld, process " + std::to_string(getpid()) + ", cluster " + config_.cluster;
  auto directory = StateDirectory::open(files_, config_.state_dir, holder);
  if (!directory) return tl::unexpected(std::move(directory.error()));
  directory_.emplace(std::move(*directory));
  state_ = std::make_unique<StateFiles>(files_, directory_->path());
  auto boot = read_boot_state(*state_, clock_, config_.failover.block_lifetime);
  if (!boot) return tl::unexpected(std::move(boot.error()));
  boot_ = std::move(*boot);
  return {};
}

Result<void> ControlPlane::open_registry() {
  const ProviderContext context{&clock_, &files_, directory_->path()};
  validator_ = std::make_unique<ProviderValidator>(*catalog_, context,
                                                   config_.admission.connectivity_deadline);
  validator_->set_on_checked([this](const ProviderId&, std::optional<ErrorCode> error,
                                    Duration took) { metrics_.connectivity_checked(error, took); });
  const bool fleet = config_.store.kind == StoreKind::Etcd;
  if (auto ok = fleet ? open_fleet_store() : open_file_store(); !ok) return ok;
  registry_->set_on_stored(
      clock_, [this](std::string_view file, const WriteOutcome* failure, Duration took) {
        const auto outcome = failure == nullptr ? StoreOutcome::Ok
                             : failure->unknown ? StoreOutcome::Unknown
                                                : StoreOutcome::Failed;
        const bool shared = fleet_ != nullptr && file == kProvidersFile;
        metrics_.store_written(shared ? kSharedStore : file, outcome, took);
      });
  pool_ = std::make_unique<ProviderPool>(*catalog_, context);
  if (follower_) {
    // What the fleet has now, if it can be had at once; else what is here, until it can.
    follower_->look_once();
    return {};
  }
  auto applied = config_.from_file ? apply_providers(config_, ProviderRegistry::When::Start)
                                   : registry_->seed_default();
  if (!applied) return tl::unexpected(std::move(applied.error()));
  return {};
}

Result<void> ControlPlane::open_file_store() {
  store_ = std::make_unique<FileProviderStore>(files_, directory_->path());
  auto registry = ProviderRegistry::open(*store_, state_.get(), *validator_);
  if (!registry) return tl::unexpected(std::move(registry.error()));
  registry_ = std::move(*registry);
  return {};
}

Result<void> ControlPlane::open_fleet_store() {
  const Config::Store& wanted = config_.store;
  const EtcdStoreTarget target{wanted.endpoints, wanted.auth, wanted.tls_server_name, wanted.key};
  fleet_document_ = std::make_unique<EtcdStore>(target, clock_);
  followed_document_ = std::make_unique<EtcdStore>(target, clock_);
  FleetStore::Options options{directory_->path(), wanted.key, "etcd key " + wanted.key,
                              std::max<std::uint64_t>(random_bits(), 1)};
  auto store = std::make_unique<FleetStore>(
      files_, clock_, *fleet_document_, std::move(options), [this](const FleetNews& news) {
        telemetry_.tell(level_of(news.level), news.event, {}, news.code, news.message);
      });
  auto registry = ProviderRegistry::open(*store, state_.get(), *validator_);
  if (!registry) return tl::unexpected(std::move(registry.error()));
  fleet_ = store.get();
  store_ = std::move(store);
  registry_ = std::move(*registry);
  follower_ = std::make_unique<FleetFollower>(*fleet_, *registry_, *followed_document_, clock_,
                                              random_bits());
  return {};
}

void ControlPlane::leave_fleet() {
  if (!follower_) return;
  fleet_document_->cancel();
  follower_->stop();
}

StoreStatus ControlPlane::store_status() const {
  if (fleet_ != nullptr) return fleet_->status();
  StoreStatus status;
  status.where = directory_->path() + "/" + std::string(kProvidersFile);
  return status;
}

// A file without `providers:` takes back what an earlier one brought, because nobody else may. No
// file at all says nothing about them, at the start as at a reload.
Result<RegistryChange> ControlPlane::apply_providers(const Config& wanted,
                                                     ProviderRegistry::When when) {
  if (fleet_ != nullptr) return RegistryChange{registry_->view()->revision, {}, std::nullopt};
  const bool takes_back = wanted.from_file && any_from_config(*registry_->view());
  if (!wanted.has_providers && !takes_back)
    return RegistryChange{registry_->view()->revision, {}, std::nullopt};
  return registry_->apply_config(wanted.providers, when, wanted.admission.allow_unreachable);
}

Result<void> ControlPlane::start_service() {
  auto entries = pool_->update(registry_->view()->providers, /*strict=*/true);
  if (!entries) return tl::unexpected(std::move(entries.error()));

  HubOptions hub;
  hub.epoch = boot_.epoch;
  hub.first_seq = make_seq(boot_.boot, 1);
  hub.cluster = config_.cluster;
  hub.log_bytes = config_.hub.log_bytes;
  hub.max_subscribers = config_.grpc.max_subscribers;
  hub.bookmark_every = config_.hub.bookmark_every;
  hub.write_stall = config_.hub.write_stall;
  hub_ = std::make_unique<WatchHub>(hub, event_encoder_, snapshot_encoder_);

  CoreOptions core;
  core.boot = boot_.boot;
  core.epoch = boot_.epoch;
  core.seed = boot_.seed;
  core.policy = config_.failover;
  core.log_bytes = config_.hub.log_bytes;
  ProvisioningService::Dependencies deps;
  deps.clock = &clock_;
  deps.hub = hub_.get();
  deps.state = state_.get();
  deps.telemetry = &telemetry_;
  deps.make_provider = [this](const ProviderDescriptor& d) { return pool_->make_again(d); };
  deps.topology_save_every = config_.lifecycle.topology_save_every;
  service_ = std::make_unique<ProvisioningService>(std::move(deps), core);

  input::Start first;
  for (const ProviderEntry& e : *entries) first.providers.push_back(e.spec);
  first.blocks = std::move(boot_.blocks);
  first.held = std::move(boot_.held);
  first.cached = std::move(boot_.cached);
  registry_->set_listener([this](const std::vector<AcceptedProvider>& accepted, Revision revision,
                                 const std::vector<ProviderId>& release_holds) {
    providers_changed(accepted, revision, release_holds);
  });
  service_->start(std::move(first), std::move(*entries));
  hub_threads_ = std::make_unique<HubThreads>(
      *hub_, clock_, [this](Duration took) { metrics_.snapshot_encoded(took); });
  return {};
}

// Nothing here is needed to serve, and nothing of it can fail the start.
void ControlPlane::make_announcing() {
  const Config::Announce& wanted = config_.announce;
  if (wanted.providers.empty()) return;
  Announcing::Options options;
  options.providers = wanted.providers;
  options.what = {wanted.node, wanted.socket, wanted.ttl};
  for (const ListenAddress& address : config_.grpc.listen) {
    if (options.what.socket.empty() && address.is_unix) options.what.socket = address.path;
  }
  options.seed = boot_.seed + 1;  // another sequence than the core's
  Announcing::Dependencies deps;
  deps.clock = &clock_;
  deps.telemetry = &telemetry_;
  deps.find = [this](const ProviderId& id) { return pool_->find(id); };
  deps.status = [this] { return service_->status(kListsAnswer); };
  announcing_ = std::make_unique<Announcing>(std::move(deps), options);
}

// The registry's listener: on the thread of the write, in the order of the revisions.
void ControlPlane::providers_changed(const std::vector<AcceptedProvider>& accepted,
                                     Revision revision,
                                     const std::vector<ProviderId>& release_holds) {
  auto entries = pool_->update(accepted);
  if (!entries) return;  // only a strict update fails
  telemetry_.tell(OperatorNotice::Level::Info, "providers_changed", {}, std::nullopt,
                  "revision " + std::to_string(revision.value()) + ", " +
                      std::to_string(accepted.size()) + " providers");
  std::optional<FailoverPolicy> policy;
  {
    std::lock_guard lock(reload_mutex_);
    if (reload_ && reload_->thread == std::this_thread::get_id()) {
      policy = reload_->policy;
      reload_->handed_over = true;
    }
  }
  service_->set_providers(std::move(*entries), release_holds, nullptr, std::move(policy));
  if (announcing_) announcing_->providers_changed();
}

Result<void> ControlPlane::reload(Config wanted) {
  if (auto ok = check_reload(config_, wanted); !ok) return ok;
  {
    std::lock_guard lock(reload_mutex_);
    reload_ = Reload{std::this_thread::get_id(), wanted.failover, false};
  }
  // The only part that can fail comes first; what follows cannot.
  auto applied = apply_providers(wanted, ProviderRegistry::When::Reload);
  bool handed_over = false;
  {
    std::lock_guard lock(reload_mutex_);
    handed_over = reload_->handed_over;
    reload_.reset();
  }
  if (!applied) return tl::unexpected(std::move(applied.error()));
  if (!handed_over) service_->set_policy(wanted.failover);
  logger_.set_level(wanted.log.level);
  logger_.set_format(wanted.log.format);
  config_ = std::move(wanted);
  return {};
}

Result<std::string> ControlPlane::metrics_text() {
  auto status = service_->status(kScrapeAnswer);
  if (!status) return tl::unexpected(std::move(status.error()));
  SampleSources sources;
  sources.status = &*status;
  sources.hub = hub_->stats();
  sources.consumers = hub_->consumers();
  sources.revision = registry_->view()->revision;
  sources.store = store_status();
  sources.commands_queued = service_->commands_waiting();
  sources.uptime = clock_.now() - started_;
  MetricsSample sample = make_sample(sources);
  if (announcing_) add_announcements(announcing_->status(), sample);
  return metrics_.expose(sample);
}

Result<std::vector<ProviderListing>> ControlPlane::listings() {
  const auto status = service_->status(kLiveAnswer);
  if (!status) return tl::unexpected(status.error());
  std::vector<const ProviderStatus*> ranked;
  for (const ProviderStatus& provider : status->providers) ranked.push_back(&provider);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto* a, const auto* b) {
    return a->spec.descriptor.priority > b->spec.descriptor.priority;
  });
  std::vector<ProviderListing> listings;
  for (const ProviderStatus* provider : ranked) {
    listings.push_back({provider->spec.descriptor.id, provider->view});
  }
  return listings;
}

Result<void> ControlPlane::alive() {
  if (service_->settle(kLiveAnswer)) return {};
  return fail(ErrorCode::Timeout, "the service thread does not answer");
}

}  // namespace rollcall
