// The decision when to register, renew and withdraw: every cell of the table, and stories.
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>

#include "provisioning/announce/announce_machine.h"
#include "provisioning/announce/limits.h"

namespace rollcall {
namespace {

using namespace std::chrono_literals;
using S = AnnounceState;
using I = AnnounceInput;
using C = AnnounceCall;

constexpr MonoTime kBegin{std::chrono::seconds(1000)};

// One line a state: "<next>/<call>" for each input, in the order of the enum; "." stays and calls
// nothing. W waits, U unable, R registering, r registered, L listed, M missing, u unrenewed,
// D withdrawing (drain), X withdrawn; +: register, =: renew, -: withdraw.
const std::map<S, std::string> kExpected = {
    //                 Found FoundUnable Gone Due Done NotKnown Failed Seen NotSeen Still Drain
    {S::Waiting, "R+ U . . . . . . . . X"},         {S::Unable, "R+ . W . . . . . . . X"},
    {S::Registering, "R+ U- W- R+ r . . . . . D-"}, {S::Registered, "R+ U- W- r= . R+ u L . M+ D-"},
    {S::Listed, "R+ U- W- L= . R+ u . r= M+ D-"},   {S::Missing, "R+ U- W- M+ . . . L . . D-"},
    {S::Unrenewed, "R+ U- W- u= r R+ . . . . D-"},  {S::Withdrawing, ". . . D- X X . . . . ."},
    {S::Withdrawn, ". . . . . . . . . . ."},
};

std::string cell_text(S state, I input) {
  const AnnounceCell cell = announce_cell(state, input);
  if (cell.next == state && cell.call == C::None) return ".";
  static constexpr char kStates[] = "WURrLMuDX";
  std::string text(1, kStates[static_cast<std::size_t>(cell.next) - 1]);
  static constexpr char kCalls[] = {'\0', '+', '=', '-'};
  if (cell.call != C::None) text += kCalls[static_cast<std::size_t>(cell.call)];
  return text;
}

TEST(AnnounceMachine, EveryCellOfTheTableIsAsItIsWritten) {
  ASSERT_EQ(kExpected.size(), kAnnounceStates);
  for (const auto& [state, line] : kExpected) {
    std::istringstream cells(line);
    for (std::size_t i = 1; i <= kAnnounceInputs; ++i) {
      std::string expected;
      ASSERT_TRUE(cells >> expected);
      const auto input = static_cast<I>(i);
      EXPECT_EQ(cell_text(state, input), expected) << to_string(state) << " " << to_string(input);
    }
  }
}

TEST(AnnounceMachine, NoInputEverLeadsOutOfWithdrawn) {
  for (std::size_t i = 1; i <= kAnnounceInputs; ++i) {
    EXPECT_EQ(announce_cell(S::Withdrawn, static_cast<I>(i)).next, S::Withdrawn);
  }
}

// Tells the machine a story and keeps the time.
class Story {
 public:
  explicit Story(Duration ttl = 30s) : machine_(ttl, 7, kBegin) {}

  C say(I input, Duration ttl = {}) { return machine_.step(input, now_, ttl); }
  void pass(Duration d) { now_ += d; }
  // To the time at which the machine wants to be called; how long that took.
  Duration to_due() {
    EXPECT_TRUE(machine_.due().has_value());
    const MonoTime due = machine_.due().value_or(now_);
    const Duration waited = due - now_;
    now_ = due;
    return waited;
  }
  S state() const { return machine_.state(); }
  AnnounceMachine& machine() { return machine_; }
  MonoTime now() const { return now_; }

  void until_listed() {
    EXPECT_EQ(say(I::Found), C::Register);
    EXPECT_EQ(say(I::Done), C::None);
    EXPECT_EQ(say(I::Seen), C::None);
    EXPECT_EQ(state(), S::Listed);
  }

