// What a sidecar believes of the fleet's document, and what it writes: over stores that lose their
// state, answers that are lost, and disks that fail.
#include "provisioning/fleet/fleet_store.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <string>

#include "core/codec/canonical.h"
#include "provisioning/registry/hex.h"
#include "tests/fleet/fleet_fixture.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FleetStoreTest : public ::testing::Test {
 protected:
  FleetSet stored() {
    auto set = decode_fleet_document(shared_.state().text);
    EXPECT_TRUE(set) << (set ? "" : set.error().error.message);
    return set ? std::move(*set) : FleetSet{};
  }
  static ErrorCode code(const Result<RegistryChange>& change) {
    EXPECT_FALSE(change.has_value());
    return change ? ErrorCode::DuplicateName : change.error().code;
  }

  MemoryStore shared_;
  Sidecar a_{shared_};
  Sidecar b_{shared_};
};

TEST_F(FleetStoreTest, AFleetBeginsEmptyAtRevisionZero) {
  EXPECT_EQ(a_.state(), "waiting");
  EXPECT_EQ(a_.look(), "0:");
  EXPECT_EQ(a_.state(), "following");
  EXPECT_EQ(shared_.writes(), 0u) << "looking stores nothing";
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  EXPECT_EQ(a_.set(), "1: m1");
  EXPECT_EQ(b_.look(), "1: m1");
  EXPECT_EQ(stored().set.revision, Revision(1));
}

TEST_F(FleetStoreTest, R5_4_WhatOneStoresTheOtherTakesOverWhole) {
  ASSERT_TRUE(a_.apply({in_memory("m1"), in_memory("m2")}));
  b_.look();
  ASSERT_TRUE(a_.apply({in_memory("m2", 5), in_memory("m3")}));
  EXPECT_EQ(b_.look(), "2: m2 m3");
  EXPECT_THAT(b_.shown, ElementsAre(Revision(1), Revision(2)));
  EXPECT_EQ(b_.look(), "2: m2 m3");
  EXPECT_EQ(b_.shown.size(), 2u) << "once";
}

TEST_F(FleetStoreTest, EnabledBySomebodyElseEndsTheHoldHereToo) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  ASSERT_TRUE(a_.registry->disable(ProviderId("m1"), "why", {}));
  b_.look();
  ASSERT_TRUE(a_.registry->enable(ProviderId("m1"), {}));
  b_.look();
  EXPECT_THAT(b_.released_holds, ElementsAre(ProviderId("m1")));
}

TEST_F(FleetStoreTest, R1_4_ATakenOverSetIsNotCheckedForConnectivity) {
  b_.catalog.backends().unreachable("c1");
  ASSERT_TRUE(a_.apply({consul("c1")}));
  EXPECT_EQ(b_.look(), "1: c1");
  EXPECT_THAT(b_.catalog.backends().asked(), IsEmpty());
  EXPECT_THAT(a_.catalog.backends().asked(), ElementsAre("c1"));
}

TEST_F(FleetStoreTest, AWriteIsJudgedAgainstWhatIsThereNow) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  // b_ has not looked: the write itself does.
  EXPECT_EQ(code(b_.registry->add(in_memory("m1"), {})), ErrorCode::DuplicateName);
  ASSERT_TRUE(b_.registry->add(in_memory("m2"), {}));
  EXPECT_EQ(b_.set(), "2: m1 m2");
  EXPECT_EQ(a_.look(), "2: m1 m2");
}

TEST_F(FleetStoreTest, OneThatWasOvertakenIsJudgedAgain) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.before_next_swap([&] { ASSERT_TRUE(a_.registry->add(in_memory("m2"), {})); });
  ASSERT_TRUE(b_.registry->add(in_memory("m3"), {}));
  EXPECT_EQ(b_.set(), "3: m1 m2 m3");
  shared_.before_next_swap([&] { ASSERT_TRUE(a_.registry->add(in_memory("m4"), {})); });
  EXPECT_EQ(code(b_.registry->add(in_memory("m4"), {})), ErrorCode::DuplicateName);
}

