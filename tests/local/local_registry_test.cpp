// The registry's operations on real files: who may have an id, who may touch the files, and what
// stays when a disk or a permission fails.
#include "providers/local/registry/local_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "providers/local/registry/limits.h"
#include "tests/local/local_support.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using LocalRegistryTest = RegistryTest;

unsigned mode_of(const std::string& path) {
  struct stat s {};
  EXPECT_EQ(0, ::stat(path.c_str(), &s)) << path;
  return s.st_mode & 0777;
}

bool nobody_ended(const ProcessIdentity&) { return false; }

TEST_F(LocalRegistryTest, ANodeRegistersItselfIsListedAndLeaves) {
  Registration self = registration("n1");
  self.node.labels = {{"rack", "r1"}};
  LocalRegistry mine = registry();
  const auto entry = mine.register_self(self);
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(entry->process.pid, ::getpid());
  EXPECT_EQ(entry->node.host, "localhost");
  EXPECT_EQ(entry->node.port, 0);
  const Listing all = listing();
  ASSERT_EQ(all.entries.size(), 1u);
  EXPECT_EQ(all.entries[0].life, Life::Alive);
  EXPECT_EQ(all.entries[0].entry.socket, "/run/n1.sock");
  EXPECT_EQ(all.entries[0].entry.version, "1.2.3");
  EXPECT_EQ(all.entries[0].entry.created, entry->created);
  ASSERT_TRUE(mine.remove_self(NodeId("n1")));
  EXPECT_THAT(ids(listing()), IsEmpty());
  EXPECT_EQ(mine.remove_self(NodeId("n1")).error().code, ErrorCode::NotFound);
  EXPECT_EQ(mine.remove(NodeId("n1")).error().code, ErrorCode::NotFound);
}

TEST_F(LocalRegistryTest, AMemberCarriesSocketAndVersionAsLabels) {
  enrol("n1", ::getpid());
  const ClusterNode node = labelled_node(listing().entries[0].entry);
  EXPECT_EQ(node.labels.at("rollcall-socket"), "/run/n1.sock");
  EXPECT_EQ(node.labels.at("rollcall-version"), "1.2.3");
  EXPECT_TRUE(validate_node(node, "").empty());
}

TEST_F(LocalRegistryTest, TheSameProcessChangesItsEntryAndKeepsItsTime) {
  const LocalEntry first = enrol("n1", ::getpid());
  Registration again = registration("n1");
  again.node.status = NodeStatus::Draining;
  again.socket = "/run/other.sock";
  const auto changed = registry().register_self(again);
  ASSERT_TRUE(changed) << changed.error().message;
  const Listing all = listing();
  ASSERT_EQ(all.entries.size(), 1u);
  EXPECT_EQ(all.entries[0].entry.node.status, NodeStatus::Draining);
  EXPECT_EQ(all.entries[0].entry.socket, "/run/other.sock");
  EXPECT_EQ(all.entries[0].entry.created, first.created);
}

TEST_F(LocalRegistryTest, AnIdOfALivingProcessIsTakenAndThatOfADeadOneIsFree) {
  Process other = idle_process();
  enrol("n1", other.pid());
  const auto taken = registry().register_self(registration("n1"));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::DuplicateName);
  EXPECT_THAT(taken.error().message, HasSubstr("process " + std::to_string(other.pid())));
  kill_and_leave_unreaped(other);
  const auto free = registry().register_self(registration("n1"));
  ASSERT_TRUE(free) << free.error().message;
  EXPECT_EQ(listing().entries[0].entry.process.pid, ::getpid());
}

