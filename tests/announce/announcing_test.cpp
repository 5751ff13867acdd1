// The announcing thread with a backend that does what a test wants of it: hangs, forgets, refuses,
// throws; providers come, go and are replaced meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "core/codec/canonical.h"
#include "provisioning/announce/announce_sample.h"
#include "provisioning/announce/announcing.h"
#include "tests/service/service_fixture.h"

namespace rollcall::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

// What a backend knows, and how it behaves.
struct Backend {
  std::mutex mutex;  // guards all
  std::condition_variable changed;
  bool known = false;
  bool listed = true;  // the provider's own list has what is known
  bool hangs = false;
  bool hanging = false;  // a call is in it
  bool throws = false;
  std::optional<ErrorCode> fails;
  int registered = 0;
  int renewed = 0;
  int withdrawn = 0;
  std::string name = "place";

  template <class Change>
  void set(const Change& change) {
    const std::lock_guard lock(mutex);
    change(*this);
    changed.notify_all();
  }
  template <class Value>
  auto get(const Value& value) {
    const std::lock_guard lock(mutex);
    return value(*this);
  }
};

class ScriptedAnnouncer final : public Announcer {
 public:
  explicit ScriptedAnnouncer(std::shared_ptr<Backend> backend)
      : backend_(std::move(backend)), name_(backend_->get([](Backend& b) { return b.name; })) {}

  const std::string& registration() const override { return name_; }
  Result<Announced> register_node(MonoTime) override {
    std::unique_lock lock(backend_->mutex);
    if (auto able = behave(lock); !able) return tl::unexpected(able.error());
    ++backend_->registered;
    backend_->known = true;
    return Announced{300ms, NodeId("n1")};
  }
  Result<Standing> renew(MonoTime) override {
    std::unique_lock lock(backend_->mutex);
    if (auto able = behave(lock); !able) return tl::unexpected(able.error());
    if (!backend_->known) return Standing::NotKnown;
    ++backend_->renewed;
    return Standing::Known;
  }
  Result<void> withdraw(MonoTime) override {
    std::unique_lock lock(backend_->mutex);
    if (auto able = behave(lock); !able) return able;
    ++backend_->withdrawn;
    backend_->known = false;
    return {};
  }
  void cancel() noexcept override {
    const std::lock_guard lock(backend_->mutex);
    cancelled_ = true;
    backend_->changed.notify_all();
  }

 private:
  Result<void> behave(std::unique_lock<std::mutex>& lock) {
    if (backend_->throws) throw std::runtime_error("scripted");
    backend_->hanging = backend_->hangs;
    backend_->changed.wait(lock, [&] { return !backend_->hangs || cancelled_; });
    backend_->hanging = false;
    if (cancelled_) return fail(ErrorCode::ShuttingDown, "cancelled");
    if (backend_->fails) return fail(*backend_->fails, "scripted refusal");
    return {};
  }

  const std::shared_ptr<Backend> backend_;
  const std::string name_;
  bool cancelled_ = false;  // guarded by the backend's mutex
};

class AnnouncingProvider final : public ClusterProvider {
 public:
  AnnouncingProvider(std::string id, std::shared_ptr<Backend> backend)
      : descriptor_(scripted(id)), backend_(std::move(backend)) {}
  const ProviderDescriptor& descriptor() const override { return descriptor_; }
  Result<Capabilities> check_connectivity(MonoTime) override { return Capabilities{}; }
  Result<ProviderSnapshot> initial_snapshot(MonoTime) override { return ProviderSnapshot{}; }
  std::unique_ptr<ProviderStream> stream() override { return nullptr; }
  Duration attest_interval() const override { return 5s; }
  std::unique_ptr<Announcer> announcer(const Announcement&) override {
    if (!backend_) return nullptr;
    return std::make_unique<ScriptedAnnouncer>(backend_);
  }
  Backend* backend() { return backend_.get(); }

 private:
  const ProviderDescriptor descriptor_;
  const std::shared_ptr<Backend> backend_;
};