TEST_F(FleetStoreTest, OneThatExpectsARevisionIsAConflictWhoeverWasFaster) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.before_next_swap([&] { ASSERT_TRUE(a_.apply({in_memory("m2")}, 1)); });
  EXPECT_EQ(code(b_.apply({in_memory("m3")}, 1)), ErrorCode::RevisionConflict);
  EXPECT_EQ(b_.set(), "2: m2") << "and it has caught up";
  EXPECT_TRUE(b_.apply({in_memory("m3")}, 2));
  EXPECT_EQ(code(a_.apply({in_memory("m4")}, 2)), ErrorCode::RevisionConflict);
}

TEST_F(FleetStoreTest, TheSameSetAgainStoresNothing) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  const auto again = a_.apply({in_memory("m1")});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->revision, Revision(1));
  EXPECT_TRUE(a_.apply({in_memory("m1")}, 1));
  EXPECT_TRUE(b_.apply({in_memory("m1")}));
  EXPECT_EQ(shared_.writes(), 1u);
}

// --- a store that is away ---

TEST_F(FleetStoreTest, AwayNothingChangesAndWritesAreRefused) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.fail(ProvisioningError{ErrorCode::AuthFailed, "wrong password", {}, 0});
  EXPECT_EQ(a_.look(), "1: m1");
  EXPECT_EQ(a_.state(), "lost");
  EXPECT_EQ(a_.store->status().trouble->code, ErrorCode::AuthFailed);
  EXPECT_EQ(code(a_.apply({in_memory("m2")})), ErrorCode::AuthFailed);
  EXPECT_EQ(code(a_.apply({in_memory("m1")})), ErrorCode::AuthFailed);
  a_.catalog.backends().unreachable("c1");
  EXPECT_EQ(code(a_.apply({consul("c1")})), ErrorCode::AuthFailed);
  EXPECT_THAT(a_.catalog.backends().asked(), IsEmpty()) << "no backend is asked for nothing";
  RegistryWrite dry;
  dry.validate_only = true;
  const auto plan = a_.registry->apply({in_memory("m2")}, dry);
  ASSERT_TRUE(plan);
  ASSERT_TRUE(plan->would_fail);
  EXPECT_EQ(plan->would_fail->code, ErrorCode::AuthFailed);
  EXPECT_EQ(a_.set(), "1: m1");
  shared_.fail(std::nullopt);
  a_.look();
  EXPECT_EQ(a_.state(), "following");
  EXPECT_THAT(a_.told, ::testing::Contains(HasSubstr("store_lost")));
  EXPECT_THAT(a_.told, ::testing::Contains(HasSubstr("store_back")));
}

TEST_F(FleetStoreTest, R5_2_AHoldIsEndedHereWhileTheStoreIsAway) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.fail(ProvisioningError{ErrorCode::BackendUnavailable, "refused", {}, 0});
  EXPECT_TRUE(a_.registry->enable(ProviderId("m1"), {}));
  EXPECT_THAT(a_.released_holds, ElementsAre(ProviderId("m1")));
  EXPECT_FALSE(a_.registry->disable(ProviderId("m1"), "why", {}));
}

TEST_F(FleetStoreTest, LossIsToldOnceHoweverOftenItIsAsked) {
  shared_.fail(ProvisioningError{ErrorCode::BackendUnavailable, "refused", {}, 0});
  for (int i = 0; i < 5; ++i) a_.look();
  EXPECT_EQ(a_.told.size(), 1u);
  shared_.fail(ProvisioningError{ErrorCode::AuthFailed, "no", {}, 0});
  for (int i = 0; i < 5; ++i) a_.look();
  EXPECT_EQ(a_.told.size(), 2u);
}

// --- the local copy ---

TEST_F(FleetStoreTest, R1_5_ItStartsWithItsCopyWhenTheStoreIsAway) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  b_.look();
  shared_.fail(ProvisioningError{ErrorCode::BackendUnavailable, "refused", {}, 0});
  for (Sidecar* sidecar : {&a_, &b_}) {
    sidecar->restart();
    EXPECT_EQ(sidecar->look(), "1: m1");
    EXPECT_EQ(sidecar->state(), "waiting");
    EXPECT_FALSE(sidecar->apply({in_memory("m2")}));
  }
  shared_.fail(std::nullopt);
  ASSERT_TRUE(a_.apply({in_memory("m3")}));
  EXPECT_EQ(b_.look(), "2: m3");
}

