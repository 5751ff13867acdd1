#include "provisioning/registry/provider_registry.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "provisioning/registry/file_provider_store.h"
#include "tests/registry/registry_fixture.h"

namespace rollcall {
namespace {

using test::consul;
using test::FileCall;
using test::in_memory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using When = ProviderRegistry::When;

using ProviderRegistryTest = test::RegistryFixture;

const RegistryWrite kPlain;
const RegistryWrite kDryRun{true, std::nullopt, false, false};
const RegistryWrite kAllowUnreachable{false, std::nullopt, true, false};
const RegistryWrite kPrune{false, std::nullopt, false, true};

std::vector<std::string> fields_of(const ProvisioningError& error) {
  std::vector<std::string> fields;
  for (const Problem& problem : error.problems) fields.push_back(problem.field);
  return fields;
}

// --- R1.1 ---

TEST_F(ProviderRegistryTest, R1_1_EveryProblemIsNamedAtOnceAndNothingChanges) {
  ASSERT_TRUE(registry().add(in_memory("first"), kPlain));
  auto d = consul("Not An Id");
  d.endpoints.clear();
  d.auth.token_file = "relative/path";
  d.watch_params = {{"servcie", "db"}, {"wait_ms", "soon"}};
  const auto refused = registry().add(d, kPlain);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  EXPECT_THAT(fields_of(refused.error()),
              UnorderedElementsAre("provider.id", "provider.auth.token_file", "provider.endpoints",
                                   "provider.watch_params.servcie", "provider.watch_params.wait_ms",
                                   "provider.watch_params.service"));
  EXPECT_EQ(refused.error().total_problems, 6u);
  for (const Problem& problem : refused.error().problems) EXPECT_NE(problem.expected, "");
  EXPECT_THAT(ids(), ElementsAre("first"));
  EXPECT_EQ(registry().view()->revision, Revision(1));
  EXPECT_THAT(backends().asked(), IsEmpty()) << "nobody is asked for what is malformed";
}

TEST_F(ProviderRegistryTest, R1_1_AnUnknownKindNamesTheKnownOnes) {
  auto d = in_memory("a");
  d.kind = "zookeeper";
  const auto refused = registry().add(d, kPlain);
  ASSERT_FALSE(refused);
  ASSERT_EQ(refused.error().problems.size(), 1u);
  EXPECT_EQ(refused.error().problems[0],
            (Problem{"provider.kind", "zookeeper", "one of: consul, file, in-memory"}));
}

TEST_F(ProviderRegistryTest, R1_1_AWholeSetIsJudgedTogether) {
  auto no_service = consul("c1");
  no_service.watch_params.clear();
  auto unknown = in_memory("m1");
  unknown.kind = "nothing";
  const auto refused =
      registry().apply({no_service, in_memory("ok"), unknown, in_memory("ok")}, kPlain);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  EXPECT_THAT(fields_of(refused.error()),
              UnorderedElementsAre("providers[0].watch_params.service", "providers[2].kind",
                                   "providers[3].id"));
  EXPECT_THAT(ids(), IsEmpty());
}

TEST_F(ProviderRegistryTest, R1_1_ADryRunAnswersOkWithTheProblemsAndChangesNothing) {
  auto d = consul("c1");
  d.endpoints.clear();
  const auto dry = registry().add(d, kDryRun);
  ASSERT_TRUE(dry);
  ASSERT_TRUE(dry->would_fail);
  EXPECT_EQ(dry->would_fail->code, ErrorCode::InvalidConfig);
  EXPECT_THAT(fields_of(*dry->would_fail), ElementsAre("provider.endpoints"));

  const auto good = registry().add(consul("c1"), kDryRun);
  ASSERT_TRUE(good);
  EXPECT_FALSE(good->would_fail);
  EXPECT_EQ(good->revision, Revision(0));
  EXPECT_THAT(good->plan,
              ElementsAre(PlanStep{ProviderId("c1"), PlanStep::Action::Add, {}, false}));
  EXPECT_THAT(ids(), IsEmpty());
  EXPECT_EQ(files().changing_calls(), 0u);
}

// --- R1.2 ---

TEST_F(ProviderRegistryTest, R1_2_ADuplicateIdIsRefusedAndTheExistingOneStays) {
  ASSERT_TRUE(registry().add(consul("c1", 5), kPlain));
  const auto refused = registry().add(consul("c1", 9, "other"), kPlain);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::DuplicateName);
  EXPECT_EQ(registry().find(ProviderId("c1"))->descriptor, consul("c1", 5));
  EXPECT_EQ(registry().view()->revision, Revision(1));
  restart();
  EXPECT_EQ(registry().find(ProviderId("c1"))->descriptor, consul("c1", 5));
}

TEST_F(ProviderRegistryTest, R1_2_AConfiguredIdIsTakenForTheApiAndTheOtherWayRound) {
  ASSERT_TRUE(registry().apply_config({in_memory("mine")}, When::Start, false));
  EXPECT_EQ(registry().add(in_memory("mine"), kPlain).error().code, ErrorCode::DuplicateName);
  ASSERT_TRUE(registry().add(in_memory("theirs"), kPlain));
  const auto refused =
      registry().apply_config({in_memory("mine"), in_memory("theirs", 4)}, When::Reload, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::DuplicateName);
  EXPECT_THAT(fields_of(refused.error()), ElementsAre("providers[1].id"));
  EXPECT_EQ(registry().find(ProviderId("theirs"))->descriptor, in_memory("theirs"));
}

// --- R1.3 ---

TEST_F(ProviderRegistryTest, R1_3_AProviderThatLacksACapabilityIsKeptWithItsReason) {
  backends().lacks("c1", "blocking queries (since Consul 0.5)");
  ASSERT_TRUE(registry().add(consul("c1"), kPlain));
  EXPECT_EQ(registry().find(ProviderId("c1"))->missing_capability,
            "blocking queries (since Consul 0.5)");
  EXPECT_EQ(told().back().providers[0].missing_capability, "blocking queries (since Consul 0.5)");
  restart();
  EXPECT_EQ(registry().find(ProviderId("c1"))->missing_capability,
            "blocking queries (since Consul 0.5)")
      << "it survives, because nobody is asked at start";
}

TEST_F(ProviderRegistryTest, R1_3_TheCodeOfTheBackendMeansTheSame) {
  backends().unreachable("c1", ErrorCode::CapabilityMissing);
  ASSERT_TRUE(registry().add(consul("c1"), kPlain));
  EXPECT_EQ(registry().find(ProviderId("c1"))->missing_capability, "nobody is there");
}

TEST_F(ProviderRegistryTest, R1_3_EnablingAsksAgainWhatWasLacking) {
  backends().lacks("c1", "watching");
  ASSERT_TRUE(registry().add(consul("c1"), kPlain));
  backends().reachable("c1");
  const auto enabled = registry().enable(ProviderId("c1"), kPlain);
  ASSERT_TRUE(enabled);
  EXPECT_EQ(enabled->revision, Revision(1)) << "the descriptor is the same";
  EXPECT_FALSE(registry().find(ProviderId("c1"))->missing_capability);
  restart();
  EXPECT_FALSE(registry().find(ProviderId("c1"))->missing_capability);
}

// --- R1.4 ---

TEST_F(ProviderRegistryTest, R1_4_AnUnreachableBackendIsRefusedWithItsCode) {
  for (const ErrorCode code :
       {ErrorCode::BackendUnavailable, ErrorCode::Timeout, ErrorCode::AuthFailed}) {
    backends().unreachable("c1", code);
    const auto refused = registry().add(consul("c1"), kPlain);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code);
    EXPECT_THAT(refused.error().message,
                AllOf(HasSubstr("--allow-unreachable"), HasSubstr("nobody is there")));
    EXPECT_THAT(ids(), IsEmpty());
  }
}

