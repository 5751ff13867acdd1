// Plug-ins that crash, hang, flood and lie, as real processes that Rollcall started
// (misbehaving_plugin.cpp): each harms nobody but its own provider, and leaves nothing behind.
#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "core/limits.h"
#include "providers/custom/limits.h"
#include "tests/backends/environment.h"
#include "tests/backends/process.h"
#include "tests/providers/plugin_support.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

std::string program() { return (bin_dir() / "tests" / "misbehaving_plugin").string(); }

std::string args_of(const std::string& mode) { return "[\"" + mode + R"(","{socket}"])"; }

class HostilePlugin : public ::testing::Test {
 protected:
  HostilePlugin() { grpc_init(); }
  ~HostilePlugin() override {
    EXPECT_TRUE(comes_to(own_children, 0)) << "a process was left behind";
    grpc_shutdown();
  }

  // With a short attest interval, and time to start on a busy machine.
  std::unique_ptr<ClusterProvider> create(const std::string& mode, Params params = {},
                                          AuthRef auth = {}) {
    params["command"] = program();
    params["args"] = args_of(mode);
    params.try_emplace("attest_ms", "100");
    params.try_emplace("start_ms", "60000");
    return make_custom(clock_, std::move(params), {}, std::move(auth));
  }
  static FailedAnswer failure(StreamReader& stream) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); });
    const auto* failed = std::get_if<FailedAnswer>(&event);
    if (failed == nullptr) return {ErrorCode::NotFound, to_text(event)};
    EXPECT_LE(failed->detail.size(), 512u);
    EXPECT_FALSE(failed->detail.empty());
    return *failed;
  }
  FailedAnswer first_failure(const std::string& mode, Params params = {}) {
    const auto provider = create(mode, std::move(params));
    StreamReader stream(provider->stream());
    return failure(stream);
  }
  static void until_member_a(StreamReader& stream) {
    stream.until([](const ProviderEvent& e) { return to_text(e) == "snapshot[a]"; });
  }
  MonoTime in(Duration d) { return clock_.now() + d; }

  RealClock clock_;
};

// --- crashes ---

TEST_F(HostilePlugin, ACrashIsAFailureThatSaysHowAndWhatItWroteAndTheNextAttemptStartsAnother) {
  const auto provider = create("crash-mid-stream");
  StreamReader stream(provider->stream());
  for (int life = 0; life < 2; ++life) {
    until_member_a(stream);
    const FailedAnswer failed = failure(stream);
    EXPECT_EQ(failed.code, ErrorCode::BackendUnavailable) << failed.detail;
    EXPECT_THAT(failed.detail, HasSubstr("was killed by signal 6"));
    EXPECT_THAT(failed.detail, HasSubstr("about to fail"));
    EXPECT_THAT(failed.detail, HasSubstr("plug-in misbehaving crash-mid-stream"));
  }
}

TEST_F(HostilePlugin, ACrashAtTheHandshakeIsAFailure) {
  const FailedAnswer failed = first_failure("crash-at-handshake");
  EXPECT_EQ(failed.code, ErrorCode::BackendUnavailable) << failed.detail;
  EXPECT_THAT(failed.detail, HasSubstr("was killed by signal 6"));
}

TEST_F(HostilePlugin, AProgramThatEndsAtOnceIsAFailureWithItsLastWords) {
  const FailedAnswer failed = first_failure("exit-at-once");
  EXPECT_EQ(failed.code, ErrorCode::BackendUnavailable) << failed.detail;
  EXPECT_THAT(failed.detail, HasSubstr("exited with status 3"));
  EXPECT_THAT(failed.detail, HasSubstr("no licence found | leaving"));
}

TEST_F(HostilePlugin, AProcessThatEndedIsCollectedThoughNobodyAsks) {
  const auto provider = create("crash-mid-stream");
  const auto stream = provider->stream();
  ProviderEvent event = stream->next();
  while (!std::holds_alternative<ProviderSnapshot>(event)) event = stream->next();
  EXPECT_TRUE(comes_to(own_children, 0));  // it crashed, and next() wasn't called since
  EXPECT_EQ(own_zombies(), 0u);
}