TEST_F(FleetStoreTest, ACopyOfAnotherKeyIsWhatItHadByItself) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  MemoryStore other;
  a_.restart_at("/other");
  EXPECT_EQ(a_.set(), "0: m1");
  EXPECT_EQ(a_.look(), "1: m1") << "what is there is the first that it knows of that key";
}

TEST_F(FleetStoreTest, ACopyThatCannotBeWrittenIsToldAndWrittenLater) {
  a_.files.fail_with_probability(FileCall::WriteSynced, 1);
  ASSERT_TRUE(a_.apply({in_memory("m1")})) << "the fleet has it";
  EXPECT_THAT(a_.told, ::testing::Contains(HasSubstr("state_not_written")));
  EXPECT_FALSE(a_.files.content("/state/fleet.jsonl"));
  a_.files.stop_failing();
  a_.look();
  EXPECT_TRUE(a_.files.content("/state/fleet.jsonl"));
}

TEST_F(FleetStoreTest, R1_5_ABrokenCopyStopsTheStart) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  a_.files.put("/state/fleet.jsonl", "broken\n");
  const auto loaded = a_.store->load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::StoreCorrupted);
  EXPECT_THAT(loaded.error().message, HasSubstr("fleet.jsonl"));
}

TEST_F(FleetStoreTest, WhatItHadByItselfRunsUntilThereIsASetAndIsStoredByAWrite) {
  StoredProviders own{Revision(9), {in_memory("mine")}};
  own.providers[0].origin = Origin::Config;
  a_.files.put("/state/providers.jsonl", encode_providers(own, {}).value());
  a_.restart();
  EXPECT_EQ(a_.look(), "0: mine");
  EXPECT_EQ(shared_.writes(), 0u);
  ASSERT_TRUE(a_.apply({in_memory("mine")})) << "as it is";
  EXPECT_EQ(a_.set(), "1: mine");
  EXPECT_EQ(b_.look(), "1: mine");
  b_.files.put("/state/providers.jsonl", encode_providers(own, {}).value());
  b_.restart();
  EXPECT_EQ(b_.set(), "1: mine") << "the copy goes before";
}

// --- a store that lost its state ---

TEST_F(FleetStoreTest, AnEmptiedStoreIsNotASetWithoutProviders) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  b_.look();
  for (const auto history : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(8)}) {
    shared_.empty(history);
    EXPECT_EQ(a_.look(), "1: m1");
    EXPECT_EQ(a_.state(), "refused");
    EXPECT_EQ(a_.store->status().trouble->code, ErrorCode::IndexRollback);
    EXPECT_THAT(a_.store->status().trouble->message, HasSubstr("--revision 1"));
  }
  EXPECT_EQ(code(a_.apply({in_memory("m2")})), ErrorCode::IndexRollback);
  EXPECT_EQ(code(a_.apply({in_memory("m1")})), ErrorCode::IndexRollback);
  EXPECT_EQ(code(a_.apply({in_memory("m2")}, 0)), ErrorCode::RevisionConflict);
  EXPECT_EQ(shared_.state().version.written, 0);
  a_.restart();
  EXPECT_EQ(a_.look(), "1: m1");
  ASSERT_TRUE(a_.apply({in_memory("m1")}, 1)) << "the same set, on purpose";
  EXPECT_EQ(a_.set(), "2: m1");
  EXPECT_EQ(b_.look(), "2: m1");
  EXPECT_EQ(b_.state(), "following");
}

TEST_F(FleetStoreTest, ARestoredBackupIsNotFollowed) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  const auto backup = shared_.state();
  ASSERT_TRUE(a_.apply({in_memory("m2")}));
  b_.look();
  shared_.restore(backup);
  EXPECT_EQ(b_.look(), "2: m2");
  EXPECT_EQ(b_.state(), "refused");
  EXPECT_EQ(b_.store->status().seen, Revision(1));
  EXPECT_EQ(code(b_.apply({in_memory("m3")})), ErrorCode::IndexRollback);
  ASSERT_TRUE(b_.apply({in_memory("m3")}, 2));
  EXPECT_EQ(a_.look(), "3: m3");
}

TEST_F(FleetStoreTest, OneThatWasWrittenSinceItWasRestoredIsNotFollowedEither) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  const auto backup = shared_.state();
  ASSERT_TRUE(a_.apply({in_memory("m2")}));
  shared_.restore(backup);
  ASSERT_TRUE(b_.apply({in_memory("m9")}));  // it knew nothing of m2
  EXPECT_EQ(a_.look(), "2: m2");
  EXPECT_EQ(a_.state(), "refused");
  ASSERT_TRUE(a_.apply({in_memory("m2")}, 2));
  EXPECT_EQ(b_.look(), "3: m2");
}

