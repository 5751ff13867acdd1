// This node in the process registry: of this process, back after the file was lost, and never in a
// directory that somebody took away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "providers/local/local_provider.h"
#include "providers/local/registry/local_registry.h"
#include "provisioning/registry/posix_file_system.h"
#include "tests/backends/environment.h"
#include "tests/backends/process.h"
#include "tests/providers/announce_support.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

class LocalAnnouncer : public ::testing::Test {
 protected:
  LocalAnnouncer() {
    what_.socket = "/run/n1.sock";
    use();
  }
  void use() {
    ProviderDescriptor d;
    d.id = ProviderId("l");
    d.kind = "local";
    d.watch_params["directory"] = registry_directory();
    d.watch_params["poll_ms"] = "20";
    auto provider = make_local_factory()->create(d, {&clock_, &files_, directory_.path().string()});
    ASSERT_TRUE(provider.has_value()) << provider.error().message;
    provider_ = std::move(*provider);
    announcer_ = provider_->announcer(what_);
    ASSERT_TRUE(announcer_);
  }
  std::string registry_directory() const { return (directory_ / "nodes").string(); }
  MonoTime soon() const { return clock_.now() + 10s; }
  void register_node() {
    const auto announced = announcer_->register_node(soon());
    ASSERT_TRUE(announced.has_value()) << announced.error().message;
    expect_listed(*provider_, what_, NodeId("n1"), clock_);
  }

  RealClock clock_;
  PosixFileSystem files_;
  TempDir directory_;
  Announcement what_ = announcement();
  std::unique_ptr<ClusterProvider> provider_;
  std::unique_ptr<Announcer> announcer_;
};

TEST_F(LocalAnnouncer, TheNodeIsAnEntryOfThisProcessWithItsSocket) {
  StreamReader stream(provider_->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[]");
  register_node();
  stream.until([](const ProviderEvent& e) { return to_text(e) == "snapshot[n1]"; });
  LocalRegistry registry(files_, clock_, registry_directory());
  const auto listing = registry.list();
  ASSERT_TRUE(listing.has_value()) << listing.error().message;
  ASSERT_EQ(listing->entries.size(), 1u);
  EXPECT_EQ(listing->entries[0].entry.process.pid, ::getpid());
  EXPECT_EQ(listing->entries[0].entry.socket, "/run/n1.sock");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  register_node();  // again changes nothing
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  stream.until([](const ProviderEvent& e) { return to_text(e) == "snapshot[]"; });
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
}

TEST_F(LocalAnnouncer, ALostFileOrEntryIsNotKnownAndTheNodeComesBack) {
  register_node();
  std::filesystem::remove(registry_directory() + "/registry.jsonl");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  register_node();
  LocalRegistry registry(files_, clock_, registry_directory());
  ASSERT_TRUE(registry.remove(NodeId("n1")).has_value());
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  register_node();
}

TEST_F(LocalAnnouncer, ADirectoryThatWentAwayIsAnOutageAndNotMadeAnew) {
  register_node();
  std::filesystem::rename(registry_directory(), directory_ / "elsewhere");
  EXPECT_EQ(code_of(announcer_->renew(soon())), "BACKEND_UNAVAILABLE");
  EXPECT_EQ(code_of(announcer_->register_node(soon())), "BACKEND_UNAVAILABLE");
  EXPECT_FALSE(std::filesystem::exists(registry_directory()));
  std::filesystem::rename(directory_ / "elsewhere", registry_directory());
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
}

TEST_F(LocalAnnouncer, ABrokenRegistryIsToldAndLeftAlone) {
  register_node();
  write_file(registry_directory() + "/registry.jsonl", "no registry\n");
  EXPECT_EQ(code_of(announcer_->renew(soon())), "STORE_CORRUPTED");
  EXPECT_EQ(code_of(announcer_->register_node(soon())), "STORE_CORRUPTED");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "STORE_CORRUPTED");
  EXPECT_EQ(read_file(registry_directory() + "/registry.jsonl"), "no registry\n");
}

TEST_F(LocalAnnouncer, AnIdOfAnotherProcessIsNeverTakenOver) {
  auto other = Process::start({.argv = {"/bin/sleep", "100000"},
                               .environment = {},
                               .output = {},
                               .input = {},
                               .directory = {}});
  ASSERT_TRUE(other) << other.error();
  LocalRegistry registry(files_, clock_, registry_directory());
  Registration theirs;
  theirs.node = what_.node;
  theirs.socket = "/run/other.sock";
  ASSERT_TRUE(registry.register_process(theirs, other->pid()).has_value());
  EXPECT_EQ(code_of(announcer_->register_node(soon())), "DUPLICATE_NAME");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_THAT(listed_ids(*provider_, clock_), ElementsAre("n1"));
  other->kill();
  register_node();
}

TEST_F(LocalAnnouncer, WithoutASocketItSaysWhatIsMissing) {
  what_.socket.clear();
  use();
  const auto refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "INVALID_CONFIG");
  EXPECT_THAT(message_of(refused), HasSubstr("announce.socket"));
}

TEST_F(LocalAnnouncer, CancelledItEndsEveryCall) {
  announcer_->cancel();
  EXPECT_FALSE(announcer_->register_node(soon()).has_value());
  EXPECT_THAT(listed_ids(*provider_, clock_), IsEmpty());
}

}  // namespace
}  // namespace rollcall::test
