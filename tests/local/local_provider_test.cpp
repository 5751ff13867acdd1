// The stream of the kind `local`: registrations and deaths appear at once, what can't be read keeps
// the last good members, and the file outlives whoever reads it.
#include "providers/local/local_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "providers/local/local_stream.h"
#include "tests/local/local_support.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

bool is_snapshot(const ProviderEvent& e) { return std::holds_alternative<ProviderSnapshot>(e); }
bool is_failure(const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); }
bool is_unchanged(const ProviderEvent& e) { return std::holds_alternative<UnchangedAnswer>(e); }
bool is_answer(const ProviderEvent& e) { return !is_failure(e); }
ErrorCode code_of(const ProviderEvent& e) {
  const auto* failed = std::get_if<FailedAnswer>(&e);
  return failed == nullptr ? ErrorCode::InvalidConfig : failed->code;
}

class LocalProviderTest : public RegistryTest {
 protected:
  ProviderDescriptor descriptor() const {
    ProviderDescriptor d;
    d.id = ProviderId("local");
    d.kind = "local";
    d.watch_params = {{"attest_ms", "50"}, {"poll_ms", "5000"}, {"lock_wait_ms", "50"}};
    return d;
  }
  std::unique_ptr<ClusterProvider> create(const ProviderDescriptor& d) {
    auto provider = make_local_factory()->create(d, {&time_, &files_, parent_.path().string()});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  std::unique_ptr<ClusterProvider> create() { return create(descriptor()); }

  PausableClock time_;
};

TEST_F(LocalProviderTest, R2_4_NobodyRegisteredIsAnEmptyAnswerAndTheDirectoryIsReady) {
  auto provider = create();
  StreamReader stream(provider->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[]");
  struct stat s {};
  ASSERT_EQ(0, ::stat(directory_.c_str(), &s));
  EXPECT_EQ(s.st_mode & 0777, 0700u);
}

TEST_F(LocalProviderTest, R2_1_ARegistrationAppearsAtOnce) {
  auto provider = create();
  StreamReader stream(provider->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[]");
  time_.pause();  // no poll and no attestation comes to help any more
  enrol("a", ::getpid());
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a]");
  enrol("b", ::getpid());
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a b]");
  ASSERT_TRUE(registry().remove(NodeId("a")));
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[b]");
}

TEST_F(LocalProviderTest, ADeathIsNoticedAtOnce) {
  Process first = idle_process();
  Process second = idle_process();
  enrol("a", first.pid());
  enrol("b", second.pid());
  enrol("c", second.pid());
  enrol("d", ::getpid());
  auto provider = create();
  StreamReader stream(provider->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b c d]");
  time_.pause();  // only the pidfd can tell
  ASSERT_TRUE(first.signal(SIGKILL));
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[b c d]");
  ASSERT_TRUE(second.signal(SIGKILL));
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[d]");
  EXPECT_EQ(ids(listing()), std::vector<std::string>{"d"});  // the file has let them go
}

TEST_F(LocalProviderTest, ManyDeathsAtOnceAreAllNoticedAndNobodyElses) {
  constexpr int kProcesses = 100;  // more than the kernel hands over at once (limits::kPidfdEvents)
  std::vector<Process> processes;
  for (int i = 0; i < kProcesses; ++i) {
    processes.push_back(idle_process());
    enrol("n" + std::to_string(i), processes.back().pid());
  }
  StreamReader stream(create()->stream());
  const ProviderEvent first = stream.next();
  ASSERT_TRUE(is_snapshot(first)) << to_text(first);
  EXPECT_EQ(std::get<ProviderSnapshot>(first).members.size(), static_cast<std::size_t>(kProcesses));
  time_.pause();
  for (int i = 0; i < kProcesses; ++i) {
    if (i == 42 || i == 77) continue;
    ASSERT_TRUE(processes[static_cast<std::size_t>(i)].signal(SIGKILL));
  }
  const ProviderEvent last = stream.until([](const ProviderEvent& e) {
    return is_snapshot(e) && std::get<ProviderSnapshot>(e).members.size() <= 2;
  });
  EXPECT_EQ(to_text(last), "snapshot[n42 n77]");
}

TEST_F(LocalProviderTest, WithoutPidfdsADeathIsFoundByScanningAndSaidSo) {
  Process process = idle_process();
  enrol("a", process.pid());
  enrol("b", ::getpid());
  LocalSettings settings;
  settings.directory = directory_;
  settings.poll = std::chrono::milliseconds(20);
  settings.attest = std::chrono::seconds(5);
  settings.lock_wait = std::chrono::seconds(1);
  settings.max_pidfds = 1;
  StreamReader stream(std::make_unique<LocalStream>(settings, files_, time_));
  const ProviderEvent first = stream.next();
  ASSERT_EQ(to_text(first), "snapshot[a b]");
  EXPECT_THAT(std::get<ProviderSnapshot>(first).backend_index,
              AllOf(HasSubstr("scanned every 20 ms: 1 ("), HasSubstr("limit of 1")));
  ASSERT_TRUE(process.signal(SIGKILL));
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[b]");
}

TEST_F(LocalProviderTest, ItSurvivesEveryRestartOfRollcall) {
  Process process = idle_process();
  enrol("a", process.pid());
  enrol("b", ::getpid());
  for (int i = 0; i < 3; ++i) {
    auto provider = create();
    StreamReader stream(provider->stream());
    const ProviderEvent first = stream.next();
    ASSERT_EQ(to_text(first), "snapshot[a b]");
    EXPECT_EQ(std::get<ProviderSnapshot>(first).members[0].labels.at("rollcall-socket"),
              "/run/a.sock");
  }
  process.kill();  // while nobody watches
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[b]");
}

TEST_F(LocalProviderTest, AReusedIdAndAnEarlierBootAreNoMembers) {
  LocalEntry entry = enrol("a", ::getpid());
  entry.node.id = NodeId("reused");
  ++entry.process.start_ticks;
  plant(entry);
  --entry.process.start_ticks;
  entry.node.id = NodeId("rebooted");
  entry.process.boot_id = "another";
  plant(entry);
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
}

TEST_F(LocalProviderTest, ABrokenRegistryIsAFailureAndKeepsTheMembers) {
  enrol("a", ::getpid());
  enrol("b", ::getpid());
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  const std::string good = read_file(file_);
  for (std::size_t size = 0; size < good.size(); size += 1 + good.size() / 12) {
    write_and_rename(file_, good.substr(0, size));
    ASSERT_EQ(0, ::chmod(file_.c_str(), 0600));
    ProviderEvent event = stream.until([](const ProviderEvent& e) {
      return is_snapshot(e) || code_of(e) == ErrorCode::StoreCorrupted;
    });
    ASSERT_TRUE(is_failure(event)) << size << " bytes: " << to_text(event);
    EXPECT_THAT(to_text(event), HasSubstr(file_ + ":"));
    write_and_rename(file_, good);
    ASSERT_EQ(0, ::chmod(file_.c_str(), 0600));
    EXPECT_EQ(to_text(stream.until(
                  [](const ProviderEvent& e) { return is_snapshot(e) || is_unchanged(e); })),
              "unchanged");
  }
}

TEST_F(LocalProviderTest, ARegistryThatOthersMayTouchIsAFailure) {
  enrol("a", ::getpid());
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  ASSERT_EQ(0, ::chmod(directory_.c_str(), 0755));
  const ProviderEvent failed = stream.until(is_failure);
  EXPECT_EQ(code_of(failed), ErrorCode::PermissionDenied);
  EXPECT_THAT(to_text(failed), HasSubstr("chmod 0700"));
  ASSERT_EQ(0, ::chmod(directory_.c_str(), 0700));
  EXPECT_EQ(to_text(stream.until(is_answer)), "unchanged");
}

TEST_F(LocalProviderTest, AHeldLockIsATimeoutThatNamesTheHolderAndPasses) {
  enrol("a", ::getpid());
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  {
    const auto held = RegistryLock::acquire(lock_, clock_, {kPatience, {}});
    ASSERT_TRUE(held);
    const ProviderEvent failed = stream.until(is_failure);
    EXPECT_EQ(code_of(failed), ErrorCode::Timeout);
    EXPECT_THAT(to_text(failed), HasSubstr("held by process " + std::to_string(::getpid())));
  }
  EXPECT_EQ(to_text(stream.until(is_answer)), "unchanged");
}

TEST_F(LocalProviderTest, ADeathDuringAFailureIsToldAfterIt) {
  Process process = idle_process();
  enrol("a", process.pid());
  enrol("b", ::getpid());
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  {
    const auto held = RegistryLock::acquire(lock_, clock_, {kPatience, {}});
    ASSERT_TRUE(held);
    ASSERT_TRUE(process.signal(SIGKILL));
    EXPECT_EQ(code_of(stream.until(is_failure)), ErrorCode::Timeout);
  }
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[b]");
}

TEST_F(LocalProviderTest, ADirectoryThatGoesAwayIsNoEmptyRegistry) {
  enrol("a", ::getpid());
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  fs::rename(directory_, directory_ + ".away");
  const ProviderEvent failed =
      stream.until([](const ProviderEvent& e) { return !is_unchanged(e); });
  EXPECT_EQ(code_of(failed), ErrorCode::BackendUnavailable) << to_text(failed);
  EXPECT_FALSE(fs::exists(directory_));
  fs::rename(directory_ + ".away", directory_);
  EXPECT_EQ(to_text(stream.until(is_answer)), "unchanged");
  enrol("b", ::getpid());
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a b]");
}