TEST_F(FleetStoreTest, AnotherFleetsSetInAnotherStoreIsNeitherFollowedNorReplaced) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.empty(8);
  ASSERT_TRUE(b_.apply({in_memory("x1")}));
  ASSERT_TRUE(b_.apply({in_memory("x2")}));
  EXPECT_EQ(a_.look(), "1: m1");
  EXPECT_EQ(a_.store->status().trouble->code, ErrorCode::IndexRollback);
  EXPECT_EQ(code(a_.apply({in_memory("m1")}, 1)), ErrorCode::IndexRollback);
  EXPECT_EQ(stored().set.revision, Revision(2));
}

TEST_F(FleetStoreTest, GarbageIsNotFollowedAndOnlyReplacedOnPurpose) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.put("{}");
  EXPECT_EQ(a_.look(), "1: m1");
  EXPECT_EQ(a_.store->status().trouble->code, ErrorCode::StoreCorrupted);
  EXPECT_EQ(code(a_.apply({in_memory("m2")})), ErrorCode::StoreCorrupted);
  ASSERT_TRUE(a_.apply({in_memory("m2")}, 1));
  EXPECT_EQ(b_.look(), "2: m2");
  // A sidecar that knows no set does the same at revision 0.
  shared_.empty(9);
  shared_.put("{}");
  Sidecar fresh(shared_);
  EXPECT_EQ(fresh.look(), "0:");
  EXPECT_EQ(code(fresh.apply({in_memory("m3")})), ErrorCode::StoreCorrupted);
  EXPECT_TRUE(fresh.apply({in_memory("m3")}, 0));
}

TEST_F(FleetStoreTest, ASetThatThisBuildDoesNotAcceptIsTakenOverNotAtAll) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  FleetSet later = stored();
  later.set.revision = Revision(2);
  later.set.providers.push_back(in_memory("m2"));
  later.set.providers.push_back(in_memory("m3"));
  later.set.providers.back().kind = "zookeeper";
  shared_.put(encode_fleet_document(later).value());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(a_.look(), "1: m1");
  EXPECT_EQ(a_.state(), "refused");
  EXPECT_EQ(a_.store->status().trouble->code, ErrorCode::InvalidConfig);
  EXPECT_THAT(a_.store->status().trouble->message, HasSubstr("zookeeper"));
  EXPECT_EQ(a_.told.size(), 1u) << "told once";
  EXPECT_EQ(code(a_.apply({in_memory("m4")})), ErrorCode::InvalidConfig);
  EXPECT_EQ(code(a_.apply({in_memory("m4")}, 1)), ErrorCode::InvalidConfig);
  EXPECT_EQ(code(a_.apply({in_memory("m4")}, 2)), ErrorCode::RevisionConflict);
  later.set.revision = Revision(3);
  later.set.providers.pop_back();
  shared_.put(encode_fleet_document(later).value());
  EXPECT_EQ(a_.look(), "3: m1 m2");
  EXPECT_EQ(a_.state(), "following");
}

TEST_F(FleetStoreTest, OneForALaterVersionIsNeverReplaced) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  const std::string text = shared_.state().text;
  // A header of a later version, sealed as it should be.
  const std::string rest = R"("format":"rollcall.providers","min_reader":2})";
  const std::string header = R"({"checksum":")" + to_hex(xxh64(rest)) + R"(",)" + rest + "\n";
  shared_.put(header + text.substr(text.find('\n') + 1));
  EXPECT_EQ(a_.look(), "1: m1");
  EXPECT_EQ(a_.state(), "refused");
  EXPECT_THAT(a_.store->status().trouble->message, HasSubstr("later version"));
  EXPECT_EQ(code(a_.apply({in_memory("m2")}, 1)), ErrorCode::StoreCorrupted);
}

// --- answers that are lost ---

TEST_F(FleetStoreTest, AWriteWhoseAnswerWasLostIsLookedUp) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.lose_next(MemoryStore::Lost::Made);
  const auto change = a_.apply({in_memory("m2")});
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_EQ(change->revision, Revision(2));
  EXPECT_EQ(a_.set(), "2: m2");
}

