#include "provisioning/registry/posix_file_system.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace rollcall {
namespace {

using ::testing::HasSubstr;
constexpr std::size_t kMax = 1 << 20;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rollcall-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string path(const std::string& name) const { return dir_ + "/" + name; }
  static mode_t mode_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 0777;
  }

  PosixFileSystem files_;
  std::string dir_;
};

TEST_F(PosixFileSystemTest, WritesAndReadsPrivateFiles) {
  const mode_t before = ::umask(0);
  const std::string data(3'000'000, 'x');
  ASSERT_TRUE(files_.write_synced(path("a"), data));
  ::umask(before);
  EXPECT_EQ(mode_of(path("a")), 0600u);
  EXPECT_EQ(files_.read(path("a"), data.size()).value(), data);
  EXPECT_EQ(files_.read(path("a"), data.size() - 1).error().code, ErrorCode::LimitExceeded);
  ASSERT_TRUE(files_.write_synced(path("a"), ""));
  EXPECT_EQ(files_.read(path("a"), 0).value(), "");
  EXPECT_EQ(files_.read(path("none"), kMax).error().code, ErrorCode::NotFound);
}

TEST_F(PosixFileSystemTest, AFileThatWasReadableToOthersIsNoLongerAfterAWrite) {
  ASSERT_TRUE(files_.write_synced(path("a"), "1"));
  ASSERT_EQ(::chmod(path("a").c_str(), 0644), 0);
  ASSERT_TRUE(files_.write_synced(path("a"), "2"));
  EXPECT_EQ(mode_of(path("a")), 0600u);
}

TEST_F(PosixFileSystemTest, ADirectoryOpenToOthersIsClosedAndItsParentLeftAlone) {
  ASSERT_TRUE(files_.make_directory(path("state")));
  ASSERT_EQ(::chmod(path("state").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(dir_.c_str(), 0755), 0);
  ASSERT_TRUE(files_.make_directory(path("state")));
  EXPECT_EQ(mode_of(path("state")), 0700u);
  EXPECT_EQ(mode_of(dir_), 0755u);
}

TEST_F(PosixFileSystemTest, ASharedDirectoryIsNotTakenFromTheOthers) {
  ASSERT_TRUE(files_.make_directory(path("shared")));
  ASSERT_EQ(::chmod(path("shared").c_str(), 01777), 0);
  const auto made = files_.make_directory(path("shared"));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("shared"));
  EXPECT_EQ(mode_of(path("shared")), 0777u);
}

TEST_F(PosixFileSystemTest, AnotherUsersDirectoryIsRefusedUnlessWeAreRoot) {
  // "/" is root's; a child of root's tests it as nobody, whoever else is not root already.
  constexpr uid_t kNobody = 65534;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(kNobody) != 0) ::_exit(2);
    const auto made = PosixFileSystem().make_directory("/");
    const bool told =
        !made && made.error().code == ErrorCode::StoreIo &&
        made.error().message.find("chown -R " + std::to_string(::geteuid())) != std::string::npos;
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(PosixFileSystemTest, OnlyRegularFilesAreRead) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(files_.read(path("fifo"), kMax).error().code, ErrorCode::StoreIo);
  EXPECT_EQ(files_.read(dir_, kMax).error().code, ErrorCode::StoreIo);
}

TEST_F(PosixFileSystemTest, SymbolicLinksAreNotWrittenThrough) {
  ASSERT_TRUE(files_.write_synced(path("target"), "keep"));
  ASSERT_EQ(::symlink(path("target").c_str(), path("link").c_str()), 0);
  EXPECT_FALSE(files_.write_synced(path("link"), "x"));
  EXPECT_EQ(files_.read(path("target"), kMax).value(), "keep");
}

TEST_F(PosixFileSystemTest, WritesAtomicallyAndLeavesNoTemporaryFile) {
  ASSERT_TRUE(write_atomically(files_, dir_, "f", "one"));
  ASSERT_TRUE(write_atomically(files_, dir_, "f", "two"));
  EXPECT_EQ(files_.read(path("f"), kMax).value(), "two");
  EXPECT_EQ(files_.list(dir_).value(), std::vector<std::string>{"f"});
  const auto outcome = write_atomically(files_, path("absent"), "f", "x");
  ASSERT_FALSE(outcome);
  EXPECT_FALSE(outcome.error().unknown);
  EXPECT_EQ(outcome.error().error.code, ErrorCode::StoreIo);
  EXPECT_THAT(outcome.error().error.message, HasSubstr(path("absent")));
}

