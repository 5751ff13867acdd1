// The house rules over the real tree, and over small trees with one violation each: a rule that
// cannot fail is none.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/arrows/tree_rules.h"
#include "tests/support/source_dir.h"

namespace rollcall::arrows {
namespace {

namespace fs = std::filesystem;

std::string join(const Complaints& complaints) {
  std::string text;
  for (const auto& complaint : complaints) text += "\n  " + complaint;
  return text;
}

using test::source_dir;

TEST(Tree, IncludesFollowTheArrows) {
  const auto complaints = check_include_arrows(source_dir());
  EXPECT_TRUE(complaints.empty()) << join(complaints);
}

TEST(Tree, CoreHeadersKnowOnlyTheStandardLibraryAndExpected) {
  const auto complaints = check_core_headers(source_dir());
  EXPECT_TRUE(complaints.empty()) << join(complaints);
}

TEST(Tree, DecisionsReadNoClock) {
  const auto complaints = check_clocks(source_dir());
  EXPECT_TRUE(complaints.empty()) << join(complaints);
}

TEST(Tree, NothingElseLiesAtTheTop) {
  const auto complaints = check_top_level(source_dir());
  EXPECT_TRUE(complaints.empty()) << join(complaints);
}

TEST(Tree, FilesHaveOneSubject) {
  const auto complaints = check_file_lengths(source_dir());
  EXPECT_TRUE(complaints.empty()) << join(complaints);
}

TEST(Tree, NothingAdmitsToBeingUnfinished) {
  const auto complaints = check_words(source_dir());
  EXPECT_TRUE(complaints.empty()) << join(complaints);
}

// A tree of its own for each case, gone afterwards.
class Planted : public testing::Test {
 protected:
  Planted() {
    std::string name = (fs::temp_directory_path() / "rollcall-arrows-XXXXXX").string();
    root_ = mkdtemp(name.data());
    write("core/node.h", "#include <string>\n#include <tl/expected.hpp>\n");
    write("core/codec/json.h", "#include \"core/node.h\"\n");
    write("provisioning/hub/hub.h", "#include \"core/node.h\"\n");
    write("providers/common/http.h", "#include \"core/node.h\"\n");
    write("providers/file/file.h", "#include \"providers/common/http.h\"\n");
    write("providers/local/registry/registry.h", "#include \"core/codec/json.h\"\n");
    write("providers/local/stream.h", "#include \"providers/local/registry/registry.h\"\n");
    write("providers/catalog.cpp", "#include \"providers/file/file.h\"\n");
    write("bridges/client/client.h", "#include \"rollcall/v1/events.pb.h\"\n");
    write("bridges/http/http.h", "#include \"provisioning/hub/hub.h\"\n");
    write("deploy/rollcall/main.cpp", "#include \"bridges/client/client.h\"\n");
  }
  ~Planted() override { fs::remove_all(root_); }
  Planted(const Planted&) = delete;
  Planted& operator=(const Planted&) = delete;

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(Planted, ACleanTreeHasNoComplaints) {
  EXPECT_EQ(join(check_include_arrows(root_)), "");
  EXPECT_EQ(join(check_core_headers(root_)), "");
  EXPECT_EQ(join(check_clocks(root_)), "");
  EXPECT_EQ(join(check_top_level(root_)), "");
  EXPECT_EQ(join(check_file_lengths(root_)), "");
  EXPECT_EQ(join(check_words(root_)), "");
}

TEST_F(Planted, EveryArrowAgainstTheGrainIsCaught) {
  const std::pair<const char*, const char*> wrong[] = {
      {"core/a.cpp", "provisioning/hub/hub.h"},
      {"core/a.cpp", "rollcall/v1/events.pb.h"},
      {"provisioning/hub/a.cpp", "providers/file/file.h"},
      {"provisioning/hub/a.cpp", "rollcall/v1/events.pb.h"},
      {"providers/file/a.cpp", "provisioning/hub/hub.h"},
      {"providers/consul/a.cpp", "providers/file/file.h"},
      {"providers/common/a.cpp", "providers/file/file.h"},
      {"providers/consul/a.cpp", "providers/local/registry/registry.h"},
      {"providers/local/registry/a.cpp", "providers/local/stream.h"},
      {"deploy/rollcall/a.cpp", "providers/local/stream.h"},
      {"bridges/http/a.cpp", "providers/file/file.h"},
      {"bridges/client/a.cpp", "provisioning/hub/hub.h"},
      {"bridges/client/a.cpp", "bridges/http/http.h"},
      {"deploy/rollcall/a.cpp", "provisioning/hub/hub.h"},
  };
  for (const auto& [file, include] : wrong) {
    write(file, std::string("\n#include \"") + include + "\"\n");
    const auto complaints = check_include_arrows(root_);
    ASSERT_EQ(complaints.size(), 1U) << file << " -> " << include << join(complaints);
    EXPECT_NE(complaints.front().find(std::string(file) + ":2: against the arrows"),
              std::string::npos)
        << complaints.front();
    fs::remove(root_ / file);
  }
}

TEST_F(Planted, AnIncludeMustBeWrittenFromTheRoot) {
  write("core/a.cpp", "#include \"node.h\"\n#include \"core/../core/node.h\"\n");
  EXPECT_EQ(check_include_arrows(root_).size(), 2U);
}

TEST_F(Planted, TheWireIsCaughtBelowTheBridges) {
  write("provisioning/hub/a.cpp", "#include <grpcpp/grpcpp.h>\n");
  write("core/codec/a.cpp", "#include <google/protobuf/message.h>\n");
  EXPECT_EQ(check_include_arrows(root_).size(), 2U);
}

TEST_F(Planted, CoreHeadersWithThreadsOrLibrariesAreCaught) {
  write("core/a.h", "#include <mutex>\n#include <nlohmann/json.hpp>\n#include <vector>\n");
  EXPECT_EQ(check_core_headers(root_).size(), 2U);
}

TEST_F(Planted, ClocksInDecisionsAreCaught) {
  write("provisioning/failover/a.cpp", "auto t = std::chrono::steady_clock::now();\n");
  write("provisioning/control/a.cpp", "auto t = std::chrono::steady_clock::now();\n");
  write("core/codec/a.cpp", "std::random_device chance;\n");
  EXPECT_EQ(check_clocks(root_).size(), 3U);
  // The threads have one: it is how time comes in.
  write("provisioning/service/a.cpp", "auto t = std::chrono::steady_clock::now();\n");
  EXPECT_EQ(check_clocks(root_).size(), 3U);
}

TEST_F(Planted, StrayFilesAtTheTopAreCaught) {
  write("notes.txt", "x");
  write("docs/a.md", "x");
  write(".editorconfig", "x");
  write("build/debug/x", "x");
  EXPECT_EQ(check_top_level(root_).size(), 2U);
}

TEST_F(Planted, LongFilesAreCaught) {
  std::string text;
  for (std::size_t i = 0; i < kMaxLines; ++i) text += "int x;\n";
  write("core/at_the_limit.h", text);
  EXPECT_TRUE(check_file_lengths(root_).empty());
  write("core/too_long.h", text + "\n");
  EXPECT_EQ(check_file_lengths(root_).size(), 1U);
}

TEST_F(Planted, UnfinishedWordsAndIdleTestsAreCaught) {
  write("core/a.h", std::string("// TO") + "DO: later\n");
  write("deploy/run.sh", std::string("# FIX") + "ME\n");
  write("tests/a_test.cpp",
        std::string("GTEST_") + "SKIP();\nstd::this_thread::sleep_" + "for(1s);\n");
  write("providers/file/a.cpp", std::string("std::this_thread::sleep_") + "for(1s);\n");
  EXPECT_EQ(check_words(root_).size(), 4U);
}

}  // namespace
}  // namespace rollcall::arrows