TEST_F(ProviderRegistryTest, R1_4_AllowUnreachableAcceptsItAndItsStateSaysSo) {
  backends().unreachable("c1");
  ASSERT_TRUE(registry().add(consul("c1"), kAllowUnreachable));
  EXPECT_TRUE(registry().find(ProviderId("c1"))->accepted_unreachable);
  restart();
  EXPECT_TRUE(registry().find(ProviderId("c1"))->accepted_unreachable);
  backends().reachable("c1");
  ASSERT_TRUE(registry().update(consul("c1", 0, "other"), kAllowUnreachable));
  EXPECT_FALSE(registry().find(ProviderId("c1"))->accepted_unreachable) << "it was reached";
  restart();
  EXPECT_FALSE(registry().find(ProviderId("c1"))->accepted_unreachable);
}

TEST_F(ProviderRegistryTest, R1_4_OnlyNewAndChangedBackendsAreAsked) {
  ASSERT_TRUE(registry().add(consul("c1"), kPlain));
  ASSERT_TRUE(registry().add(in_memory("m1"), kPlain));
  EXPECT_THAT(backends().asked(), ElementsAre("c1")) << "in-memory has no backend";
  backends().unreachable("c1");
  ASSERT_TRUE(registry().update(consul("c1", 50), kPlain)) << "a priority is no backend";
  ASSERT_TRUE(registry().disable(ProviderId("c1"), "why", kPlain));
  ASSERT_TRUE(registry().enable(ProviderId("c1"), kPlain));
  ASSERT_TRUE(registry().apply({consul("c1", 60), consul("c2")}, kPlain));
  EXPECT_THAT(backends().asked(), ElementsAre("c1", "c2"));
  EXPECT_FALSE(registry().update(consul("c1", 60, "changed"), kPlain));
}