TEST_F(LocalRegistryTest, ASuccessorsEntryIsNotRemovedByItsPredecessor) {
  Process other = idle_process();
  enrol("n1", other.pid());
  const auto refused = registry().remove_self(NodeId("n1"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::NotFound);
  EXPECT_THAT(ids(listing()), ElementsAre("n1"));
  EXPECT_TRUE(registry().remove(NodeId("n1")));  // an operator may
}

TEST_F(LocalRegistryTest, AnEntryOfAnotherNamespaceGivesWayToTheSameId) {
  LocalEntry elsewhere = enrol("n1", ::getpid());
  ASSERT_TRUE(registry().remove(NodeId("n1")));
  elsewhere.process.namespaces = "pid:[1]";
  plant(elsewhere);
  EXPECT_EQ(listing().entries[0].life, Life::Unknown);
  EXPECT_TRUE(registry().register_self(registration("n1")));
  EXPECT_EQ(listing().entries[0].life, Life::Alive);
}

TEST_F(LocalRegistryTest, R1_1_EveryProblemOfARegistrationIsNamed) {
  Registration bad = registration("");
  bad.node.host = "a b";
  bad.socket = "relative";
  bad.version = std::string(200, 'v');
  bad.node.labels = {{"", "x"}};
  const auto refused = registry().register_self(bad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  EXPECT_EQ(refused.error().total_problems, 5u);
  EXPECT_FALSE(fs::exists(directory_));  // nothing was begun
  bad = registration("n1");
  bad.socket = "/" + std::string(limits::kMaxSocketBytes, 's');  // does not fit a sockaddr_un
  EXPECT_EQ(registry().register_self(bad).error().problems[0].field, "node.socket");
}

TEST_F(LocalRegistryTest, NobodyIsRegisteredWhoDoesNotLive) {
  Process other = idle_process();
  kill_and_leave_unreaped(other);
  EXPECT_EQ(registry().register_process(registration("n1"), other.pid()).error().code,
            ErrorCode::NotFound);
  EXPECT_EQ(registry().register_process(registration("n1"), 0).error().code,
            ErrorCode::InvalidConfig);
  EXPECT_EQ(registry().register_process(registration("n1"), limits::kMaxPid + 1).error().code,
            ErrorCode::InvalidConfig);
}

TEST_F(LocalRegistryTest, TheDeadAreCollectedForWhateverReason) {
  Process killed = idle_process();
  enrol("alive", ::getpid());
  enrol("killed", killed.pid());
  const auto variant = [&](const char* id, auto change) {
    LocalEntry entry = listing().entries[0].entry;
    entry.node.id = NodeId(id);
    change(entry.process);
    plant(entry);
  };
  variant("reused", [](ProcessIdentity& p) { p.start_ticks += 1; });
  variant("zero", [](ProcessIdentity& p) { p.pid = 0; });
  variant("negative", [](ProcessIdentity& p) { p.pid = -1; });
  variant("beyond", [](ProcessIdentity& p) { p.pid = limits::kMaxPid + 1; });
  variant("rebooted", [](ProcessIdentity& p) { p.boot_id = "another"; });
  variant("denied", [](ProcessIdentity& p) { p = *identify_process(1); });
  killed.kill();
  for (const ListedEntry& listed : listing().entries) {
    const bool lives =
        listed.entry.node.id.str() == "alive" || listed.entry.node.id.str() == "denied";
    EXPECT_EQ(listed.life, lives ? Life::Alive : Life::Dead) << listed.entry.node.id.str();
  }
  const auto collected = registry().collect({}, nobody_ended);
  ASSERT_TRUE(collected) << collected.error().message;
  EXPECT_THAT(ids(collected->live), ElementsAre("alive", "denied"));
  EXPECT_THAT(collected->lingering, IsEmpty());
  EXPECT_THAT(ids(listing()), ElementsAre("alive", "denied"));
  EXPECT_EQ(listing().revision, collected->revision);
  const auto again = registry().collect({}, nobody_ended);
  EXPECT_EQ(again->revision, collected->revision);  // nothing to drop, nothing written
}

TEST_F(LocalRegistryTest, WhoIsKnownToHaveEndedIsDeadWhateverElseIsFound) {
  enrol("n1", ::getpid());
  const auto collected = registry().collect(
      {}, [](const ProcessIdentity& process) { return process.pid == ::getpid(); });
  ASSERT_TRUE(collected);
  EXPECT_THAT(ids(collected->live), IsEmpty());
}

TEST_F(LocalRegistryTest, TheDeadAreKnownEvenIfTheFileCannotBeWritten) {
  Process other = idle_process();
  const LocalEntry dead = enrol("dead", other.pid());
  enrol("alive", ::getpid());
  other.kill();
  files_.fail(FileCall::WriteSynced);
  const auto collected = registry().collect({}, nobody_ended);
  ASSERT_TRUE(collected) << collected.error().message;
  EXPECT_THAT(ids(collected->live), ElementsAre("alive"));
  EXPECT_THAT(collected->lingering, ElementsAre(dead.process));
  EXPECT_THAT(ids(listing()), ElementsAre("alive", "dead"));
  files_.stop_failing();
  ASSERT_TRUE(registry().collect({}, nobody_ended));
  EXPECT_THAT(ids(listing()), ElementsAre("alive"));
}

TEST_F(LocalRegistryTest, R1_5_ARegistrationThatFailsChangesNothing) {
  enrol("n1", ::getpid());
  for (const FileCall call : {FileCall::Read, FileCall::WriteSynced, FileCall::Rename}) {
    SCOPED_TRACE(to_string(call));
    files_.fail(call);
    const auto refused = registry().register_self(registration("n2"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::StoreIo);
    files_.stop_failing();
    EXPECT_THAT(ids(listing()), ElementsAre("n1"));
  }
  files_.fail(FileCall::SyncDirectory);
  const auto unknown = registry().register_self(registration("n2"));
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("unknown"));
  files_.stop_failing();
  EXPECT_TRUE(registry().register_self(registration("n2")));  // again, and it is certain
  EXPECT_THAT(ids(listing()), ElementsAre("n1", "n2"));
}

TEST_F(LocalRegistryTest, FilesAreMadePrivateWhateverTheUmask) {
  const mode_t before = ::umask(0);
  enrol("n1", ::getpid());
  ::umask(before);
  EXPECT_EQ(mode_of(directory_), 0700u);
  EXPECT_EQ(mode_of(file_), 0600u);
  EXPECT_EQ(mode_of(lock_), 0600u);
}

TEST_F(LocalRegistryTest, WhatIsOpenToOthersIsRefusedWithTheRepair) {
  enrol("n1", ::getpid());
  for (const auto& [path, loose, repair] :
       {std::tuple{directory_, 0750, "chmod 0700"}, std::tuple{file_, 0640, "chmod 0600"},
        std::tuple{lock_, 0602, "chmod 0600"}, std::tuple{file_, 0700, "chmod 0600"}}) {
    SCOPED_TRACE(path);
    const unsigned good = mode_of(path);
    ASSERT_EQ(0, ::chmod(path.c_str(), static_cast<mode_t>(loose)));
    for (const auto& answer :
         {registry().list().map([](auto&&) {}), registry().remove(NodeId("n1")),
          registry().register_self(registration("n2")).map([](auto&&) {})}) {
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().code, ErrorCode::PermissionDenied);
      EXPECT_THAT(answer.error().message, AllOf(HasSubstr(path), HasSubstr(repair)));
    }
    EXPECT_EQ(mode_of(path), static_cast<unsigned>(loose));  // told, not corrected
    ASSERT_EQ(0, ::chmod(path.c_str(), static_cast<mode_t>(good)));
  }
  EXPECT_THAT(ids(listing()), ElementsAre("n1"));
}

TEST_F(LocalRegistryTest, AnotherUsersFilesAreRefused) {
  enrol("n1", ::getpid());
  const uid_t self = ::geteuid();
  for (const std::string& path : {directory_, file_, lock_}) {
    SCOPED_TRACE(path);
    if (::chown(path.c_str(), 65534, static_cast<gid_t>(-1)) != 0) {
      EXPECT_NE(self, 0u);  // only root may give files away; the check itself is the one of modes
      return;
    }
    const auto refused = registry().list();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::PermissionDenied);
    EXPECT_THAT(refused.error().message, HasSubstr("belongs to user 65534"));
    ASSERT_EQ(0, ::chown(path.c_str(), self, static_cast<gid_t>(-1)));
  }
}

