// A disk that does not answer, a log that nobody reads, no thread to spare: it serves on, and ends
// when it is told to.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using client::Bridge;

class WorstHour : public ::testing::Test {
 protected:
  // `name` is one of hostile_system.cpp.
  void start_with(const std::string& name, const std::string& value) {
    daemon_.add_environment("LD_PRELOAD", (bin_dir() / "tests" / "libhostile_system.so").string());
    daemon_.add_environment(name, value);
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  void expect_serving(const std::string& id) {
    ASSERT_DONE(daemon_.admin().join_member(member(id)));
    RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-" + id});
    EXPECT_TRUE(consumer.wait_for_members({id})) << consumer.describe();
  }
  void expect_an_orderly_end() {
    const auto ended = daemon_.stop();
    ASSERT_TRUE(ended) << "still running: " << daemon_.output();
    EXPECT_TRUE(ended->ok()) << ended->code << " signal " << ended->signal << daemon_.output();
  }
  DaemonProcess daemon_;
};

TEST_F(WorstHour, ADiskThatDoesNotAnswerIsNotWaitedForAtTheEnd) {
  start_with("HOSTILE_STALL_FSYNC", "topology.jsonl.tmp");
  expect_serving("n1");
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    return std::filesystem::exists(daemon_.state_dir() + "/topology.jsonl.tmp");
  }));
  expect_an_orderly_end();
  EXPECT_TRUE(daemon_.told("state_not_written"));
}

// Holds both ends of a FIFO that is filled to the brim.
class FullFifo {
 public:
  explicit FullFifo(const std::string& path) {
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    fd_ = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    EXPECT_GE(fd_, 0);
    while (::write(fd_, "x", 1) == 1) {
    }
  }
  ~FullFifo() { ::close(fd_); }
  FullFifo(const FullFifo&) = delete;
  FullFifo& operator=(const FullFifo&) = delete;

  std::string read() const {
    std::string all;
    std::array<char, 4096> piece{};
    for (ssize_t got = 0; (got = ::read(fd_, piece.data(), piece.size())) > 0;)
      all.append(piece.data(), static_cast<std::size_t>(got));
    return all;
  }

 private:
  int fd_ = -1;
};

TEST_F(WorstHour, AReaderOfTheLogThatDoesNotReadStopsNothing) {
  const std::string path = (daemon_.directory() / "log").string();
  const FullFifo log(path);
  start_with("HOSTILE_STDERR", path);
  expect_serving("n1");
  // It reads again, and is told of what it missed.
  EXPECT_EQ(log.read().find_first_not_of('x'), std::string::npos);
  ASSERT_TRUE(daemon_.reload());
  std::string read;
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    read += log.read();
    return read.find("\"lost\":") != std::string::npos;
  })) << read;
}

TEST_F(WorstHour, WithALogThatNobodyReadsItEndsInOrder) {
  const std::string path = (daemon_.directory() / "log").string();
  const FullFifo log(path);
  start_with("HOSTILE_STDERR", path);
  expect_an_orderly_end();
}

TEST_F(WorstHour, WithoutAThreadToSpareItRefusesAReloadServesOnAndEndsInOrder) {
  const std::filesystem::path none = daemon_.directory() / "no-threads";
  start_with("HOSTILE_NO_THREADS", none.string());
  expect_serving("n1");
  write_file(none, "");
  ASSERT_TRUE(daemon_.reload());
  EXPECT_TRUE(daemon_.told("\"event\":\"reload_refused\""));
  ASSERT_TRUE(daemon_.running()) << daemon_.output();
  std::filesystem::remove(none);
  ASSERT_TRUE(daemon_.reload());
  EXPECT_TRUE(daemon_.told("\"event\":\"reloaded\""));
  write_file(none, "");
  expect_an_orderly_end();
}

}  // namespace
}  // namespace rollcall::test