TEST_F(ProviderRegistryTest, R1_4_NobodyIsAskedAtStart) {
  backends().unreachable("c1");
  ASSERT_TRUE(registry().apply_config({consul("c1")}, When::Start, false));
  restart();
  ASSERT_TRUE(registry().apply_config({consul("c1")}, When::Start, false));
  EXPECT_THAT(backends().asked(), IsEmpty());
  EXPECT_FALSE(registry().apply_config({consul("c1", 0, "other")}, When::Reload, false));
  ASSERT_TRUE(registry().apply_config({consul("c1", 0, "other")}, When::Reload, true));
  EXPECT_TRUE(registry().find(ProviderId("c1"))->accepted_unreachable);
}

TEST_F(ProviderRegistryTest, R1_4_WhatWasSeenOfOneBackendIsNotSaidOfAnother) {
  backends().unreachable("c1");
  ASSERT_TRUE(registry().apply_config({consul("c1")}, When::Reload, true));
  ASSERT_TRUE(registry().find(ProviderId("c1"))->accepted_unreachable);
  ASSERT_TRUE(registry().apply_config({consul("c1", 0, "other")}, When::Start, false));
  EXPECT_FALSE(registry().find(ProviderId("c1"))->accepted_unreachable) << "nobody asked this one";
}

TEST_F(ProviderRegistryTest, R1_4_EveryUnreachableBackendOfASetIsNamed) {
  backends().unreachable("c1", ErrorCode::AuthFailed);
  backends().unreachable("c3", ErrorCode::Timeout);
  const auto refused = registry().apply({consul("c1"), consul("c2"), consul("c3")}, kPlain);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::AuthFailed);
  EXPECT_THAT(fields_of(refused.error()), ElementsAre("providers.c1", "providers.c3"));
  const auto dry = registry().apply({consul("c1"), consul("c2")}, kDryRun);
  ASSERT_TRUE(dry);
  EXPECT_EQ(dry->plan.size(), 2u) << "the plan is told beside the problems";
  EXPECT_EQ(dry->would_fail->code, ErrorCode::AuthFailed);
}

// --- R1.5 and revisions ---

TEST_F(ProviderRegistryTest, R1_5_ExactlyTheAcceptedSetIsThereAfterARestart) {
  ASSERT_TRUE(registry().add(consul("c1", 5), kPlain));
  ASSERT_TRUE(registry().add(in_memory("m1", 5), kPlain));
  ASSERT_TRUE(registry().add(in_memory("m2"), kPlain));
  ASSERT_TRUE(registry().remove(ProviderId("m2"), kPlain));
  ASSERT_TRUE(registry().disable(ProviderId("m1"), "for the night", kPlain));
  const auto before = *registry().view();
  restart();
  EXPECT_EQ(registry().view()->providers, before.providers);
  EXPECT_EQ(registry().view()->revision, Revision(5));
  EXPECT_EQ(registry().find(ProviderId("m1"))->descriptor.disabled_reason, "for the night");
}

TEST_F(ProviderRegistryTest, R1_5_AWriteThatFailedChangesNothingAnywhere) {
  ASSERT_TRUE(registry().add(in_memory("a"), kPlain));
  const auto told_before = told().size();
  for (const FileCall call : {FileCall::WriteSynced, FileCall::Rename, FileCall::SyncDirectory}) {
    files().fail_nth(call, 1);
    const auto refused = registry().add(in_memory("b"), kPlain);
    ASSERT_FALSE(refused) << to_string(call);
    EXPECT_EQ(refused.error().code, ErrorCode::StoreIo);
    EXPECT_THAT(ids(), ElementsAre("a"));
    EXPECT_EQ(told().size(), told_before);
  }
  EXPECT_TRUE(registry().add(in_memory("b"), kPlain)) << "and the next one settles it";
}

