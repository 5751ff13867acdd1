// What every provider must do, whatever its backend (core/provider.h, SPEC 3). Built once for each
// <kind>_harness.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "core/limits.h"
#include "providers/catalog.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

using Members = std::map<std::string, ClusterNode>;

Members by_id(const std::vector<ClusterNode>& nodes) {
  Members members;
  for (const ClusterNode& node : nodes) members.emplace(node.id.str(), node);
  return members;
}

// core/provider.h. Of several cancels the quickest counts: a busy machine may hold up one, or all
// but one; a stream that waits for anything else holds up each.
constexpr Duration kCancelBound = std::chrono::seconds(1);
constexpr int kCancels = 3;

bool is_failure(const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); }

// What a consumer of the stream holds: the members, kept by the rules of core/provider.h.
class View {
 public:
  explicit View(BackendHarness& harness) : harness_(harness) {}

  void apply(const ProviderEvent& event) {
    if (const auto* all = std::get_if<ProviderSnapshot>(&event)) {
      members = by_id(all->members);
      EXPECT_EQ(members.size(), all->members.size()) << "two members with one id";
      note(all->times);
      known = true;
    } else if (const auto* change = std::get_if<ChangeAnswer>(&event)) {
      EXPECT_TRUE(known) << "a change before the snapshot";
      for (const ClusterNode& node : change->upserts) members[node.id.str()] = node;
      for (const NodeId& id : change->removals) members.erase(id.str());
      note(change->times);
    } else if (const auto* same = std::get_if<UnchangedAnswer>(&event)) {
      EXPECT_TRUE(known) << "unchanged before the snapshot";
      note(same->times);
    }
    for (const auto& [id, node] : members) {
      EXPECT_TRUE(validate_node(node, id).empty()) << id;
    }
  }
  // What is to be seen when the backend has these.
  Members seen(const std::vector<ClusterNode>& nodes) const {
    std::vector<ClusterNode> told;
    for (const ClusterNode& node : nodes) told.push_back(harness_.as_told(node));
    return by_id(told);
  }
  // Takes events until the members are these.
  void until(StreamReader& stream, const std::vector<ClusterNode>& wanted) {
    const Members goal = seen(wanted);
    if (known && members == goal) return;
    stream.until([&](const ProviderEvent& event) {
      apply(event);
      return known && members == goal;
    });
  }

  Members members;
  bool known = false;

 private:
  void note(const AnswerTimes& times) {
    EXPECT_LE(times.read_began, times.complete);
    EXPECT_LE(last_.complete, times.complete) << "signs of life go forward";
    EXPECT_GT(times.observed_at.time_since_epoch().count(), 0);
    last_ = times;
  }
  BackendHarness& harness_;
  AnswerTimes last_;
};