// A file size limit stands in for a full disk: the first piece is taken, the rest refused.
TEST_F(PosixFileSystemTest, ADiskThatFillsUpIsAnErrorAndTheOldFileStays) {
  ASSERT_TRUE(write_atomically(files_, dir_, "f", "old"));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(1);
    const auto outcome = write_atomically(files_, dir_, "f", std::string(10'000, 'x'));
    const bool right =
        !outcome && !outcome.error().unknown && outcome.error().error.code == ErrorCode::StoreIo;
    ::_exit(right ? 0 : 2);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(files_.read(path("f"), kMax).value(), "old");
  EXPECT_EQ(files_.list(dir_).value(), std::vector<std::string>{"f"});
}

TEST_F(PosixFileSystemTest, WhatIsNoFileIsNeitherWrittenNorChanged) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0644), 0);
  const mode_t before = mode_of(path("fifo"));
  EXPECT_EQ(files_.write_synced(path("fifo"), "x").error().code, ErrorCode::StoreIo);
  EXPECT_EQ(mode_of(path("fifo")), before);
}

TEST_F(PosixFileSystemTest, MakesPrivateDirectoriesWithTheirParents) {
  const mode_t before = ::umask(0);
  ASSERT_TRUE(files_.make_directory(path("a/b/c")));
  ::umask(before);
  EXPECT_EQ(mode_of(path("a")), 0700u);
  EXPECT_EQ(mode_of(path("a/b/c")), 0700u);
  EXPECT_TRUE(files_.make_directory(path("a/b/c"))) << "exists: fine";
  ASSERT_TRUE(files_.write_synced(path("file"), ""));
  EXPECT_EQ(files_.make_directory(path("file")).error().code, ErrorCode::StoreIo);
  EXPECT_TRUE(files_.sync_directory(path("a")));
  EXPECT_FALSE(files_.sync_directory(path("file")));
}

TEST_F(PosixFileSystemTest, RemovingWhatIsAbsentIsSuccess) {
  ASSERT_TRUE(files_.write_synced(path("a"), ""));
  EXPECT_TRUE(files_.remove(path("a")));
  EXPECT_TRUE(files_.remove(path("a")));
  EXPECT_FALSE(files_.remove(dir_)) << "a directory is no file";
}

TEST_F(PosixFileSystemTest, LinksThePreviousGenerationAgainAndAgain) {
  EXPECT_EQ(files_.link_or_copy(path("f"), path("p")).error().code, ErrorCode::NotFound);
  ASSERT_TRUE(write_atomically(files_, dir_, "f", "one"));
  ASSERT_TRUE(files_.link_or_copy(path("f"), path("p")));
  ASSERT_TRUE(files_.link_or_copy(path("f"), path("p"))) << "the same file once more";
  ASSERT_TRUE(write_atomically(files_, dir_, "f", "two"));
  EXPECT_EQ(files_.read(path("p"), kMax).value(), "one");
  ASSERT_TRUE(files_.link_or_copy(path("f"), path("p")));
  EXPECT_EQ(files_.read(path("p"), kMax).value(), "two");
  EXPECT_EQ(files_.list(dir_).value(), (std::vector<std::string>{"f", "p"}));
}

TEST_F(PosixFileSystemTest, ListsSorted) {
  for (const char* name : {"b", "c", "a", ".hidden"})
    ASSERT_TRUE(files_.write_synced(path(name), ""));
  EXPECT_EQ(files_.list(dir_).value(), (std::vector<std::string>{".hidden", "a", "b", "c"}));
  EXPECT_EQ(files_.list(path("none")).error().code, ErrorCode::NotFound);
}

TEST_F(PosixFileSystemTest, TheSecondHolderIsToldWhoHoldsTheLock) {
  auto lock = files_.lock(path("lock"), "pid 4711 since then");
  ASSERT_TRUE(lock);
  EXPECT_EQ(mode_of(path("lock")), 0600u);
  const auto second = files_.lock(path("lock"), "pid 1");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::StoreLocked);
  EXPECT_THAT(second.error().message, HasSubstr("pid 4711 since then"));
  EXPECT_EQ(files_.read(path("lock"), kMax).value(), "pid 4711 since then");
  lock->reset();
  EXPECT_TRUE(files_.lock(path("lock"), "x"));
  EXPECT_EQ(files_.read(path("lock"), kMax).value(), "x") << "no rest of the longer holder";
}

TEST_F(PosixFileSystemTest, ALockDiesWithItsProcess) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto lock = files_.lock(path("lock"), "child");
    const char byte = lock ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ(files_.lock(path("lock"), "parent").error().code, ErrorCode::StoreLocked);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(files_.lock(path("lock"), "parent"));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(PosixFileSystemTest, DescriptorsCloseOnExec) {
  auto lock = files_.lock(path("lock"), "x");
  ASSERT_TRUE(lock);
  bool found = false;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) != path("lock")) continue;
    found = true;
    const int fd = std::stoi(entry.path().filename().string());
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace rollcall
