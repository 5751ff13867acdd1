// The configuration file, --check-config, SIGHUP, TCP with TLS.

#include <gtest/gtest.h>

#include <sstream>

#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/posix_file_system.h"
#include "tests/backends/assert_done.h"
#include "tests/daemon/certificates.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

class Configuration : public ::testing::Test {
 protected:
  std::vector<std::string> provider_ids() {
    std::vector<std::string> ids;
    const auto list = daemon_.admin().list_providers();
    if (!list) return {"error: " + list.error().message};
    for (const auto& p : list->providers()) ids.push_back(p.provider().id());
    return ids;
  }
  // Of the set that a start would find, read as it would be; the sidecar must not run.
  std::vector<std::string> stored_ids() {
    PosixFileSystem files;
    const auto stored = read_present_providers(files, daemon_.state_dir(), nullptr);
    if (!stored) return {"error: " + stored.error().message};
    std::vector<std::string> ids;
    if (*stored) {
      for (const ProviderDescriptor& d : (*stored)->providers) ids.push_back(d.id.str());
    }
    return ids;
  }
  // Every revision of the set that operators were told of, up to the reload.
  std::vector<std::string> revisions_until_reloaded() {
    std::vector<std::string> revisions;
    const auto watched = daemon_.admin().watch_events(256, [&](const v1::OperatorEvent& e) {
      if (e.event() == "providers_changed") revisions.push_back(e.message());
      return e.event() != "reloaded";
    });
    EXPECT_TRUE(watched) << watched.error().message;
    return revisions;
  }
  DaemonProcess daemon_;
};

constexpr char kTwoProviders[] =
    "providers:\n"
    "  - {id: alpha, kind: in-memory, priority: 5}\n"
    "  - {id: beta, kind: in-memory, priority: 1}\n";

TEST_F(Configuration, EveryMistakeIsNamedTogether) {
  daemon_.set_config(
      "clutser: prod\n"
      "failover: {timeout: soon, max_errors: 0}\n"
      "http: {listen: '0.0.0.0:80'}\n"
      "providers:\n"
      "  - {id: 'A B', kind: consul}\n"
      "  - {id: x, kind: pigeon}\n");
  const auto ended = daemon_.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 3);
  const std::string said = daemon_.output();
  for (const char* wanted : {"INVALID_CONFIG", "clutser", "failover.timeout", "failover.max_errors",
                             "http.listen", "providers[0].id", "providers[1].kind", "line"})
    EXPECT_NE(said.find(wanted), std::string::npos) << wanted << " is not in: " << said;
}

TEST_F(Configuration, CheckConfigStartsNothing) {
  daemon_.set_config(kTwoProviders);
  daemon_.add_argument("--check-config");
  const auto ended = daemon_.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 0) << daemon_.output();
  EXPECT_FALSE(std::filesystem::exists(daemon_.state_dir()));
}

TEST_F(Configuration, AFleetsStoreIsCheckedWithoutReachingIt) {
  daemon_.add_argument("--check-config");
  daemon_.set_config(
      "store:\n"
      "  kind: etcd\n"
      "  endpoints: ['ftp://nowhere', 'http://user:secret@10.0.0.1:2379']\n"
      "  auth: {token_file: user, cert_file: /run/c.pem}\n"
      "providers: []\n");
  const auto ended = daemon_.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 3);
  const std::string said = daemon_.output();
  for (const char* wanted : {"store.endpoints[0]", "store.endpoints[1]", "store.auth.token_file",
                             "store.auth: ", "providers: "})
    EXPECT_NE(said.find(wanted), std::string::npos) << wanted << " is not in: " << said;
  EXPECT_EQ(said.find("secret"), std::string::npos);
  daemon_.set_config("store: {kind: etcd, endpoints: ['http://127.0.0.1:1']}\n");
  EXPECT_EQ(daemon_.start_and_fail().value().code, 0) << daemon_.output();
}