// Nodes with every field set, in each status.
std::vector<ClusterNode> full_nodes(int count) {
  std::vector<ClusterNode> nodes;
  for (int i = 0; i < count; ++i) {
    ClusterNode node = make_node("node-" + std::to_string(i), static_cast<std::uint16_t>(7000 + i));
    node.zone = "zone-" + std::to_string(i % 3);
    node.labels = {{"team", "blue"}, {"rack", "r" + std::to_string(i)}};
    node.weight = static_cast<std::uint32_t>(i + 1);
    node.incarnation = "life-" + std::to_string(i);
    node.status = static_cast<NodeStatus>(1 + i % kNodeStatusCount);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

class ProviderConformance : public ::testing::Test {
 protected:
  void SetUp() override {
    harness_ = make_harness();
    ASSERT_NE(harness_, nullptr);
    factory_ = catalog_->find(harness_kind());
    ASSERT_NE(factory_, nullptr) << harness_kind() << " is not in the catalogue";
    provider_ = create();
    ASSERT_NE(provider_, nullptr);
  }
  std::unique_ptr<ClusterProvider> create() {
    auto provider = factory_->create(harness_->descriptor(), harness_->context());
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  MonoTime in(Duration d) { return clock_.now() + d; }
  void set(const std::vector<ClusterNode>& nodes) { harness_->set_members(*provider_, nodes); }

  RealClock clock_;
  const std::unique_ptr<const ProviderCatalog> catalog_ = builtin_catalog();
  std::unique_ptr<BackendHarness> harness_;
  const ProviderFactory* factory_ = nullptr;
  std::unique_ptr<ClusterProvider> provider_;
};

// With a zone, because a backend may have a default of its own for what is not said.
ClusterNode plain(const std::string& id) {
  ClusterNode node = make_node(id);
  node.zone = "z";
  return node;
}

TEST_F(ProviderConformance, R2_1_TheFirstAnswerIsASnapshotAndChangesFollow) {
  set({plain("a"), plain("b")});
  StreamReader stream(provider_->stream());
  View view(*harness_);
  const ProviderEvent first = stream.until([](const ProviderEvent& e) { return !is_failure(e); });
  EXPECT_TRUE(std::holds_alternative<ProviderSnapshot>(first)) << to_text(first);
  view.apply(first);
  view.until(stream, {plain("a"), plain("b")});
  set({plain("b"), plain("c")});  // one leaves, one joins
  view.until(stream, {plain("b"), plain("c")});
  ClusterNode changed = plain("c");
  changed.weight = 9;
  set({plain("b"), changed});
  view.until(stream, {plain("b"), changed});
}

TEST_F(ProviderConformance, R4_1_DrainingIsAChangeAndNeitherALeaveNorAJoin) {
  set({plain("a"), plain("b")});
  StreamReader stream(provider_->stream());
  View view(*harness_);
  view.until(stream, {plain("a"), plain("b")});
  const Members before = view.members;
  ClusterNode draining = plain("b");
  draining.status = NodeStatus::Draining;
  const auto same_ids = [&] {
    return std::equal(before.begin(), before.end(), view.members.begin(), view.members.end(),
                      [](const auto& x, const auto& y) { return x.first == y.first; });
  };
  for (const ClusterNode& wanted : {draining, plain("b")}) {  // and back
    const Members goal = view.seen({plain("a"), wanted});
    set({plain("a"), wanted});
    if (view.members == goal) continue;  // DNS has no word for it
    stream.until([&](const ProviderEvent& event) {
      view.apply(event);
      const auto* change = std::get_if<ChangeAnswer>(&event);
      EXPECT_TRUE(change == nullptr || change->removals.empty()) << to_text(event);
      EXPECT_TRUE(same_ids()) << to_text(event);
      return view.members == goal;
    });
  }
}

TEST_F(ProviderConformance, EveryFieldOfANodeArrives) {
  // The same node must look the same at every provider, or a switch would tell false differences.
  set(full_nodes(6));
  StreamReader stream(provider_->stream());
  View view(*harness_);
  view.until(stream, full_nodes(6));
}

TEST_F(ProviderConformance, HundredsOfMembersArriveWhole) {
  std::vector<ClusterNode> nodes;
  for (int i = 0; i < 300; ++i) nodes.push_back(plain("node-" + std::to_string(i)));
  set(nodes);
  StreamReader stream(provider_->stream());
  View view(*harness_);
  view.until(stream, nodes);
  nodes.resize(299);
  set(nodes);
  view.until(stream, nodes);
}

TEST_F(ProviderConformance, R2_4_NoMembersIsAnAnswer) {
  {
    StreamReader stream(provider_->stream());
    View view(*harness_);
    view.until(stream, {});
  }
  set({plain("a")});
  StreamReader stream(provider_->stream());
  View view(*harness_);
  view.until(stream, {plain("a")});
  set({});
  view.until(stream, {});
}

TEST_F(ProviderConformance, AnUnchangedViewIsAttestedAgainAndAgain) {
  set({plain("a")});
  StreamReader stream(provider_->stream());
  View view(*harness_);
  view.until(stream, {plain("a")});
  for (int i = 0; i < 5; ++i) {
    view.apply(stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<UnchangedAnswer>(e); }));
  }
  EXPECT_LE(provider_->attest_interval(), Duration(limits::kDegradedAfter));
}

TEST_F(ProviderConformance, AFailureCarriesACodeAndNoMembersAndPasses) {
  set({plain("a")});
  StreamReader stream(provider_->stream());
  View view(*harness_);
  view.until(stream, {plain("a")});
  if (!harness_->break_down()) {
    EXPECT_FALSE(factory_->info().external) << "what is external can break down";
    return;
  }
  const ProviderEvent failed = stream.until(is_failure);
  ASSERT_TRUE(is_failure(failed));
  const auto& failure = std::get<FailedAnswer>(failed);
  EXPECT_TRUE(failure.code == ErrorCode::BackendUnavailable || failure.code == ErrorCode::Timeout)
      << to_text(failed);
  EXPECT_FALSE(failure.detail.empty());
  EXPECT_LE(failure.detail.size(), 512u);
  const auto checked = provider_->check_connectivity(in(std::chrono::milliseconds(500)));
  EXPECT_FALSE(checked.has_value());
  harness_->repair();
  view.apply(stream.until([](const ProviderEvent& e) { return !is_failure(e); }));
  EXPECT_EQ(view.members, view.seen({plain("a")}));
}

TEST_F(ProviderConformance, ARefusalIsAnOutageAndPasses) {
  set({plain("a")});
  StreamReader stream(provider_->stream());
  View view(*harness_);
  view.until(stream, {plain("a")});
  if (!harness_->refuse()) {
    // Nobody listens; or it takes seconds to start again, and kubernetes_server_provider_test has
    // done so.
    EXPECT_TRUE(!factory_->info().needs_endpoints || factory_->info().kind == "kubernetes");
    return;
  }
  const ProviderEvent failed = stream.until(is_failure);
  ASSERT_TRUE(is_failure(failed));
  EXPECT_EQ(std::get<FailedAnswer>(failed).code, ErrorCode::BackendUnavailable) << to_text(failed);
  const auto checked = provider_->check_connectivity(in(limits::kConnectivityDeadline));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::BackendUnavailable) << checked.error().message;
  EXPECT_EQ(view.members, view.seen({plain("a")}));
  harness_->repair();
  set({plain("a")});
  view.apply(stream.until([](const ProviderEvent& e) { return !is_failure(e); }));
  view.until(stream, {plain("a")});
}