TEST_F(ProviderRegistryTest, R1_5_AfterAnUnknownOutcomeEvenNoChangeIsStoredBeforeItIsAnswered) {
  // The disk may hold what the refused write wanted; "nothing to do" would be answered on hearsay.
  for (std::uint64_t n = 0; n < 8; ++n) {
    const std::string id = "kept" + std::to_string(n);
    ASSERT_TRUE(registry().add(in_memory(id), kPlain));
    const auto accepted = registry().view()->providers;
    files().fail_nth(FileCall::SyncDirectory, 1);
    ASSERT_FALSE(registry().remove(ProviderId(id), kPlain));
    ASSERT_TRUE(registry().update(in_memory(id), kPlain)) << "the same as it is";
    files().power_cut();
    restart();
    EXPECT_EQ(registry().view()->providers, accepted);
  }
}

TEST_F(ProviderRegistryTest, AnExpectedRevisionThatIsNotThePresentOneIsAConflictNamingBoth) {
  ASSERT_TRUE(registry().add(in_memory("a"), kPlain));
  ASSERT_TRUE(registry().add(in_memory("b"), kPlain));
  RegistryWrite write;
  write.expected_revision = Revision(1);
  const auto refused = registry().remove(ProviderId("a"), write);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::RevisionConflict);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("revision 2"), HasSubstr("expected 1")));
  write.expected_revision = Revision(2);
  EXPECT_EQ(registry().remove(ProviderId("a"), write)->revision, Revision(3));
}

TEST_F(ProviderRegistryTest, WhatIsNotThereIsNotFound) {
  const ProviderId nobody("nobody");
  EXPECT_EQ(registry().update(in_memory("nobody"), kPlain).error().code, ErrorCode::NotFound);
  EXPECT_EQ(registry().remove(nobody, kPlain).error().code, ErrorCode::NotFound);
  EXPECT_EQ(registry().enable(nobody, kPlain).error().code, ErrorCode::NotFound);
  EXPECT_EQ(registry().disable(nobody, "x", kPlain).error().code, ErrorCode::NotFound);
}

TEST_F(ProviderRegistryTest, ThereIsAnUpperLimit) {
  std::vector<ProviderDescriptor> set;
  for (std::size_t i = 0; i < limits::kMaxProviders; ++i) {
    set.push_back(in_memory("p" + std::to_string(i)));
  }
  ASSERT_TRUE(registry().apply(set, kPlain));
  EXPECT_EQ(registry().add(in_memory("more"), kPlain).error().code, ErrorCode::LimitExceeded);
  EXPECT_EQ(registry().apply({in_memory("more")}, kPlain).error().code, ErrorCode::LimitExceeded);
  set.back() = in_memory("more");
  EXPECT_TRUE(registry().apply(set, kPrune));
}

// --- order, plan, prune ---

