// What a start that fails says by its exit status, and what a reload without a configuration file
// leaves alone.

#include <gtest/gtest.h>

#include "tests/backends/assert_done.h"
#include "tests/daemon/daemon_process.h"

namespace rollcall::test {
namespace {

class StartAndReload : public ::testing::Test {
 protected:
  int exit_code() {
    const auto ended = daemon_.start_and_fail();
    EXPECT_TRUE(ended) << (ended ? "" : ended.error());
    return ended ? ended->code : -1;
  }
  DaemonProcess daemon_;
};

// A service manager starts again what could not listen (6), and nothing that will fail again.
TEST_F(StartAndReload, ACertificateThatCannotBeReadIsAWrongConfiguration) {
  const std::string here = daemon_.directory().string();
  daemon_.set_config("grpc:\n  listen: 127.0.0.1:0\n  tls: {cert_file: " + here +
                     "/none.pem, key_file: " + here + "/none.key}\n");
  EXPECT_EQ(exit_code(), 3) << daemon_.output();
}

TEST_F(StartAndReload, AnAddressFileThatCannotBeWrittenIsAnUnusableStateDirectory) {
  std::filesystem::create_directories(daemon_.state_dir() + "/http.address.tmp");
  EXPECT_EQ(exit_code(), 5) << daemon_.output();
}

TEST_F(StartAndReload, WithoutAConfigurationFileNeitherAStartNorAReloadTakesProvidersBack) {
  daemon_.set_config("providers: [{id: from-file, kind: in-memory}]\n");
  ASSERT_DONE(daemon_.start());
  ASSERT_TRUE(daemon_.stop());
  daemon_.set_config("");
  ASSERT_DONE(daemon_.start());
  ASSERT_TRUE(daemon_.reload());
  ASSERT_TRUE(daemon_.told("\"event\":\"reloaded\"")) << daemon_.output();
  const auto list = daemon_.admin().list_providers();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->providers_size(), 1) << list->ShortDebugString();
  EXPECT_EQ(list->providers(0).provider().id(), "from-file");
}

}  // namespace
}  // namespace rollcall::test