 private:
  AnnounceMachine machine_;
  MonoTime now_ = kBegin;
};

TEST(AnnounceMachine, NothingIsCalledBeforeTheProviderIsThere) {
  Story story;
  EXPECT_EQ(story.state(), S::Waiting);
  EXPECT_FALSE(story.machine().due().has_value());
  EXPECT_EQ(story.say(I::Due), C::None);
  EXPECT_EQ(story.say(I::Found), C::Register);
}

TEST(AnnounceMachine, RenewsAtAThirdOfTheTtlOrALittleEarlier) {
  Story story(30s);
  story.until_listed();
  for (int i = 0; i < 100; ++i) {
    const Duration waited = story.to_due();
    EXPECT_LE(waited, 10s);
    EXPECT_GE(waited, 9s);
    EXPECT_EQ(story.say(I::Due), C::Renew);
    EXPECT_EQ(story.say(I::Done), C::None);
    EXPECT_EQ(story.state(), S::Listed);
  }
}

TEST(AnnounceMachine, TheTtlOfTheBackendCounts) {
  Story story(30s);
  story.say(I::Found);
  story.say(I::Done, 6s);
  EXPECT_LE(story.to_due(), 2s);
}

TEST(AnnounceMachine, WhatTheBackendDoesNotKnowIsRegisteredAtOnce) {
  Story story;
  story.until_listed();
  story.to_due();
  EXPECT_EQ(story.say(I::Due), C::Renew);
  EXPECT_EQ(story.say(I::NotKnown), C::Register);
  EXPECT_EQ(story.state(), S::Registering);
  EXPECT_EQ(story.say(I::Done), C::None);
  EXPECT_EQ(story.state(), S::Registered);
}

TEST(AnnounceMachine, FailuresAreRetriedWithABoundedBackoff) {
  Story story(30s);
  EXPECT_EQ(story.say(I::Found), C::Register);
  Duration longest{};
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(story.say(I::Failed), C::None);
    EXPECT_EQ(story.state(), S::Registering);
    const Duration waited = story.to_due();
    EXPECT_GT(waited, Duration::zero());
    longest = std::max(longest, waited);
    EXPECT_EQ(story.say(I::Due), C::Register);
  }
  EXPECT_LE(longest, 10s);  // never longer than a renewal may take to come
  EXPECT_GT(longest, 5s);
  story.say(I::Done);
  EXPECT_EQ(story.machine().failures(), 0u);
}

TEST(AnnounceMachine, AFailedRenewalIsRenewedAgainAndNotRegistered) {
  Story story;
  story.until_listed();
  story.to_due();
  story.say(I::Due);
  EXPECT_EQ(story.say(I::Failed), C::None);
  EXPECT_EQ(story.state(), S::Unrenewed);
  EXPECT_EQ(story.say(I::Seen), C::None);  // that it is listed still says nothing of its TTL
  EXPECT_EQ(story.state(), S::Unrenewed);
  EXPECT_LE(story.to_due(), 2s);
  EXPECT_EQ(story.say(I::Due), C::Renew);
  EXPECT_EQ(story.say(I::Done), C::None);
  EXPECT_EQ(story.state(), S::Registered);
  EXPECT_EQ(story.say(I::Seen), C::None);
  EXPECT_EQ(story.state(), S::Listed);
}

TEST(AnnounceMachine, OneThatVanishesFromTheListIsAskedForAtOnce) {
  Story story;
  story.until_listed();
  story.pass(1s);
  EXPECT_EQ(story.say(I::NotSeen), C::Renew);
  EXPECT_EQ(story.say(I::NotKnown), C::Register);
  EXPECT_EQ(story.say(I::Done), C::None);
  EXPECT_EQ(story.say(I::Seen), C::None);
  EXPECT_EQ(story.state(), S::Listed);
}

TEST(AnnounceMachine, OneThatIsMissingForTooLongIsAStateOfItsOwnAndRegisteredAgain) {
  Story story(30s);
  story.say(I::Found);
  story.say(I::Done);
  const MonoTime registered = story.now();
  C call = C::None;
  while (call == C::None) {
    story.pass(1s);
    call = story.say(I::NotSeen);
    ASSERT_LE(story.now() - registered, 17s);
  }
  EXPECT_EQ(call, C::Register);
  EXPECT_EQ(story.state(), S::Missing);
  EXPECT_GE(story.now() - registered, 15s);
  // Until it is seen, with a backoff, and at least as often as renewals would come.
  Duration before{};
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(story.say(I::Done), C::None);
    EXPECT_EQ(story.state(), S::Missing);
    before = story.to_due();
    EXPECT_LE(before, 10s);
    EXPECT_EQ(story.say(I::NotSeen), C::None);
    EXPECT_EQ(story.say(I::Due), C::Register);
  }
  EXPECT_GE(before, 5s);
  story.say(I::Done);
  EXPECT_EQ(story.say(I::Seen), C::None);
  EXPECT_EQ(story.state(), S::Listed);
  EXPECT_TRUE(story.machine().due().has_value());
}