TEST_F(HostilePlugin, AttemptsAreCountedOutWhoeverAsks) {
  // The core's backoff is one brake; a caller that asks in a loop meets another.
  const auto provider = create("exit-at-once");
  const auto stream = provider->stream();
  const MonoTime began = clock_.now();
  for (int i = 0; i < 5; ++i) (void)stream->next();
  // Two at once, and the three others a second apart.
  EXPECT_GE(clock_.now() - began, Duration(seconds(2)));
}

// --- hangs ---

TEST_F(HostilePlugin, AHungStreamIsFoundByItsSilenceAndTheProcessIsReplaced) {
  for (const char* mode : {"hang-mid-stream", "stop-itself"}) {
    const auto provider = create(mode);
    StreamReader stream(provider->stream());
    for (int life = 0; life < 2; ++life) {
      until_member_a(stream);
      const FailedAnswer failed = failure(stream);
      EXPECT_EQ(failed.code, ErrorCode::Timeout) << mode << ": " << failed.detail;
      EXPECT_THAT(failed.detail, HasSubstr("attest_ms")) << mode;
    }
  }
}

TEST_F(HostilePlugin, AHungHandshakeAndASocketThatNeverComesAreTimeouts) {
  for (const char* mode : {"hang-at-handshake", "no-socket"}) {
    const FailedAnswer failed = first_failure(mode, {{"start_ms", "1000"}});
    EXPECT_EQ(failed.code, ErrorCode::Timeout) << mode << ": " << failed.detail;
  }
}

TEST_F(HostilePlugin, ASnapshotThatNeverEndsIsATimeout) {
  const FailedAnswer failed = first_failure("drip-chunks");
  EXPECT_EQ(failed.code, ErrorCode::Timeout) << failed.detail;
  EXPECT_THAT(failed.detail, HasSubstr("did not finish it"));
}

TEST_F(HostilePlugin, CancelReturnsFromAnyHang) {
  const struct {
    const char* mode;
    bool gives_members;
  } cases[] = {{"hang-at-handshake", false}, {"no-socket", false},    {"hang-mid-stream", true},
               {"stop-itself", true},        {"ignore-cancel", true}, {"ignore-term", true}};
  for (const auto& hang : cases) {
    const std::string mode = hang.mode;
    const auto provider = create(mode, {{"attest_ms", "60000"}});
    StreamReader stream(provider->stream());
    if (hang.gives_members) {
      until_member_a(stream);
    } else {
      EXPECT_TRUE(eventually(kPatience, [&] { return running_with(program() + " " + mode) > 0; }));
    }
    EXPECT_LT(stream.stop(), Duration(seconds(5))) << mode;  // the wait would take a minute
  }
}

TEST_F(HostilePlugin, AHungCheckEndsByItsDeadline) {
  const auto provider = create("hang-at-check");
  const auto checked = provider->check_connectivity(in(seconds(3)));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::Timeout);
}

// --- too much ---

// The most memory that this process ever had, in kB.
std::size_t peak_memory_kb() {
  const std::string status = read_file("/proc/self/status");
  const auto at = status.find("VmHWM:");
  return at == std::string::npos ? 0 : std::strtoul(status.c_str() + at + 6, nullptr, 10);
}

TEST_F(HostilePlugin, AHugeMessageDiesAtTheLimit) {
  const std::size_t before = peak_memory_kb();
  const FailedAnswer failed = first_failure("huge-message", {{"attest_ms", "60000"}});
  EXPECT_LT(peak_memory_kb(), before + (32u << 10)) << "4 GiB were on their way";
  EXPECT_EQ(failed.code, ErrorCode::LimitExceeded) << failed.detail;
}

TEST_F(HostilePlugin, AMessageThatWouldUnpackToMuchMoreIsNotUnpacked) {
  const std::size_t before = peak_memory_kb();
  const FailedAnswer failed = first_failure("bomb", {{"attest_ms", "60000"}});
  EXPECT_LT(peak_memory_kb(), before + (32u << 10)) << "it would have been 256 MiB";
  EXPECT_EQ(failed.code, ErrorCode::CapabilityMissing) << failed.detail;
  EXPECT_THAT(failed.detail, HasSubstr("ompression"));
}