class AnnouncingTest : public ::testing::Test {
 protected:
  ~AnnouncingTest() override {
    for (auto& [id, backend] : backends_) backend->set([](Backend& b) { b.hangs = false; });
    announcing_.reset();
  }
  Backend& backend(const std::string& id) {
    auto& made = backends_[id];
    if (!made) made = std::make_shared<Backend>();
    return *made;
  }
  void add(const std::string& id) {
    backend(id);
    const std::lock_guard lock(mutex_);
    providers_[ProviderId(id)] = std::make_shared<AnnouncingProvider>(id, backends_[id]);
  }
  void add_unable(const std::string& id) {
    const std::lock_guard lock(mutex_);
    providers_[ProviderId(id)] = std::make_shared<AnnouncingProvider>(id, nullptr);
  }
  void remove(const std::string& id) {
    {
      const std::lock_guard lock(mutex_);
      providers_.erase(ProviderId(id));
    }
    announcing_->providers_changed();
  }
  void start(const std::vector<std::string>& ids) {
    Announcing::Options options;
    for (const std::string& id : ids) options.providers.emplace_back(id);
    options.what.node = node("n1");
    options.what.ttl = 300ms;
    options.seed = 7;
    Announcing::Dependencies deps;
    deps.clock = &clock_;
    deps.telemetry = &telemetry_;
    deps.find = [this](const ProviderId& id) -> std::shared_ptr<ClusterProvider> {
      const std::lock_guard lock(mutex_);
      const auto found = providers_.find(id);
      return found == providers_.end() ? nullptr : found->second;
    };
    deps.status = [this] { return lists(); };
    announcing_ = std::make_unique<Announcing>(std::move(deps), options);
    announcing_->start();
  }
  // The providers' own lists as the backends want them to be, confirmed now.
  Result<ServiceStatus> lists() {
    ServiceStatus status;
    const std::lock_guard lock(mutex_);
    if (busy_) return fail(ErrorCode::Timeout, "busy");
    for (const auto& [id, provider] : providers_) {
      ProviderStatus p;
      p.spec.descriptor = provider->descriptor();
      p.ever_answered = true;
      p.health = HealthState::Healthy;
      p.confirmed_at = clock_.now();
      Backend* backend = provider->backend();
      if (backend && backend->get([](Backend& b) { return b.known && b.listed; })) {
        p.view = p.view.with(make_member(node("n1")));
      }
      status.providers.push_back(std::move(p));
    }
    return status;
  }
  AnnounceStatus status(std::size_t i = 0) { return announcing_->status().at(i); }
  void wait_for(const std::string& what, const std::function<bool()>& condition) {
    const MonoTime limit = clock_.now() + 60s;
    std::unique_lock lock(pause_mutex_);
    while (!condition()) {
      ASSERT_LT(clock_.now(), limit) << what << ", " << to_string(status().state);
      pause_.wait_for(lock, 2ms);
    }
  }
  void wait_for_state(AnnounceState state, std::size_t i = 0) {
    wait_for(std::string(to_string(state)), [&] { return status(i).state == state; });
  }
  std::vector<std::string> told() {
    std::vector<std::string> events;
    for (const OperatorNotice& n : operators_.read(0, 256)) events.push_back(n.event);
    return events;
  }

  RealClock clock_;
  NullLogger logger_;
  ProvisioningMetrics metrics_{"test"};
  OperatorLog operators_;
  ServiceTelemetry telemetry_{clock_, logger_, metrics_, operators_};
  std::map<std::string, std::shared_ptr<Backend>> backends_;
  std::mutex mutex_;  // guards what follows
  std::map<ProviderId, std::shared_ptr<AnnouncingProvider>> providers_;
  bool busy_ = false;
  std::mutex pause_mutex_;  // guards nothing: a pause between two looks
  std::condition_variable pause_;
  std::unique_ptr<Announcing> announcing_;
};

TEST_F(AnnouncingTest, AProviderThatComesLaterIsAnnouncedThroughThen) {
  start({"p"});
  EXPECT_EQ(status().state, AnnounceState::Waiting);
  wait_for("told", [&] { return !told().empty(); });
  EXPECT_THAT(told(), Contains("announce_waiting"));
  add("p");
  announcing_->providers_changed();
  wait_for_state(AnnounceState::Listed);
  EXPECT_EQ(status().listed_as, NodeId("n1"));
  EXPECT_EQ(status().registrations, 1u);
  EXPECT_TRUE(status().last_success.has_value());
  wait_for("renewed", [&] { return status().renewals >= 3; });
  EXPECT_EQ(status().registrations, 1u);
}

TEST_F(AnnouncingTest, ABackendThatForgetsIsToldAgain) {
  add("p");
  start({"p"});
  wait_for_state(AnnounceState::Listed);
  backend("p").set([](Backend& b) { b.known = false; });
  wait_for("registered again", [&] { return status().registrations >= 2; });
  wait_for_state(AnnounceState::Listed);
  EXPECT_GE(status().lost, 1u);
  EXPECT_THAT(told(), Contains("announce_lost"));
}