TEST(AnnounceMachine, AListThatLagsIsNoMissingNode) {
  Story story(30s);
  story.say(I::Found);
  story.say(I::Done);
  for (int i = 0; i < 14; ++i) {
    EXPECT_EQ(story.say(I::NotSeen), C::None);
    story.pass(1s);
  }
  EXPECT_EQ(story.state(), S::Registered);
  EXPECT_EQ(story.say(I::Seen), C::None);
  EXPECT_EQ(story.state(), S::Listed);
}

TEST(AnnounceMachine, ARegistrationBeginsTheTimeOfMissingAnew) {
  Story story(30s);
  story.say(I::Found);
  story.say(I::Done);
  story.say(I::NotSeen);
  story.pass(14s);
  story.say(I::Due);
  story.say(I::NotKnown);
  story.say(I::Done);
  story.pass(2s);
  EXPECT_EQ(story.say(I::NotSeen), C::None);
  EXPECT_EQ(story.state(), S::Registered);
}

TEST(AnnounceMachine, ARemovedProviderIsWithdrawnFromAndAnnouncedThroughAgain) {
  Story story;
  story.until_listed();
  EXPECT_EQ(story.say(I::Gone), C::Withdraw);
  EXPECT_EQ(story.state(), S::Waiting);
  EXPECT_EQ(story.say(I::Failed), C::None);
  EXPECT_EQ(story.state(), S::Waiting);
  EXPECT_FALSE(story.machine().due().has_value());
  EXPECT_EQ(story.say(I::Found), C::Register);
}

TEST(AnnounceMachine, AReplacedProviderIsRegisteredWithAtOnce) {
  Story story;
  story.until_listed();
  EXPECT_EQ(story.say(I::Found), C::Register);
  EXPECT_EQ(story.state(), S::Registering);
}

TEST(AnnounceMachine, AKindThatCannotAnnounceWaitsForAnotherOne) {
  Story story;
  EXPECT_EQ(story.say(I::FoundUnable), C::None);
  EXPECT_EQ(story.state(), S::Unable);
  EXPECT_FALSE(story.machine().due().has_value());
  EXPECT_EQ(story.say(I::Found), C::Register);
}

TEST(AnnounceMachine, DrainingWithdrawsAndEnds) {
  Story story;
  story.until_listed();
  EXPECT_EQ(story.say(I::Drain), C::Withdraw);
  EXPECT_EQ(story.say(I::Failed), C::None);
  EXPECT_EQ(story.state(), S::Withdrawing);
  EXPECT_LE(story.to_due(), 2s);
  EXPECT_EQ(story.say(I::Due), C::Withdraw);
  EXPECT_EQ(story.say(I::Done), C::None);
  EXPECT_EQ(story.state(), S::Withdrawn);
  EXPECT_FALSE(story.machine().due().has_value());
  EXPECT_EQ(story.say(I::Found), C::None);
}

TEST(AnnounceMachine, EarlierFailuresDoNotMakeTheRetriesOfAWithdrawalRare) {
  Story story(30s);
  story.say(I::Found);
  for (int i = 0; i < 20; ++i) story.say(I::Failed);
  EXPECT_EQ(story.say(I::Drain), C::Withdraw);
  story.say(I::Failed);
  EXPECT_EQ(story.machine().failures(), 1u);
  EXPECT_LE(story.to_due(), 2s) << "the first backoff";
}

TEST(AnnounceMachine, ARegistrationThatMayHaveBeenTakenIsWithdrawn) {
  Story story;
  story.say(I::Found);
  story.say(I::Failed);
  EXPECT_EQ(story.say(I::Drain), C::Withdraw);
}

TEST(AnnounceMachine, TheSameSeedWaitsTheSame) {
  Story a;
  Story b;
  for (Story* story : {&a, &b}) {
    story->say(I::Found);
    for (int i = 0; i < 5; ++i) {
      story->say(I::Failed);
      story->to_due();
      story->say(I::Due);
    }
  }
  EXPECT_EQ(a.now(), b.now());
}

TEST(AnnounceMachine, TimesKeepARenewalWithinTheTtlWhateverTheOthersDo) {
  for (const Duration ttl : {Duration(3s), Duration(30s), Duration(24h)}) {
    const AnnounceTimes times = announce_times(ttl);
    const auto others = static_cast<std::int64_t>(limits::kMaxAnnounceProviders) - 1;
    EXPECT_LT(times.renew_every + others * announce_call_time(ttl), ttl);
    EXPECT_LE(times.backoff.max, times.renew_every);
    EXPECT_GE(times.missing_after, Duration(limits::kAnnounceMissingMin));
    EXPECT_LE(times.missing_after, Duration(limits::kAnnounceMissingMax));
  }
}

}  // namespace
}  // namespace rollcall