TEST_F(ProviderConformance, WhatIsAboveTheLimitsIsAFailureAndTheViewStays) {
  set({plain("a")});
  StreamReader stream(provider_->stream());
  View view(*harness_);
  view.until(stream, {plain("a")});
  const auto code = harness_->exceed_limits();
  if (!code) return;
  const ProviderEvent failed = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  ASSERT_TRUE(is_failure(failed)) << to_text(failed);
  EXPECT_EQ(std::get<FailedAnswer>(failed).code, *code) << to_text(failed);
  set({plain("a")});
  view.apply(stream.until([](const ProviderEvent& e) { return !is_failure(e); }));
  EXPECT_EQ(view.members, view.seen({plain("a")}));
}

TEST_F(ProviderConformance, AStreamThatFollowsAnotherBeginsWithASnapshot) {
  set({plain("a")});
  for (int i = 0; i < 3; ++i) {
    StreamReader stream(provider_->stream());
    View view(*harness_);
    view.until(stream, {plain("a")});
  }
}

TEST_F(ProviderConformance, CancelEndsAnyWait) {
  ProviderDescriptor slow = harness_->descriptor();
  for (const char* interval : {"wait_ms", "attest_ms", "poll_ms"})
    slow.watch_params.erase(interval);
  auto created = factory_->create(slow, harness_->context());
  ASSERT_TRUE(created.has_value());
  set({plain("a")});
  Duration quickest = Duration::max();
  for (int i = 0; i < kCancels; ++i) {
    StreamReader stream((*created)->stream());
    View view(*harness_);
    view.until(stream, {plain("a")});
    const Duration took = stream.stop_waiting();
    EXPECT_LT(took, Duration(std::chrono::seconds(4)));  // the waits are 4 s and more
    quickest = std::min(quickest, took);
  }
  EXPECT_LT(quickest, kCancelBound);
}

TEST_F(ProviderConformance, CancelMayComeFirstOftenAndFromAnyThread) {
  set({plain("a")});
  auto stream = provider_->stream();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 100; ++n) stream->cancel();
    });
  }
  for (std::thread& thread : threads) thread.join();
  (void)stream->next();  // returns, with anything
  (void)stream->next();
}