TEST_F(AnnouncingTest, OneThatIsMissingInTheListIsCountedAndRegisteredAgain) {
  add("p");
  backend("p").set([](Backend& b) { b.listed = false; });
  start({"p"});
  wait_for_state(AnnounceState::Missing);
  EXPECT_EQ(status().missing, 1u);
  wait_for("registered again", [&] { return status().registrations >= 3; });
  EXPECT_THAT(told(), Contains("announce_missing"));
  backend("p").set([](Backend& b) { b.listed = true; });
  wait_for_state(AnnounceState::Listed);
  MetricsSample sample;
  add_announcements(announcing_->status(), sample);
  const std::string page = metrics_.expose(sample);
  EXPECT_THAT(page, HasSubstr(R"(rollcall_announce_missing_total{provider="p"} 1)"));
  EXPECT_THAT(page, HasSubstr(R"(rollcall_announce_state{provider="p",state="LISTED"} 1)"));
  EXPECT_THAT(page, HasSubstr(R"(rollcall_announce_last_success_timestamp_seconds{provider="p"})"));
}

TEST_F(AnnouncingTest, ABusyServiceIsNoNewsAboutTheList) {
  add("p");
  start({"p"});
  wait_for_state(AnnounceState::Listed);
  {
    const std::lock_guard lock(mutex_);
    busy_ = true;
  }
  const std::uint64_t renewals = status().renewals;
  wait_for("renewed", [&] { return status().renewals >= renewals + 20; });
  EXPECT_EQ(status().state, AnnounceState::Listed);
}

TEST_F(AnnouncingTest, AFailureIsToldOnceAndStaysVisible) {
  add("p");
  backend("p").set([](Backend& b) { b.fails = ErrorCode::PermissionDenied; });
  start({"p"});
  wait_for("failed", [&] { return status().last_error.has_value(); });
  EXPECT_EQ(status().last_error, ErrorCode::PermissionDenied);
  EXPECT_EQ(status().last_error_detail, "scripted refusal");
  const auto failures = [&] {
    const std::string page = metrics_.expose({});
    const std::string series =
        R"(rollcall_announce_calls_total{call="register",code="PERMISSION_DENIED",provider="p"} )";
    const std::size_t at = page.find(series);
    return at == std::string::npos ? 0 : std::stoi(page.substr(at + series.size()));
  };
  wait_for("several attempts", [&] { return failures() >= 4; });
  const auto events = told();
  EXPECT_EQ(std::count(events.begin(), events.end(), "announce_failed"), 1);
  backend("p").set([](Backend& b) { b.fails.reset(); });
  wait_for_state(AnnounceState::Listed);
  EXPECT_FALSE(status().last_error.has_value());
}

TEST_F(AnnouncingTest, AnAnnouncerThatThrowsIsAnError) {
  add("p");
  backend("p").set([](Backend& b) { b.throws = true; });
  start({"p"});
  wait_for("failed", [&] { return status().last_error.has_value(); });
  EXPECT_EQ(status().last_error, ErrorCode::BackendUnavailable);
  backend("p").set([](Backend& b) { b.throws = false; });
  wait_for_state(AnnounceState::Listed);
}

TEST_F(AnnouncingTest, AKindThatCannotIsSaid) {
  add_unable("p");
  start({"p"});
  wait_for_state(AnnounceState::Unable);
  EXPECT_EQ(status().last_error, ErrorCode::CapabilityMissing);
  EXPECT_THAT(status().last_error_detail, HasSubstr("kind scripted cannot announce"));
  EXPECT_THAT(told(), Contains("announce_unable"));
}

TEST_F(AnnouncingTest, ARemovedProviderIsWithdrawnFrom) {
  add("p");
  start({"p"});
  wait_for_state(AnnounceState::Listed);
  remove("p");
  wait_for_state(AnnounceState::Waiting);
  wait_for("withdrawn",
           [&] { return backend("p").get([](Backend& b) { return b.withdrawn; }) == 1; });
}

TEST_F(AnnouncingTest, AReplacedProviderOfTheSamePlaceNeverLeavesIt) {
  add("p");
  start({"p"});
  wait_for_state(AnnounceState::Listed);
  add("p");  // the same backend behind another object
  announcing_->providers_changed();
  wait_for("registered again", [&] { return status().registrations >= 2; });
  wait_for_state(AnnounceState::Listed);
  EXPECT_EQ(backend("p").get([](Backend& b) { return b.withdrawn; }), 0);
}

TEST_F(AnnouncingTest, AReplacedProviderOfAnotherPlaceIsWithdrawnFrom) {
  add("p");
  start({"p"});
  wait_for_state(AnnounceState::Listed);
  const auto before = backends_["p"];
  backends_["p"] = std::make_shared<Backend>();
  backend("p").name = "elsewhere";
  add("p");
  announcing_->providers_changed();
  wait_for("withdrawn", [&] { return before->get([](Backend& b) { return b.withdrawn; }) == 1; });
  wait_for_state(AnnounceState::Listed);
  EXPECT_TRUE(backend("p").get([](Backend& b) { return b.known; }));
}