TEST_F(LocalProviderTest, ARemovedFileIsAnEmptyRegistry) {
  enrol("a", ::getpid());
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  time_.pause();
  fs::remove(file_);
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[]");
}

TEST_F(LocalProviderTest, AnEntryThatCannotBeJudgedFromHereIsAFailure) {
  LocalEntry entry = enrol("a", ::getpid());
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  entry.node.id = NodeId("contained");
  entry.process.namespaces = "pid:[1] time:[2]";
  plant(entry);
  const ProviderEvent failed =
      stream.until([](const ProviderEvent& e) { return !is_unchanged(e); });
  EXPECT_EQ(code_of(failed), ErrorCode::PermissionDenied) << to_text(failed);
  EXPECT_THAT(to_text(failed), AllOf(HasSubstr("contained"), HasSubstr("namespace")));
  ASSERT_TRUE(registry().remove(NodeId("contained")));
  EXPECT_EQ(to_text(stream.until(is_answer)), "unchanged");
}

TEST_F(LocalProviderTest, AFailingDiskDoesNotHideADeath) {
  Process process = idle_process();
  enrol("a", process.pid());
  enrol("b", ::getpid());
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  ASSERT_TRUE(RegistryLock::acquire(lock_, clock_, {kPatience, {}}));
  {
    // Nobody reads while the kind of failure is changed: FaultyFiles has no lock of its own.
    const auto held = RegistryLock::acquire(lock_, clock_, {kPatience, {}});
    ASSERT_TRUE(held);
    files_.fail(FileCall::WriteSynced);
  }
  ASSERT_TRUE(process.signal(SIGKILL));
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[b]");
  EXPECT_EQ(to_text(stream.until(is_unchanged)), "unchanged");  // and goes on saying so
  EXPECT_EQ(ids(listing()), (std::vector<std::string>{"a", "b"}));
}

