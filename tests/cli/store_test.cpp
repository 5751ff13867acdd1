// `rollcall store verify` judges as rollcalld does: where the provider refuses its members, so does
// it.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/provider.h"
#include "deploy/rollcall/cli.h"
#include "providers/in_memory/bucket_file.h"
#include "providers/in_memory/in_memory_provider.h"
#include "provisioning/registry/posix_file_system.h"
#include "provisioning/registry/state_files.h"
#include "tests/support/manual_clock.h"

namespace rollcall::cli {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rollcall-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    state_ = pattern;
    ASSERT_TRUE(StateFiles(files_, state_).next_boot());
    auto provider = open();
    ASSERT_TRUE(provider) << provider.error().message;
    ClusterNode node;
    node.id = NodeId("n1");
    node.host = "10.0.0.1";
    node.port = 7000;
    ASSERT_TRUE((*provider)->registrar()->join(node));
  }
  void TearDown() override { std::filesystem::remove_all(state_); }

  Result<std::unique_ptr<ClusterProvider>> open() {
    ProviderDescriptor d;
    d.id = ProviderId("default");
    d.kind = "in-memory";
    return make_in_memory_factory()->create(d, {&clock_, &files_, state_});
  }
  std::pair<int, std::string> verify() {
    std::ostringstream out;
    std::ostringstream err;
    const client::Surroundings alone{[](const char*) { return std::string(); }, false};
    const int status = run({"store", "verify", state_}, out, err, alone);
    return {status, out.str() + err.str()};
  }
  std::string bucket() const {
    return state_ + "/members/default/" + bucket_file_name(bucket_of(NodeId("n1")));
  }

  PosixFileSystem files_;
  test::ManualClock clock_;
  std::string state_;
};

TEST_F(StoreTest, R1_5_VerifyAndTheProviderAgreeOnEachBucket) {
  const auto sound = verify();
  EXPECT_EQ(sound.first, 0) << sound.second;
  EXPECT_NE(sound.second.find("1 member"), std::string::npos) << sound.second;
  const std::string good = *files_.read(bucket(), kMaxBucketFileBytes);
  ASSERT_GT(good.size(), 80u);
  // Each byte of it changed, and each piece from its begin.
  for (std::size_t i = 0; i < 2 * good.size(); ++i) {
    std::string text = good;
    if (i < good.size()) {
      text[i] ^= 1;
    } else {
      text.resize(i - good.size());
    }
    ASSERT_TRUE(files_.write_synced(bucket(), text));
    const auto [status, told] = verify();
    EXPECT_EQ(status == 0, open().has_value()) << text << "\n" << told;
  }
}

TEST_F(StoreTest, ABrokenBucketComesWithTheCommandThatRecovers) {
  ASSERT_TRUE(files_.write_synced(bucket(), "broken\n"));
  const auto [status, told] = verify();
  EXPECT_EQ(status, 5);
  const auto command = told.find("\n  mv '" + bucket() + "' '" + bucket() + ".broken'");
  ASSERT_NE(command, std::string::npos) << told;
  ASSERT_TRUE(files_.rename(bucket(), bucket() + ".broken"));
  EXPECT_EQ(verify().first, 0);
  EXPECT_TRUE(open());
}

}  // namespace
}  // namespace rollcall::cli
