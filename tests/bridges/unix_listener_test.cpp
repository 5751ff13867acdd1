// The socket that Rollcall binds and accepts from itself.
#include "bridges/stream/unix_listener.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/bridges/bridge_server.h"

namespace rollcall::testing_bridges {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// A socket file whose process is gone.
void leave_stale_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const auto address = address_of(path);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
}

TEST(UnixListener, ItsFileIsForThisUserOnlyAndGoesWithIt) {
  TempDir directory;
  const std::string path = directory.file("s");
  {
    auto listener = UnixListener::bind({path, 0600, {}});
    ASSERT_TRUE(listener.has_value());
    struct stat info {};
    ASSERT_EQ(::lstat(path.c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(UnixListener, APathTooLongSaysHowLongItMayBe) {
  auto listener = UnixListener::bind({"/tmp/" + std::string(200, 'x'), 0600, {}});
  ASSERT_FALSE(listener.has_value());
  EXPECT_EQ(listener.error().code, ErrorCode::InvalidConfig);
  EXPECT_NE(listener.error().problems.at(0).expected.find("107"), std::string::npos);
}

TEST(UnixListener, AStaleFileIsReplaced) {
  TempDir directory;
  const std::string path = directory.file("s");
  leave_stale_socket(path);
  EXPECT_TRUE(UnixListener::bind({path, 0600, {}}).has_value());
}

TEST(UnixListener, ASocketInUseIsLeftAlone) {
  TempDir directory;
  const std::string path = directory.file("s");
  auto first = UnixListener::bind({path, 0600, {}});
  ASSERT_TRUE(first.has_value());
  const auto second = UnixListener::bind({path, 0600, {}});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::InvalidConfig);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(UnixListener, AnotherKindOfFileIsLeftAlone) {
  TempDir directory;
  const std::string path = directory.file("s");
  std::ofstream(path) << "precious";
  EXPECT_FALSE(UnixListener::bind({path, 0600, {}}).has_value());
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

TEST(UnixListener, AFileThatReplacedItsOwnIsNotRemoved) {
  TempDir directory;
  const std::string path = directory.file("s");
  auto listener = UnixListener::bind({path, 0600, {}});
  ASSERT_TRUE(listener.has_value());
  std::filesystem::rename(path, directory.file("moved"));
  std::ofstream(path) << "x";
  listener->reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(UnixListener, APeerThatIsNotAdmittedIsTurnedAwayBeforeAByteIsRead) {
  TempDir directory;
  const std::string path = directory.file("s");
  auto listener = UnixListener::bind(
      {path, 0600, [](const PeerCredentials& peer) { return peer.uid != ::geteuid(); }});
  ASSERT_TRUE(listener.has_value());
  std::atomic<int> connections{0};
  std::atomic<int> refused{0};
  std::atomic<pid_t> pid{0};
  (*listener)->start(
      [&](int fd) {
        ++connections;
        ::close(fd);
      },
      [&](const PeerCredentials& peer) {
        pid = peer.pid;
        ++refused;
      });
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const auto address = address_of(path);
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  char byte = 0;
  EXPECT_LE(::read(fd, &byte, 1), 0) << "closed";
  ::close(fd);
  until([&] { return refused == 1; });
  EXPECT_EQ(connections, 0);
  EXPECT_EQ(pid, ::getpid());
}

}  // namespace
}  // namespace rollcall::testing_bridges