TEST_F(ProviderRegistryTest, AnUpdateKeepsItsPlaceInTheOrder) {
  ASSERT_TRUE(registry().apply({in_memory("a"), in_memory("b"), in_memory("c")}, kPlain));
  ASSERT_TRUE(registry().update(in_memory("a", 9), kPlain));
  ASSERT_TRUE(registry().apply({in_memory("d"), in_memory("c", 1)}, kPlain));
  EXPECT_THAT(ids(), ElementsAre("a", "b", "c", "d"));
  restart();
  EXPECT_THAT(ids(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(ProviderRegistryTest, ThePlanSaysWhatChangesAndWhatRestarts) {
  ASSERT_TRUE(registry().apply(
      {consul("keep"), consul("priority"), consul("backend"), in_memory("gone")}, kPlain));
  auto backend = consul("backend", 0, "web");
  backend.auth.token_file = "/run/token";
  RegistryWrite write = kDryRun;
  write.prune = true;
  const auto change =
      registry().apply({consul("keep"), consul("priority", 3), backend, in_memory("new")}, write);
  ASSERT_TRUE(change);
  using Action = PlanStep::Action;
  EXPECT_THAT(change->plan,
              ElementsAre(PlanStep{ProviderId("keep"), Action::Keep, {}, false},
                          PlanStep{ProviderId("priority"), Action::Update, {"priority"}, false},
                          PlanStep{ProviderId("backend"),
                                   Action::Update,
                                   {"auth.token_file", "watch_params.service"},
                                   true},
                          PlanStep{ProviderId("gone"), Action::Remove, {}, false},
                          PlanStep{ProviderId("new"), Action::Add, {}, false}));
}

TEST_F(ProviderRegistryTest, R5_4_AWriteThatChangesNothingWritesNothing) {
  ASSERT_TRUE(registry().apply({consul("a"), in_memory("b")}, kPlain));
  const auto calls = files().changing_calls();
  const auto again = registry().apply({consul("a"), in_memory("b")}, kPrune);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->revision, Revision(1));
  EXPECT_EQ(files().changing_calls(), calls);
  EXPECT_EQ(told().size(), 1u);
}

TEST_F(ProviderRegistryTest, PruneRemovesOnlyEntriesOfTheApi) {
  ASSERT_TRUE(registry().apply_config({in_memory("configured")}, When::Start, false));
  ASSERT_TRUE(registry().apply({in_memory("a"), in_memory("b")}, kPlain));
  ASSERT_TRUE(registry().apply({in_memory("b")}, kPrune));
  EXPECT_THAT(ids(), ElementsAre("configured", "b"));
}

// --- the configuration's own ---

TEST_F(ProviderRegistryTest, EntriesOfTheConfigurationCannotBeEditedThroughTheApi) {
  ASSERT_TRUE(registry().apply_config({in_memory("mine", 1)}, When::Start, false));
  const ProviderId mine("mine");
  for (const auto& refused :
       {registry().update(in_memory("mine", 2), kPlain), registry().remove(mine, kPlain),
        registry().disable(mine, "x", kPlain), registry().apply({in_memory("mine", 2)}, kPlain)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::PermissionDenied);
    EXPECT_THAT(refused.error().message, HasSubstr("configuration"));
  }
  EXPECT_TRUE(registry().apply({in_memory("mine", 1), in_memory("other")}, kPlain))
      << "what a list shows may be applied again";
  EXPECT_EQ(registry().find(mine)->descriptor.origin, Origin::Config);
}

TEST_F(ProviderRegistryTest, R5_4_TheConfigurationIsAppliedInOneWriteAndPrunesOnlyItsOwn) {
  ASSERT_TRUE(registry().add(in_memory("api"), kPlain));
  ASSERT_TRUE(registry().apply_config({in_memory("x"), in_memory("y")}, When::Start, false));
  EXPECT_EQ(registry().view()->revision, Revision(2));
  ASSERT_TRUE(registry().apply_config({in_memory("y", 3), in_memory("z")}, When::Reload, false));
  EXPECT_EQ(registry().view()->revision, Revision(3));
  EXPECT_THAT(ids(), ElementsAre("api", "y", "z"));
  ASSERT_TRUE(registry().apply_config({}, When::Reload, false));
  EXPECT_THAT(ids(), ElementsAre("api"));
}

TEST_F(ProviderRegistryTest, R5_4_AConfigurationWithOneMistakeChangesNothing) {
  ASSERT_TRUE(registry().apply_config({in_memory("x")}, When::Start, false));
  auto bad = in_memory("bad");
  bad.kind = "bad";
  EXPECT_FALSE(registry().apply_config({in_memory("new"), bad}, When::Reload, false));
  backends().unreachable("c1");
  EXPECT_FALSE(registry().apply_config({in_memory("new"), consul("c1")}, When::Reload, false));
  EXPECT_THAT(ids(), ElementsAre("x"));
  EXPECT_EQ(registry().view()->revision, Revision(1));
}

TEST_F(ProviderRegistryTest, TheEmbeddedDefaultIsSeededOnceAndNeverAgain) {
  ASSERT_TRUE(registry().seed_default());
  EXPECT_EQ(registry().find(ProviderId("default"))->descriptor, in_memory("default"));
  ASSERT_TRUE(registry().remove(ProviderId("default"), kPlain));
  restart();
  ASSERT_TRUE(registry().seed_default());
  EXPECT_THAT(ids(), IsEmpty()) << "the operator removed it";
}

// --- the listener ---

TEST_F(ProviderRegistryTest, EnablingReleasesHoldsAlsoOfWhatIsEnabledOrConfigured) {
  ASSERT_TRUE(registry().apply_config({in_memory("mine")}, When::Start, false));
  ASSERT_TRUE(registry().add(in_memory("a"), kPlain));
  const auto enabled = registry().enable(ProviderId("mine"), kPlain);
  ASSERT_TRUE(enabled);
  EXPECT_EQ(enabled->revision, Revision(2));
  EXPECT_THAT(told().back().released, ElementsAre(ProviderId("mine")));
  ASSERT_TRUE(registry().disable(ProviderId("a"), "broken", kPlain));
  EXPECT_THAT(told().back().released, IsEmpty());
  ASSERT_TRUE(registry().apply({in_memory("a")}, kPlain));
  EXPECT_THAT(told().back().released, ElementsAre(ProviderId("a")));
  EXPECT_EQ(registry().find(ProviderId("a"))->descriptor.disabled_reason, "");
}

TEST_F(ProviderRegistryTest, AConfiguredEntryThatIsDisabledThereStaysDisabled) {
  auto off = in_memory("off");
  off.enabled = false;
  ASSERT_TRUE(registry().apply_config({off}, When::Start, false));
  EXPECT_EQ(registry().enable(ProviderId("off"), kPlain).error().code, ErrorCode::PermissionDenied);
}

TEST_F(ProviderRegistryTest, TheListenerHearsEveryChangeOnceWithTheWholeSet) {
  ASSERT_TRUE(registry().add(in_memory("a"), kPlain));
  ASSERT_TRUE(registry().add(in_memory("b"), kDryRun));
  ASSERT_TRUE(registry().add(in_memory("b"), kPlain));
  ASSERT_EQ(told().size(), 2u);
  EXPECT_EQ(told()[0].revision, Revision(1));
  EXPECT_EQ(told()[1].revision, Revision(2));
  EXPECT_EQ(told()[1].providers, registry().view()->providers);
}

TEST_F(ProviderRegistryTest, ADisabledProviderKeepsItsReasonUntilItIsEnabled) {
  ASSERT_TRUE(registry().add(in_memory("a"), kPlain));
  ASSERT_TRUE(registry().disable(ProviderId("a"), "flapping", kPlain));
  auto update = in_memory("a", 7);
  update.enabled = false;
  ASSERT_TRUE(registry().update(update, kPlain));
  EXPECT_EQ(registry().find(ProviderId("a"))->descriptor.disabled_reason, "flapping");
  ASSERT_TRUE(registry().enable(ProviderId("a"), kPlain));
  EXPECT_EQ(registry().find(ProviderId("a"))->descriptor.disabled_reason, "");
  EXPECT_FALSE(registry().disable(ProviderId("a"), std::string(1000, 'x'), kPlain));
}

TEST_F(ProviderRegistryTest, EachDurableWriteIsToldWithItsOutcome) {
  const test::ManualClock clock;
  std::vector<std::string> told_writes;
  registry().set_on_stored(
      clock, [&](std::string_view file, const WriteOutcome* failure, Duration) {
        told_writes.push_back(std::string(file) + (failure == nullptr ? " ok"
                                                   : failure->unknown ? " unknown"
                                                                      : " failed"));
      });
  backends().lacks("c1", "watching");
  ASSERT_TRUE(registry().add(consul("c1"), kPlain));
  files().fail_nth(FileCall::WriteSynced, 1);
  ASSERT_FALSE(registry().add(in_memory("a"), kPlain));
  files().fail_nth(FileCall::SyncDirectory, 1);
  ASSERT_FALSE(registry().add(in_memory("a"), kPlain));
  EXPECT_THAT(told_writes, ElementsAre("observed.jsonl ok", "providers.jsonl ok",
                                       "providers.jsonl failed", "providers.jsonl unknown"));
}

TEST_F(ProviderRegistryTest, AStoredProviderThatThisBuildDoesNotKnowStopsTheStart) {
  FileProviderStore store(files(), kDirectory);
  ASSERT_TRUE(store.load());
  auto alien = in_memory("alien");
  alien.kind = "etcd";
  ASSERT_TRUE(store.save({in_memory("a"), alien}, Revision(0)));
  const auto opened = ProviderRegistry::open(store, nullptr, validator());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::InvalidConfig);
  EXPECT_THAT(opened.error().message, HasSubstr("providers[1].kind"));
}

}  // namespace
}  // namespace rollcall