TEST_F(FleetStoreTest, AWriteThatCannotBeFoundIsUnknownAndTheNextOneSettlesIt) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.lose_next(MemoryStore::Lost::NotMade);
  const auto lost = a_.apply({in_memory("m2")});
  EXPECT_EQ(code(lost), ErrorCode::Timeout);
  EXPECT_THAT(lost.error().message, HasSubstr("unknown"));
  EXPECT_EQ(a_.set(), "1: m1");
  ASSERT_TRUE(a_.apply({in_memory("m3")}));
  EXPECT_EQ(a_.set(), "2: m3");
}

TEST_F(FleetStoreTest, AWriteThatWasMadeBeforeTheStoreWentAwayIsFollowedWhenItIsBack) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.lose_next(MemoryStore::Lost::MadeAndAway);
  EXPECT_FALSE(a_.apply({in_memory("m2")}));
  EXPECT_EQ(a_.set(), "1: m1") << "it was not confirmed";
  EXPECT_FALSE(a_.apply({in_memory("m3")}));
  shared_.fail(std::nullopt);
  EXPECT_EQ(a_.look(), "2: m2");
  ASSERT_TRUE(a_.apply({in_memory("m3")}));
  EXPECT_EQ(b_.look(), "3: m3");
}

TEST_F(FleetStoreTest, ALookThatAWriteOvertookSaysNothing) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  MemoryDocument slow(shared_);
  // Begun before the write, and answered after it.
  const auto generation = a_.store->generation();
  auto before = slow.look({}, MonoTime{});
  ASSERT_TRUE(a_.apply({in_memory("m2")}));
  EXPECT_EQ(a_.store->observe(std::move(before), generation), FleetStore::Next::Again);
  EXPECT_EQ(a_.state(), "following") << "not a restored backup";
}

TEST_F(FleetStoreTest, ALookThatWasOvertakenIsNoWayBack) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  b_.look();
  ASSERT_TRUE(a_.apply({in_memory("m2")}));
  MemoryDocument slow(shared_);
  const auto generation = b_.store->generation();
  auto second = slow.look({}, MonoTime{});
  ASSERT_TRUE(a_.apply({in_memory("m3")}));
  // A writer sees the third set and takes it over; the follower's look comes in between.
  ASSERT_TRUE(b_.store->refresh());
  ASSERT_TRUE(b_.store->newer());
  b_.store->observe(std::move(second), generation);
  b_.store->taken_over();
  EXPECT_FALSE(b_.store->newer()) << "the second set again";
  EXPECT_EQ(b_.store->status().state, StoreStatus::State::Following);
}

TEST_F(FleetStoreTest, AfterAnUnknownWriteEvenWhatIsThereIsWritten) {
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  shared_.lose_next(MemoryStore::Lost::NotMade);
  EXPECT_FALSE(a_.apply({in_memory("m2")}));
  const auto kept = a_.apply({in_memory("m1")});
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(kept->revision, Revision(2)) << "what is still on its way expects the first one";
  EXPECT_EQ(b_.look(), "2: m1");
  ASSERT_TRUE(a_.apply({in_memory("m1")}));
  EXPECT_EQ(shared_.writes(), 2u) << "and that is certain";
}

// --- the follower ---

TEST_F(FleetStoreTest, TheFollowerTakesOverWhatComesAndEndsWhateverItWaitsFor) {
  ASSERT_TRUE(a_.apply({in_memory("m0")}));
  b_.look();
  b_.registry->set_listener({});
  std::mutex mutex;
  std::condition_variable came;
  Revision newest;
  b_.registry->set_listener(
      [&](const std::vector<AcceptedProvider>&, Revision revision, const std::vector<ProviderId>&) {
        const std::lock_guard lock(mutex);
        newest = revision;
        came.notify_all();
      });
  b_.follower->start();
  for (std::uint64_t i = 2; i < 30; ++i) {
    ASSERT_TRUE(a_.apply({in_memory("m" + std::to_string(i))}));
  }
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(
        came.wait_for(lock, std::chrono::minutes(1), [&] { return newest == Revision(29); }));
  }
  b_.follower->stop();
  EXPECT_EQ(b_.set(), "29: m29");
}

}  // namespace
}  // namespace rollcall::test