TEST_F(LocalProviderTest, MembersLookAsTheyWereDeclared) {
  Registration r = registration("a");
  r.node.host = "10.0.0.7";
  r.node.port = 7000;
  r.node.labels = {{"rollcall-incarnation", "7"}, {"rack", "r1"}};
  ASSERT_TRUE(registry().register_self(r));
  const auto plain = [&](const char* labels) {
    ProviderDescriptor d = descriptor();
    d.watch_params["labels"] = labels;
    const auto answer = create(d)->initial_snapshot(time_.now() + std::chrono::seconds(5));
    EXPECT_TRUE(answer) << answer.error().message;
    return answer->members.at(0);
  };
  const ClusterNode node = plain("false");
  EXPECT_EQ(node.host, "10.0.0.7");
  EXPECT_EQ(node.port, 7000);
  EXPECT_EQ(node.incarnation, "7");
  EXPECT_EQ(node.labels, r.node.labels);
  EXPECT_EQ(plain("true").labels.at("rollcall-version"), "1.2.3");
}

TEST_F(LocalProviderTest, R1_1_SettingsAreChecked) {
  const auto factory = make_local_factory();
  for (const auto& [name, value] : {std::pair{"directory", "relative"},
                                    {"labels", "maybe"},
                                    {"poll_ms", "19"},
                                    {"poll_ms", "5001"},
                                    {"attest_ms", "5001"},
                                    {"lock_wait_ms", "9"},
                                    {"lock_wait_ms", "x"}}) {
    ProviderDescriptor d = descriptor();
    d.watch_params[name] = value;
    const auto problems = factory->validate(d, "p");
    ASSERT_EQ(problems.size(), 1u) << name << "=" << value;
    EXPECT_EQ(problems[0].field, std::string("p.watch_params.") + name);
  }
  ProviderDescriptor d = descriptor();
  d.auth.token_file = "/run/token";
  EXPECT_EQ(factory->validate(d, "p").at(0).field, "p.auth");
}

}  // namespace
}  // namespace rollcall::test