TEST_F(Configuration, AMissingFileIsAnError) {
  daemon_.add_argument("--config");
  daemon_.add_argument("/nowhere/rollcall.yaml");
  const auto ended = daemon_.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 3);
  EXPECT_NE(daemon_.output().find("/nowhere/rollcall.yaml"), std::string::npos);
}

TEST_F(Configuration, ItsProvidersAreServedAndNotEditableByApi) {
  daemon_.set_config(kTwoProviders);
  ASSERT_TRUE(daemon_.start());
  EXPECT_EQ(provider_ids(), (std::vector<std::string>{"alpha", "beta"}));
  const auto refused = daemon_.admin().remove_provider(ProviderId("alpha"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::PermissionDenied);
  EXPECT_EQ(daemon_.admin().get_provider(ProviderId("alpha"))->provider().origin(), "config");
}

TEST_F(Configuration, R5_4_AReloadBringsTheNewSetInOneStep) {
  daemon_.set_config(kTwoProviders);
  ASSERT_TRUE(daemon_.start());
  const auto added = daemon_.admin().register_provider(in_memory_provider("by-hand", 0));
  ASSERT_TRUE(added) << added.error().message;
  const std::uint64_t before = added->revision();
  daemon_.set_config(
      "providers:\n"
      "  - {id: gamma, kind: in-memory, priority: 7}\n"
      "  - {id: delta, kind: in-memory, priority: 6}\n");
  ASSERT_TRUE(daemon_.reload());
  ASSERT_TRUE(daemon_.told("\"reloaded\"")) << daemon_.output();
  // Two that came and two that went are one revision, without any other set in between.
  EXPECT_EQ(revisions_until_reloaded(),
            (std::vector<std::string>{"revision " + std::to_string(before) + ", 3 providers",
                                      "revision " + std::to_string(before + 1) + ", 3 providers"}));
  EXPECT_EQ(daemon_.admin().get_status()->revision(), before + 1);
  // What the API added stays; what the configuration brought and no longer has is gone.
  EXPECT_EQ(provider_ids(), (std::vector<std::string>{"by-hand", "gamma", "delta"}));
}

TEST_F(Configuration, R5_4_ABadReloadKeepsTheOldSetAndSaysSo) {
  daemon_.set_config(kTwoProviders);
  ASSERT_TRUE(daemon_.start());
  daemon_.set_config(
      "providers:\n"
      "  - {id: gamma, kind: in-memory, priority: 7}\n"
      "  - {id: broken, kind: pigeon}\n");
  ASSERT_TRUE(daemon_.reload());
  ASSERT_TRUE(daemon_.told("reload_refused")) << daemon_.output();
  EXPECT_NE(daemon_.output().find("providers[1].kind"), std::string::npos) << daemon_.output();
  EXPECT_EQ(provider_ids(), (std::vector<std::string>{"alpha", "beta"}));
  // And the next good one is taken.
  daemon_.set_config("providers: []\n");
  ASSERT_TRUE(daemon_.reload());
  ASSERT_TRUE(daemon_.told("\"reloaded\"")) << daemon_.output();
  EXPECT_TRUE(provider_ids().empty());
}

TEST_F(Configuration, R5_4_WhatNeedsARestartIsRefusedAsAWhole) {
  daemon_.set_config(kTwoProviders);
  ASSERT_TRUE(daemon_.start());
  daemon_.set_config(
      "cluster: another\n"
      "providers:\n  - {id: gamma, kind: in-memory}\n");
  ASSERT_TRUE(daemon_.reload());
  ASSERT_TRUE(daemon_.told("reload_refused")) << daemon_.output();
  EXPECT_NE(daemon_.output().find("cluster"), std::string::npos);
  EXPECT_EQ(provider_ids(), (std::vector<std::string>{"alpha", "beta"}));
}

TEST_F(Configuration, R5_4_AKillDuringAReloadLeavesTheOldOrTheNewSet) {
  const std::vector<std::string> before = {"alpha", "beta"};
  const std::vector<std::string> after = {"delta", "gamma"};
  const std::string other =
      "providers:\n"
      "  - {id: delta, kind: in-memory, priority: 5}\n"
      "  - {id: gamma, kind: in-memory, priority: 1}\n";
  const std::string file = daemon_.state_dir() + "/providers.jsonl";
  for (int round = 0; round < 10; ++round) {
    daemon_.set_config(kTwoProviders);
    ASSERT_TRUE(daemon_.start());
    ASSERT_EQ(provider_ids(), before);
    const std::string old = read_file(file);
    daemon_.set_config(other);
    ASSERT_TRUE(daemon_.reload());
    const bool at_the_first_write = round % 2 == 0;
    if (at_the_first_write) {
      // Without a pause between two looks: a set that took a second write would be half there.
      const auto deadline = std::chrono::steady_clock::now() + kHungProgram;
      while (read_file(file) == old && std::chrono::steady_clock::now() < deadline) {
      }
    } else {
      // A call in between moves the moment of the kill about, from round to round.
      for (int i = 0; i < round / 2; ++i) (void)daemon_.admin().get_status();
    }
    daemon_.kill();
    const std::vector<std::string> stored = stored_ids();
    EXPECT_TRUE(stored == after || (stored == before && !at_the_first_write))
        << "round " << round << ": " << ::testing::PrintToString(stored);
  }
}

TEST_F(Configuration, FlagsOverrideTheEnvironmentWhichOverridesTheFile) {
  const TempDir elsewhere;
  DaemonProcess::Options options;  // which give the flags --state-dir and --http-listen
  options.config = "cluster: from-file\nhttp: {listen: 'off'}\nstate_dir: " +
                   (elsewhere / "of-the-file").string() + "\n";
  options.environment = {{"ROLLCALL_CLUSTER", "from-environment"},
                         {"ROLLCALL_HTTP_LISTEN", "off"},
                         {"ROLLCALL_STATE_DIR", (elsewhere / "of-the-environment").string()}};
  DaemonProcess daemon(options);
  auto started = daemon.start();
  ASSERT_TRUE(started) << started.error();
  const auto status = daemon.admin().get_status();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->cluster(), "from-environment");
  EXPECT_EQ(daemon.get("/livez").status, 200);
  EXPECT_TRUE(std::filesystem::exists(daemon.socket()));
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere.path()));
}