TEST_F(HostilePlugin, EndlessChunksDieAtTheLimitOfMembers) {
  const FailedAnswer failed = first_failure("endless-chunks");
  EXPECT_EQ(failed.code, ErrorCode::LimitExceeded) << failed.detail;
}

TEST_F(HostilePlugin, AFloodEndsItsOwnStream) {
  const auto provider = create("flood");
  StreamReader stream(provider->stream());
  until_member_a(stream);
  const FailedAnswer failed = failure(stream);
  EXPECT_EQ(failed.code, ErrorCode::LimitExceeded) << failed.detail;
}

TEST_F(HostilePlugin, OutputOfMegabytesHoldsNobodyUp) {
  const auto provider = create("talks-much", {{"attest_ms", "60000"}});
  StreamReader stream(provider->stream());
  until_member_a(stream);
}

// --- no answers ---

TEST_F(HostilePlugin, WhatIsNoAnswerIsMalformedAndCarriesNothing) {
  for (const char* mode : {"duplicate-ids",
                           "duplicate-ids-across-chunks",
                           "chunks-out-of-order",
                           "begins-with-chunk-1",
                           "empty-chunk",
                           "change-first",
                           "unchanged-first",
                           "unchanged-between-chunks",
                           "joins-and-leaves",
                           "no-event",
                           "odd-code",
                           "bad-port",
                           "bad-host",
                           "bad-status",
                           "bad-utf8",
                           "no-id",
                           "long-id",
                           "many-labels",
                           "end-within-a-snapshot",
                           "rude-name"}) {
    const FailedAnswer failed = first_failure(mode);
    EXPECT_EQ(failed.code, ErrorCode::MalformedResponse) << mode << ": " << failed.detail;
  }
}

TEST_F(HostilePlugin, ABadAnswerDoesNotCostTheProcess) {
  const auto provider = create("duplicate-ids");
  StreamReader stream(provider->stream());
  failure(stream);
  pid_t first = 0;
  for (const ProcessInfo& p : all_processes()) {
    if (p.parent == ::getpid()) first = p.pid;
  }
  failure(stream);
  EXPECT_GT(first, 0);
  EXPECT_EQ(0, ::kill(first, 0)) << "it was started again";
}

TEST_F(HostilePlugin, R1_3_WithoutWatchOrACommonVersionACapabilityIsMissing) {
  for (const char* mode : {"no-watch", "wrong-version", "seldom"}) {
    const auto provider = create(mode);
    const auto checked = provider->check_connectivity(in(seconds(60)));
    ASSERT_TRUE(checked.has_value()) << mode << ": " << checked.error().message;
    EXPECT_FALSE(checked->watch) << mode;
    EXPECT_FALSE(checked->missing.empty()) << mode;
    StreamReader stream(provider->stream());
    const FailedAnswer failed = failure(stream);
    EXPECT_EQ(failed.code, ErrorCode::CapabilityMissing) << mode << ": " << failed.detail;
  }
}

TEST_F(HostilePlugin, ItsOwnFailuresKeepTheirCodeAndAreShownSafely) {
  FailedAnswer failed = first_failure("fails-itself");
  EXPECT_EQ(failed.code, ErrorCode::AuthFailed);
  EXPECT_THAT(failed.detail, HasSubstr("the backend refused"));
  EXPECT_THAT(failed.detail, Not(HasSubstr("\x1b")));
  failed = first_failure("refuse");
  EXPECT_EQ(failed.code, ErrorCode::AuthFailed);
  EXPECT_THAT(failed.detail, Not(HasSubstr("\n")));
  EXPECT_EQ(first_failure("deny").code, ErrorCode::PermissionDenied);
  EXPECT_EQ(first_failure("rolls-back").code, ErrorCode::IndexRollback);
}

TEST_F(HostilePlugin, AStreamThatEndsInOrderIsTerminatedInOrder) {
  const auto provider = create("end-in-order");
  StreamReader stream(provider->stream());
  until_member_a(stream);
  const ProviderEvent last =
      stream.until([](const ProviderEvent& e) { return std::holds_alternative<Terminated>(e); });
  ASSERT_TRUE(std::holds_alternative<Terminated>(last));
  EXPECT_TRUE(std::get<Terminated>(last).ended);
}