TEST_F(LocalRegistryTest, LinksAndOtherThingsInTheirPlaceAreRefused) {
  enrol("n1", ::getpid());
  for (const std::string& path : {file_, lock_, directory_}) {
    SCOPED_TRACE(path);
    fs::rename(path, path + ".real");
    fs::create_symlink(path + ".real", path);
    EXPECT_EQ(registry().list().error().code, ErrorCode::PermissionDenied);
    EXPECT_EQ(registry().register_self(registration("n2")).error().code,
              ErrorCode::PermissionDenied);
    fs::remove(path);
    if (path != directory_) {
      ASSERT_EQ(0, ::mkfifo(path.c_str(), 0600));
      EXPECT_EQ(registry().list().error().code, ErrorCode::PermissionDenied);  // and does not wait
      fs::remove(path);
    }
    fs::rename(path + ".real", path);
  }
  EXPECT_THAT(ids(listing()), ElementsAre("n1"));
}

TEST_F(LocalRegistryTest, WithoutADirectoryThereIsNothingToList) {
  EXPECT_EQ(registry().list().error().code, ErrorCode::NotFound);
  EXPECT_EQ(registry().remove(NodeId("n1")).error().code, ErrorCode::NotFound);
  EXPECT_FALSE(fs::exists(directory_));
  ASSERT_TRUE(files_.make_directory(directory_));
  EXPECT_THAT(ids(listing()), IsEmpty());  // no file is an empty registry
}