TEST_F(AnnouncingTest, APlaceThatWasLeftIsWithdrawnFromThoughTheNewOneRefuses) {
  for (const bool drains : {false, true}) {
    add("p");
    start({"p"});
    wait_for_state(AnnounceState::Listed);
    const auto before = backends_["p"];
    backends_["p"] = std::make_shared<Backend>();
    backend("p").set([](Backend& b) {
      b.name = "elsewhere";
      b.fails = ErrorCode::PermissionDenied;
    });
    for (int i = 0; i < 2; ++i) {  // and another update of it
      add("p");
      announcing_->providers_changed();
      wait_for("refused", [&] { return status().last_error == ErrorCode::PermissionDenied; });
    }
    EXPECT_TRUE(before->get([](Backend& b) { return b.known; })) << "until the new one is";
    if (drains) {
      announcing_->begin_drain(clock_.now() + 60s);
      backend("p").set([](Backend& b) { b.fails.reset(); });
      announcing_->stop();
    } else {
      remove("p");
      wait_for("withdrawn", [&] { return !before->get([](Backend& b) { return b.known; }); });
    }
    EXPECT_FALSE(before->get([](Backend& b) { return b.known; }));
    announcing_.reset();
    backends_.clear();
    const std::lock_guard lock(mutex_);
    providers_.clear();
  }
}

TEST_F(AnnouncingTest, DrainingWithdrawsEverywhere) {
  add("p");
  add("q");
  start({"p", "q"});
  wait_for_state(AnnounceState::Listed, 0);
  wait_for_state(AnnounceState::Listed, 1);
  announcing_->begin_drain(clock_.now() + 60s);
  announcing_->stop();
  EXPECT_EQ(status(0).state, AnnounceState::Withdrawn);
  EXPECT_EQ(status(1).state, AnnounceState::Withdrawn);
  EXPECT_FALSE(backend("p").get([](Backend& b) { return b.known; }));
  EXPECT_FALSE(backend("q").get([](Backend& b) { return b.known; }));
}

TEST_F(AnnouncingTest, AWithdrawalThatFailsIsTriedAgainWhileThereIsTime) {
  add("p");
  start({"p"});
  wait_for_state(AnnounceState::Listed);
  backend("p").set([](Backend& b) { b.fails = ErrorCode::BackendUnavailable; });
  announcing_->begin_drain(clock_.now() + 60s);
  wait_for("failed", [&] {
    return status().state == AnnounceState::Withdrawing && status().last_error.has_value();
  });
  backend("p").set([](Backend& b) { b.fails.reset(); });
  announcing_->stop();
  EXPECT_EQ(status().state, AnnounceState::Withdrawn);
}

TEST_F(AnnouncingTest, ABackendThatHangsIsLeftToItsTtl) {
  add("p");
  start({"p"});
  wait_for_state(AnnounceState::Listed);
  backend("p").set([](Backend& b) { b.hangs = true; });
  announcing_->begin_drain(clock_.now() + 50ms);
  announcing_->stop();  // would never end if it waited for the call
  EXPECT_EQ(status().state, AnnounceState::Withdrawing);
  EXPECT_THAT(told(), Contains("announce_left_to_ttl"));
}

TEST_F(AnnouncingTest, OneThatHangsWhenTheDrainBeginsLeavesTheOthersTheirTime) {
  add("p");
  add("q");
  start({"p", "q"});
  wait_for_state(AnnounceState::Listed, 0);
  wait_for_state(AnnounceState::Listed, 1);
  backend("p").set([](Backend& b) { b.hangs = true; });
  wait_for("in the call", [&] { return backend("p").get([](Backend& b) { return b.hanging; }); });
  announcing_->begin_drain(clock_.now() + 6s);
  announcing_->stop();
  EXPECT_EQ(status(1).state, AnnounceState::Withdrawn);
  EXPECT_FALSE(backend("q").get([](Backend& b) { return b.known; }));
  EXPECT_EQ(status(0).state, AnnounceState::Withdrawing);
  EXPECT_THAT(told(), Contains("announce_left_to_ttl"));
}

TEST_F(AnnouncingTest, StoppedWithoutDrainingNothingIsWithdrawn) {
  add("p");
  start({"p"});
  wait_for_state(AnnounceState::Listed);
  announcing_->stop();
  EXPECT_TRUE(backend("p").get([](Backend& b) { return b.known; }));
  EXPECT_THAT(told(), Not(Contains("announce_withdrawn")));
}

}  // namespace
}  // namespace rollcall::test