TEST_F(HostilePlugin, R2_4_NoMembersIsAnAnswer) {
  const auto provider = create("empty");
  StreamReader stream(provider->stream());
  stream.until([](const ProviderEvent& e) { return to_text(e) == "snapshot[]"; });
}

TEST_F(HostilePlugin, R1_4_AFailedCheckSaysWhy) {
  const auto checked = create("check-fails")->check_connectivity(in(seconds(60)));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::AuthFailed);
  EXPECT_THAT(checked.error().message, HasSubstr("no such user"));
}

TEST_F(HostilePlugin, HalfASnapshotIsNoAnswerToASingleReadEither) {
  const auto whole = create("attest")->initial_snapshot(in(seconds(60)));
  ASSERT_TRUE(whole.has_value()) << whole.error().message;
  EXPECT_THAT(ids_of(whole->members), ::testing::ElementsAre("a"));
  const auto half = create("half-a-snapshot")->initial_snapshot(in(seconds(60)));
  ASSERT_FALSE(half.has_value());
  EXPECT_EQ(half.error().code, ErrorCode::MalformedResponse);
}

// --- what a supervised process is given, and what is left of it ---

TEST_F(HostilePlugin, ItGetsAMinimalEnvironmentThreeDescriptorsAndThePathOfTheToken) {
  ::setenv("ROLLCALL_TEST_SECRET", "hunter2", 1);
  const auto provider = create("report", {{"env", R"({"SHOWN":"yes"})"}});
  StreamReader stream(provider->stream());
  const FailedAnswer failed = failure(stream);
  ::unsetenv("ROLLCALL_TEST_SECRET");
  EXPECT_THAT(failed.detail, HasSubstr("exited with status 4"));
  EXPECT_THAT(failed.detail, HasSubstr("SHOWN=yes"));
  EXPECT_THAT(failed.detail, HasSubstr(" | fd 0 | fd 1 | fd 2"));
  EXPECT_THAT(failed.detail, Not(HasSubstr("fd 3")));
  EXPECT_THAT(failed.detail, Not(HasSubstr("hunter2")));

  AuthRef auth;
  auth.token_file = "/no/such/token";  // Rollcall doesn't read it
  const auto told = create("echo-token-file", {}, auth);
  StreamReader second(told->stream());
  second.until([](const ProviderEvent& e) { return to_text(e) == "snapshot[/no/such/token]"; });
}

TEST_F(HostilePlugin, ARotatedTokenIsThePluginsToReadAgainAndNobodyLeavesMeanwhile) {
  const TempDir directory;
  const std::string accepted = (directory / "accepted").string();
  AuthRef auth;
  auth.token_file = (directory / "token").string();
  write_and_rename(accepted, "first");
  write_and_rename(auth.token_file, "wrong");
  const auto provider =
      create("token", {{"env", R"({"ACCEPTED_TOKEN":")" + accepted + "\"}"}}, auth);
  StreamReader stream(provider->stream());
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
  write_and_rename(auth.token_file, "first");
  until_member_a(stream);
  const std::size_t processes = own_children();
  // Rotated at the backend: refused until the file follows, by the same process.
  write_and_rename(accepted, "second");
  const ProviderEvent refused = stream.until([](const ProviderEvent& e) {
    return !std::holds_alternative<UnchangedAnswer>(e) && to_text(e) != "snapshot[a]";
  });
  EXPECT_THAT(to_text(refused), HasSubstr("AUTH_FAILED"));
  EXPECT_THAT(to_text(refused), Not(HasSubstr("second")));
  write_and_rename(auth.token_file, "second");
  EXPECT_EQ(to_text(stream.until(
                [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); })),
            "snapshot[a]");
  EXPECT_EQ(own_children(), processes);
}

TEST_F(HostilePlugin, ChildrenThatItLeavesBehindEndWithIt) {
  const std::string unique = std::to_string(1'000'000 + ::getpid());
  const auto provider =
      create("leaves-children", {{"env", R"({"LEFT_BEHIND":")" + unique + R"("})"}});
  {
    StreamReader stream(provider->stream());
    until_member_a(stream);
    EXPECT_TRUE(eventually(kPatience, [&] { return running_with("sleep " + unique) == 1; }));
  }
  EXPECT_TRUE(comes_to([&] { return running_with("sleep " + unique); }, 0));
}

