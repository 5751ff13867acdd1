// The reference of all settings, the flags and the addresses.
#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include "provisioning/config/config_loader.h"

namespace rollcall {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(ConfigReferenceTest, EverySettingHasAnEnvironmentVariableOfItsOwn) {
  std::map<std::string, std::string> seen;
  for (const auto& [variable, path] : config_environment()) {
    EXPECT_TRUE(seen.emplace(variable, path).second) << variable;
    EXPECT_THAT(config_reference_markdown(), HasSubstr("| `" + path + "` | "));
    EXPECT_THAT(config_reference_markdown(), HasSubstr("`" + variable + "`"));
  }
  EXPECT_EQ(seen.at("ROLLCALL_FAILOVER_TIMEOUT"), "failover.timeout");
  EXPECT_GT(seen.size(), 30u);
}

TEST(ConfigReferenceTest, TheDefaultsThatAreShownAreAccepted) {
  // Every default, written into its environment variable, gives the defaults again.
  const std::string table = config_reference_markdown();
  std::map<std::string, std::string> environment;
  for (const auto& [variable, path] : config_environment()) {
    const std::size_t row = table.find("| `" + path + "` | ");
    const std::size_t cell = table.find(" | ", table.find(" | ", row) + 3) + 3;
    const std::string shown = table.substr(cell, table.find(" | ", cell) - cell);
    // These two are shown with the name of another setting in them.
    if (shown == "none" || path == "grpc.listen" || path == "store.key") continue;
    ASSERT_GE(shown.size(), 2u) << path;
    environment[variable] = shown.substr(1, shown.size() - 2);
  }
  EXPECT_EQ(environment.at("ROLLCALL_FAILOVER_TIMEOUT"), "15s");
  ConfigSources sources;
  sources.environment = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  const auto config = load_config(sources);
  ASSERT_TRUE(config) << config.error().message;
  const Config defaults = *load_config({});
  EXPECT_EQ(config->failover, defaults.failover);
  EXPECT_EQ(config->hub, defaults.hub);
  EXPECT_EQ(config->grpc, defaults.grpc);
  EXPECT_THAT(restart_only_changes(*config, defaults), IsEmpty());
}

TEST(ConfigReferenceTest, TheFlagsAreThoseOfTheProgram) {
  std::vector<std::string> flags;
  for (const ConfigFlag& flag : config_flags()) flags.push_back(flag.flag);
  EXPECT_THAT(flags,
              UnorderedElementsAre("--state-dir", "--grpc-listen", "--http-listen", "--log-level"));
}

// --- addresses ---

TEST(ListenAddressTest, TextsGoBothWays) {
  for (const char* text : {"unix:/run/rollcall.sock", "127.0.0.1:7400", "[::1]:0",
                           "localhost:65535", "0.0.0.0:1", "[fe80::1]:9"}) {
    const auto address = parse_listen_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
}

TEST(ListenAddressTest, NonsenseIsRefused) {
  for (const char* text : {"",
                           ":",
                           "7400",
                           ":7400",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:x",
                           "127.0.0.1:-1",
                           "127.0.0.1:65536",
                           "127.0.0.1:1 ",
                           "::1:7400",
                           "[::1]",
                           "[::1]:",
                           "[127.0.0.1]:1",
                           "host.example:1",
                           "unix:",
                           "unix:x",
                           "unix:/",
                           "unix:/a/",
                           "tcp://127.0.0.1:1",
                           "127.0.0.1.5:1",
                           "[::g]:1"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
  EXPECT_FALSE(parse_listen_address("unix:/" + std::string(107, 'x')));
  EXPECT_TRUE(parse_listen_address("unix:/" + std::string(106, 'x')));
}

}  // namespace
}  // namespace rollcall