TEST_F(Configuration, TcpWithTlsServesWhoTrustsItsCertificate) {
  CertificateFiles files;
  ASSERT_TRUE(make_certificate(daemon_.directory(), files));
  daemon_.set_config("grpc:\n  listen: ['127.0.0.1:0', 'unix:" + daemon_.socket() +
                     "']\n  tls: {cert_file: '" + files.certificate.string() + "', key_file: '" +
                     files.key.string() + "'}\n");
  auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  std::string tcp;
  const std::string all = daemon_.grpc_addresses();
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find(',', at), all.size());
    if (const std::string one = all.substr(at, end - at); !one.starts_with("unix:")) tcp = one;
    at = end + 1;
  }
  ASSERT_FALSE(tcp.empty()) << all;
  client::TlsOptions tls;
  tls.enabled = true;
  tls.ca_file = files.certificate.string();
  const auto trusted = client::Channel::open({tcp, tls});
  ASSERT_TRUE(trusted) << trusted.error().message;
  const auto status = client::AdminClient(*trusted).get_status();
  EXPECT_TRUE(status) << status.error().message;
  const auto plain = client::Channel::open({tcp, {}});
  ASSERT_TRUE(plain);
  EXPECT_FALSE(client::AdminClient(*plain, std::chrono::seconds(2)).get_status());
  EXPECT_TRUE(daemon_.admin().list_providers());
  EXPECT_TRUE(daemon_.told(R"("event":"grpc")")) << "what gRPC says of that handshake";
  std::istringstream lines(daemon_.output());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(line.starts_with('{') || line.starts_with("rollcalld serves ")) << line;
  }
}

TEST_F(Configuration, PlainTcpBeyondLoopbackIsRefused) {
  daemon_.set_config("grpc: {listen: ['0.0.0.0:0']}\n");
  const auto ended = daemon_.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 3) << daemon_.output();
}

}  // namespace
}  // namespace rollcall::test