TEST_F(LocalRegistryTest, ABrokenFileIsToldByEveryCallAndOverwrittenByNone) {
  enrol("n1", ::getpid());
  const std::string good = read_file(file_);
  for (std::size_t size = 0; size < good.size(); size += 7) {
    const std::string broken = good.substr(0, size);
    write_in_place(file_, broken);
    EXPECT_EQ(registry().list().error().code, ErrorCode::StoreCorrupted);
    EXPECT_EQ(registry().register_self(registration("n2")).error().code, ErrorCode::StoreCorrupted);
    EXPECT_EQ(registry().remove(NodeId("n1")).error().code, ErrorCode::StoreCorrupted);
    EXPECT_EQ(registry().collect({}, nobody_ended).error().code, ErrorCode::StoreCorrupted);
    ASSERT_EQ(read_file(file_), broken);
  }
  write_in_place(file_, good);
  EXPECT_THAT(ids(listing()), ElementsAre("n1"));
}

TEST_F(LocalRegistryTest, AStaleTemporaryFileIsHarmless) {
  enrol("n1", ::getpid());
  write_in_place(file_ + ".tmp", "half a regis");
  EXPECT_THAT(ids(listing()), ElementsAre("n1"));
  enrol("n2", ::getpid());
  EXPECT_FALSE(fs::exists(file_ + ".tmp"));
  EXPECT_THAT(ids(listing()), ElementsAre("n1", "n2"));
}

TEST_F(LocalRegistryTest, AWaitForTheLockIsBoundedAndCanBeCancelled) {
  enrol("n1", ::getpid());
  const auto held = RegistryLock::acquire(lock_, clock_, {});
  ASSERT_TRUE(held) << held.error().message;
  const auto late = registry().list({std::chrono::milliseconds(20), {}});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::Timeout);
  EXPECT_THAT(late.error().message, HasSubstr("held by process " + std::to_string(::getpid())));
  int asked = 0;
  const auto cancelled = registry().list({kPatience, [&] { return ++asked > 3; }});
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::ShuttingDown);
}

TEST_F(LocalRegistryTest, ALockFileThatWasReplacedIsNotBelieved) {
  enrol("n1", ::getpid());
  auto first = RegistryLock::acquire(lock_, clock_, {});
  ASSERT_TRUE(first);
  // Somebody removes the file; whoever waits for the old one must end up with the new one.
  std::atomic<bool> waits{false};
  std::atomic<bool> done{false};
  std::thread waiter([&] {
    const auto answer = registry().list({kPatience, [&] {
                                           waits = true;
                                           return false;
                                         }});
    EXPECT_TRUE(answer) << answer.error().message;
    done = true;
  });
  EXPECT_TRUE(eventually(kPatience, [&] { return waits.load(); }));
  fs::remove(lock_);
  {
    const auto second = RegistryLock::acquire(lock_, clock_, {});
    EXPECT_TRUE(second);
    { const RegistryLock released = std::move(*first); }
    EXPECT_EQ(registry().list({std::chrono::milliseconds(30), {}}).error().code,
              ErrorCode::Timeout);
    EXPECT_FALSE(done);
  }
  waiter.join();
}

TEST_F(LocalRegistryTest, AForkedChildDoesNotGoOnHoldingTheLock) {
  enrol("n1", ::getpid());
  pid_t child = -1;
  {
    const auto held = RegistryLock::acquire(lock_, clock_, {});
    ASSERT_TRUE(held);
    child = ::fork();
    if (child == 0) {
      while (true) ::pause();
    }
  }
  EXPECT_TRUE(registry().list({std::chrono::milliseconds(500), {}}));
  ASSERT_GT(child, 0);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST_F(LocalRegistryTest, ThreadsOfOneProcessLoseNothingEither) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  LocalRegistry shared = registry();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const auto entry = shared.register_self(
            registration("n" + std::to_string(t) + "-" + std::to_string(i)), {kPatience, {}});
        EXPECT_TRUE(entry) << entry.error().message;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(listing().entries.size(), static_cast<std::size_t>(kThreads * kEach));
}

}  // namespace
}  // namespace rollcall::test