TEST_F(HostilePlugin, ItsDirectoryIsPrivateAndGoesWithIt) {
  const auto provider = create("attest");
  std::string socket;
  {
    StreamReader stream(provider->stream());
    until_member_a(stream);
    for (const ProcessInfo& p : all_processes()) {
      if (p.parent != ::getpid()) continue;
      const auto at = p.command_line.find("/tmp/rollcall-plugin-");
      ASSERT_NE(at, std::string::npos) << p.command_line;
      socket = p.command_line.substr(at, p.command_line.find(' ', at) - at);
    }
    const auto directory = std::filesystem::path(socket).parent_path();
    EXPECT_EQ(std::filesystem::status(directory).permissions(), std::filesystem::perms::owner_all);
    EXPECT_TRUE(std::filesystem::exists(socket)) << socket;
  }
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(socket).parent_path()));
}

TEST_F(HostilePlugin, ItDiesWithARollcallThatIsKilled) {
  const TempDir directory;
  Process::Options options;
  options.argv = {(bin_dir() / "tests" / "plugin_owner").string(), program(), args_of("attest")};
  options.output = directory / "owner.log";
  auto owner = Process::start(options);
  ASSERT_TRUE(owner) << owner.error();
  ASSERT_TRUE(eventually(kPatience, [&] {
    return owner->output_tail().find("following") != std::string::npos;
  })) << owner->output_tail();
  const auto of_owner = [&] {
    const auto all = all_processes();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const ProcessInfo& p) { return p.parent == owner->pid(); }));
  };
  ASSERT_EQ(of_owner(), 1u);
  std::string command;
  for (const ProcessInfo& p : all_processes()) {
    if (p.parent == owner->pid()) command = p.command_line;  // with the path of its own socket
  }
  owner->kill();
  EXPECT_TRUE(comes_to([&] { return running_with(command); }, 0)) << command;
  // Nobody was left to remove its directory.
  const auto at = command.find("/tmp/rollcall-plugin-");
  ASSERT_NE(at, std::string::npos) << command;
  std::filesystem::remove_all(
      std::filesystem::path(command.substr(at, command.find(' ', at) - at)).parent_path());
}

TEST_F(HostilePlugin, NoThreadNoDescriptorAndNoProcessIsLeftAfterManyCrashes) {
  const auto provider = create("crash-mid-stream");
  const auto one_life = [&] {
    StreamReader stream(provider->stream());
    until_member_a(stream);
    failure(stream);
  };
  one_life();
  const std::size_t descriptors = open_descriptors();
  const std::size_t threads = running_threads();
  for (int i = 0; i < 5; ++i) one_life();
  EXPECT_TRUE(comes_down_to(open_descriptors, descriptors)) << open_descriptors();
  EXPECT_TRUE(comes_down_to(running_threads, threads)) << running_threads();
}

TEST_F(HostilePlugin, AProgramThatCannotBeStartedIsTheConfigurationsFault) {
  const TempDir directory;
  const auto code_of = [&](const std::string& command) {
    const auto provider = make_custom(clock_, {{"command", command}});
    const auto checked = provider->check_connectivity(in(seconds(60)));
    return checked.has_value() ? ErrorCode::NotFound : checked.error().code;
  };
  EXPECT_EQ(code_of("/no/such/program"), ErrorCode::InvalidConfig);
  EXPECT_EQ(code_of(directory.path().string()), ErrorCode::InvalidConfig);
  const std::string text = (directory / "text").string();
  write_file(text, "no program\n");
  EXPECT_EQ(code_of(text), ErrorCode::PermissionDenied);
  ::chmod(text.c_str(), 0755);
  EXPECT_EQ(code_of(text), ErrorCode::InvalidConfig);  // neither #! nor ELF
  ::chmod(text.c_str(), 0777);
  EXPECT_EQ(code_of(text), ErrorCode::PermissionDenied);  // anybody could have written it
}

}  // namespace
}  // namespace rollcall::test