TEST_F(ProviderConformance, ASilentBackendDoesNotHoldACancelledStream) {
  set({plain("a")});
  Duration quickest = Duration::max();
  for (int i = 0; i < kCancels; ++i) {
    StreamReader stream(provider_->stream());
    View view(*harness_);
    view.until(stream, {plain("a")});
    const bool broken = harness_->break_down();
    quickest = std::min(quickest, stream.stop_waiting());
    if (broken) harness_->repair();
  }
  EXPECT_LT(quickest, kCancelBound);
}

TEST_F(ProviderConformance, NoThreadAndNoDescriptorIsLeftBehind) {
  set({plain("a")});
  const auto one_life = [&] {
    auto provider = create();
    StreamReader stream(provider->stream());
    View view(*harness_);
    view.until(stream, {plain("a")});
    EXPECT_TRUE(provider->check_connectivity(in(limits::kConnectivityDeadline)).has_value());
  };
  one_life();  // what a process opens once and for all is open now
  const std::size_t descriptors = open_descriptors();
  const std::size_t threads = running_threads();
  constexpr std::size_t kLives = 10;
  for (std::size_t i = 0; i < kLives; ++i) one_life();
  EXPECT_TRUE(comes_to(open_descriptors, descriptors)) << open_descriptors();
  // Libraries such as gRPC keep helper threads, a few more or fewer by the moment; one left behind
  // by each life would be ten.
  constexpr std::size_t kHelpers = 4;
  const auto left_behind = [&] {
    const std::size_t now = running_threads();
    return now > threads + kHelpers ? now - threads : 0;
  };
  EXPECT_TRUE(comes_to(left_behind, 0)) << running_threads() << " threads after " << threads;
}

TEST_F(ProviderConformance, R1_4_ConnectivityAndOneReadWorkWithinTheirDeadline) {
  set({plain("a")});
  {
    StreamReader stream(provider_->stream());
    View view(*harness_);
    view.until(stream, {plain("a")});
  }
  const auto capabilities = provider_->check_connectivity(in(limits::kConnectivityDeadline));
  ASSERT_TRUE(capabilities.has_value()) << capabilities.error().message;
  EXPECT_TRUE(capabilities->watch) << capabilities->missing;
  const auto answer = provider_->initial_snapshot(in(limits::kConnectivityDeadline));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(by_id(answer->members), View(*harness_).seen({plain("a")}));
}

TEST_F(ProviderConformance, R1_1_DescriptorsAreCheckedAgainstTheDocumentedSettings) {
  const KindInfo& info = factory_->info();
  EXPECT_EQ(info.kind, harness_kind());
  EXPECT_FALSE(info.summary.empty());
  for (const ParamSpec& param : info.params) {
    EXPECT_FALSE(param.doc.empty()) << param.name;
    EXPECT_FALSE(param.required && !param.fallback.empty()) << param.name;
  }
  const ProviderDescriptor good = harness_->descriptor();
  EXPECT_TRUE(factory_->validate(good, "p").empty());
  EXPECT_EQ(provider_->descriptor(), good);

  ProviderDescriptor bad = good;
  bad.watch_params["no_such_setting"] = "secret";
  const auto problems = factory_->validate(bad, "p");
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].field, "p.watch_params.no_such_setting");
  EXPECT_THAT(problems[0].value, ::testing::Not(HasSubstr("secret")));
  const auto refused = factory_->create(bad, harness_->context());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);

  for (const ParamSpec& param : info.params) {
    if (!param.required) continue;
    ProviderDescriptor lacking = good;
    lacking.watch_params.erase(std::string(param.name));
    EXPECT_FALSE(factory_->validate(lacking, "p").empty()) << param.name;
  }
  ProviderDescriptor endpoints = good;
  if (info.needs_endpoints) {
    endpoints.endpoints.clear();
  } else {
    endpoints.endpoints = {"http://127.0.0.1:1"};
  }
  EXPECT_FALSE(factory_->validate(endpoints, "p").empty());
}

}  // namespace
}  // namespace rollcall::test
