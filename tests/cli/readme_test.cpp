// The README's references are made of the tables that the programs run on, and held against them
// here. ROLLCALL_RENEW_README=1 writes them anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "core/codec/canonical.h"
#include "core/codec/json_reader.h"
#include "core/codec/node_codec.h"
#include "core/error.h"
#include "provisioning/config/config_loader.h"
#include "provisioning/telemetry/metrics.h"
#include "tests/support/source_dir.h"

namespace rollcall {
namespace {

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string readme_path() { return test::source_dir().string() + "/README.md"; }

// What stands between the markers of a section, and, when asked, the new text put there.
void expect_section(const std::string& name, const std::string& wanted) {
  std::string readme = read_file(readme_path());
  const std::string begin = "<!-- begin: " + name + " -->\n";
  const std::string end = "<!-- end: " + name + " -->\n";
  const auto from = readme.find(begin);
  const auto to = readme.find(end);
  ASSERT_NE(from, std::string::npos);
  ASSERT_NE(to, std::string::npos);
  const std::string found = readme.substr(from + begin.size(), to - from - begin.size());
  if (std::getenv("ROLLCALL_RENEW_README") != nullptr) {
    readme.replace(from + begin.size(), found.size(), wanted);
    std::ofstream(readme_path()) << readme;
    return;
  }
  EXPECT_EQ(found, wanted) << "renew it: ROLLCALL_RENEW_README=1 ctest -R ReadmeTest";
}

std::string hash_table() {
  const std::string path = test::source_dir().string() + "/tests/core/hash_vectors.json";
  const auto document = parse_json(read_file(path));
  if (!document) return document.error().message;
  std::string text;
  for (const JsonValue& vector : *document->find("vectors")->as_array()) {
    text += "- " + *vector.find("description")->as_string() + ": `snapshot_hash` `" +
            *vector.find("snapshot_hash")->as_string() + "` (0x" +
            *vector.find("snapshot_hash_hex")->as_string() + ")\n";
    const auto& members = *vector.find("members")->as_array();
    if (members.size() != 1) continue;
    text += "  `" + *members[0].find("canonical_hex")->as_string() + "`\n";
  }
  return text;
}

TEST(ReadmeTest, TheConfigurationReferenceIsTheTableThatIsParsedBy) {
  expect_section("configuration", config_reference_markdown());
}

TEST(ReadmeTest, TheMetricsAreTheOnesThatAreExposed) {
  expect_section("metrics", ProvisioningMetrics::reference_markdown());
}

TEST(ReadmeTest, TheHashVectorsAreTheTestedOnes) { expect_section("hash", hash_table()); }

TEST(ReadmeTest, R5_5_EveryErrorCodeHasItsRow) {
  const std::string readme = read_file(readme_path());
  for (std::size_t i = 1; i <= kErrorCodeCount; ++i) {
    const std::string row = "\n| `" + std::string(to_string(static_cast<ErrorCode>(i))) + "` | ";
    EXPECT_NE(readme.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace rollcall
