// Every script in tests/control/scenarios is one test, named after its file.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/control/scenario.h"
#include "tests/support/source_dir.h"

namespace rollcall::test {
namespace {

class ScriptTest : public ::testing::Test {
 public:
  explicit ScriptTest(std::filesystem::path path) : path_(std::move(path)) {}
  void TestBody() override {
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    const Scenario scenario = parse_scenario(path_.stem().string(), text.str());
    for (const std::string& error : run_scenario(scenario)) {
      ADD_FAILURE() << path_.filename().string() << ": " << error;
    }
  }

 private:
  std::filesystem::path path_;
};

void register_scripts() {
  std::vector<std::filesystem::path> scripts;
  const std::filesystem::path folder =
      source_dir() / "tests/control/scenarios";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".scn") scripts.push_back(entry.path());
  }
  std::sort(scripts.begin(), scripts.end());
  for (const auto& script : scripts) {
    ::testing::RegisterTest("Scenario", script.stem().c_str(), nullptr, nullptr, __FILE__, __LINE__,
                            [script]() -> ScriptTest* { return new ScriptTest(script); });
  }
}

}  // namespace
}  // namespace rollcall::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  rollcall::test::register_scripts();
  return RUN_ALL_TESTS();
}
