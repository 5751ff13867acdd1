// `rollcall local`: a process is put on record, listed and removed, without a sidecar.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/codec/json_reader.h"
#include "deploy/rollcall/cli.h"
#include "providers/local/registry/host_clock.h"
#include "providers/local/registry/registry_file.h"
#include "providers/local/registry/registry_lock.h"

namespace rollcall::cli {
namespace {

using ::testing::HasSubstr;

struct Ran {
  int status = 0;
  std::string out;
  std::string err;
};

class LocalCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rollcall-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    state_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(state_); }

  Ran rollcall(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    const client::Surroundings here{[this](const char* name) {
                                      return std::string(name) == "ROLLCALL_STATE_DIR" ? state_
                                                                                       : "";
                                    },
                                    false};
    const int status = run(arguments, out, err, here);
    return {status, out.str(), err.str()};
  }
  Ran enrol(const std::string& id, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        "local", "register", id, "--pid", pid_, "--socket", "/run/" + id + ".sock"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return rollcall(arguments);
  }
  std::string at(std::string_view name) const { return state_ + "/local/" + std::string(name); }

  std::string state_;
  const std::string pid_ = std::to_string(::getpid());
};

TEST_F(LocalCommand, RegistersListsAndRemoves) {
  const Ran enrolled = enrol("n1", {"--version", "1.4.2", "--label", "rack=r1", "--zone", "a"});
  EXPECT_EQ(enrolled.status, 0) << enrolled.err;
  EXPECT_EQ(enrolled.out, "n1 is process " + pid_ + ", on record in " + state_ + "/local.\n");
  const Ran listed = rollcall({"local", "list"});
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("n1  ALIVE  " + pid_ + "  READY   /run/n1.sock"));
  EXPECT_THAT(listed.out, HasSubstr("1 node in " + state_ + "/local, revision 1.\n"));
  const Ran removed = rollcall({"local", "remove", "n1"});
  EXPECT_EQ(removed.status, 0) << removed.err;
  EXPECT_EQ(removed.out, "n1 is off the record.\n");
  EXPECT_EQ(rollcall({"local", "list"}).out, "0 nodes in " + state_ + "/local, revision 2.\n");
}

TEST_F(LocalCommand, JsonIsAnInterface) {
  const Ran enrolled = enrol("n1", {"--output", "json", "--label", "a=b", "--address", "[::1]:80"});
  ASSERT_EQ(enrolled.status, 0) << enrolled.err;
  const auto one = parse_json(enrolled.out);
  ASSERT_TRUE(one) << enrolled.out;
  EXPECT_EQ(*one->find("registered")->find("host")->as_string(), "::1");
  const Ran listed = rollcall({"--output", "json", "local", "list"});
  const auto all = parse_json(listed.out);
  ASSERT_TRUE(all) << listed.out;
  EXPECT_EQ(*all->find("directory")->as_string(), state_ + "/local");
  EXPECT_EQ(*all->find("revision")->as_string(), "1");
  const auto& entries = *all->find("entries")->as_array();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(*entries[0].find("id")->as_string(), "n1");
  EXPECT_EQ(entries[0].find("pid")->as_i64(), ::getpid());
  EXPECT_EQ(*entries[0].find("life")->as_string(), "ALIVE");
  EXPECT_EQ(*entries[0].find("labels")->find("a")->as_string(), "b");
  EXPECT_EQ(entries[0].find("created")->as_string()->size(), 24u);
  EXPECT_EQ(rollcall({"--output", "json", "local", "remove", "n1"}).out, "{\"removed\":\"n1\"}\n");
}

TEST_F(LocalCommand, TheDirectoryMayBeNamed) {
  const std::string directory = state_ + "/elsewhere";
  EXPECT_EQ(enrol("n1", {"--dir", directory}).status, 0);
  EXPECT_THAT(rollcall({"local", "list", "--dir", directory}).out, HasSubstr("n1  ALIVE"));
  EXPECT_FALSE(std::filesystem::exists(state_ + "/local"));
}

TEST_F(LocalCommand, WrongArgumentsAreUsageAndNameEveryProblem) {
  const Ran ran = rollcall({"local", "register", "n1", "--pid", pid_, "--socket", "here",
                            "--version", std::string(200, 'v')});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("node.socket: found \"here\""), HasSubstr("node.version")));
  EXPECT_EQ(enrol("n1", {"--label", "novalue"}).status, 2);
  EXPECT_EQ(enrol("n1", {"--address", "nowhere"}).status, 2);
  EXPECT_EQ(rollcall({"local", "register", "n1", "--pid", "0", "--socket", "/s"}).status, 2);
}

TEST_F(LocalCommand, WhatIsRefusedSaysWhy) {
  EXPECT_EQ(rollcall({"local", "list"}).status, 1);  // nobody has made the directory
  ASSERT_EQ(enrol("n1").status, 0);
  const Ran absent = rollcall({"local", "remove", "n2"});
  EXPECT_EQ(absent.status, 1);
  EXPECT_TRUE(absent.err.starts_with("error: NOT_FOUND: ")) << absent.err;
  const Ran taken = rollcall({"local", "register", "n1", "--pid", "1", "--socket", "/run/n1.sock"});
  EXPECT_EQ(taken.status, 1);
  EXPECT_TRUE(taken.err.starts_with("error: DUPLICATE_NAME: ")) << taken.err;
  ASSERT_EQ(0, ::chmod((state_ + "/local").c_str(), 0755));
  const Ran loose = rollcall({"local", "list"});
  EXPECT_EQ(loose.status, 1);
  EXPECT_TRUE(loose.err.starts_with("error: PERMISSION_DENIED: ")) << loose.err;
}

TEST_F(LocalCommand, ABrokenRegistryAndAHeldLockHaveStatusesOfTheirOwn) {
  ASSERT_EQ(enrol("n1").status, 0);
  {
    const HostClock clock;
    const auto held = RegistryLock::acquire(at(kLocalLockFile), clock, {});
    ASSERT_TRUE(held) << held.error().message;
    const Ran late = rollcall({"--timeout", "20ms", "local", "list"});
    EXPECT_EQ(late.status, 3);
    EXPECT_THAT(late.err, HasSubstr("held by process " + pid_));
  }
  std::ofstream(at(kLocalRegistryFile), std::ios::app) << "surplus";
  const Ran broken = rollcall({"local", "list"});
  EXPECT_EQ(broken.status, 5);
  EXPECT_TRUE(broken.err.starts_with("error: STORE_CORRUPTED: ")) << broken.err;
  EXPECT_EQ(enrol("n2").status, 5);
}

}  // namespace
}  // namespace rollcall::cli
