#include "provisioning/config/config_loader.h"

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/registry/test_catalog.h"

namespace rollcall {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class ConfigTest : public ::testing::Test {
 protected:
  Result<Config> load(const std::string& text) {
    ConfigSources sources;
    sources.file_name = "rollcall.yaml";
    sources.text = text;
    sources.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    };
    sources.flags = flags_;
    sources.validator = &validator_;
    return load_config(sources);
  }
  Config good(const std::string& text) {
    auto config = load(text);
    EXPECT_TRUE(config) << (config ? "" : config.error().message);
    return config.value_or(Config());
  }
  // "path: found: expected (line N)" of every problem.
  std::vector<std::string> problems(const std::string& text) {
    const auto config = load(text);
    EXPECT_FALSE(config) << text;
    std::vector<std::string> out;
    if (config) return out;
    EXPECT_EQ(config.error().code, ErrorCode::InvalidConfig);
    for (const Problem& problem : config.error().problems) {
      out.push_back(problem.field + ": " + problem.value + ": " + problem.expected);
    }
    return out;
  }

  std::map<std::string, std::string> environment_;
  std::vector<ConfigOverride> flags_;
  test::TestCatalog catalog_;
  ProviderValidator validator_{catalog_, catalog_.context()};
};

TEST_F(ConfigTest, WithoutAFileEverythingHasItsDefault) {
  const auto config = load_config({});
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->from_file);
  EXPECT_FALSE(config->has_providers);
  EXPECT_EQ(config->failover, FailoverPolicy());
  EXPECT_EQ(config->cluster, "default");
  ASSERT_EQ(config->grpc.listen.size(), 1u);
  EXPECT_EQ(config->grpc.listen[0].text(), "unix:/var/lib/rollcall/rollcall.sock");
  EXPECT_TRUE(config->http.enabled);
  EXPECT_EQ(config->http.host, "127.0.0.1");
}

TEST_F(ConfigTest, AnEmptyFileIsAFileWithDefaults) {
  for (const char* text : {"", "# nothing yet\n", "grpc:\nlog:\n"}) {
    const Config config = good(text);
    EXPECT_TRUE(config.from_file);
    EXPECT_EQ(config.failover, FailoverPolicy());
  }
}

TEST_F(ConfigTest, EverySettingIsRead) {
  const Config config = good(R"(
cluster: prod
state_dir: /srv/rollcall/
grpc:
  listen: ["unix:/run/r.sock", "127.0.0.1:7400", "[::1]:0", "10.0.0.1:7401"]
  tls: {cert_file: /c.pem, key_file: /k.pem, client_ca_file: /ca.pem}
  unix_mode: 0660
  max_subscribers: 100
  keepalive: 20s
  keepalive_timeout: 5s
  max_connection_age: 1h
http: {listen: "[::1]:9000"}
log: {level: debug, format: logfmt}
failover:
  degraded_after: 8s
  timeout: 10s
  max_errors: 5
  backoff: 500ms
  backoff_max: 1m
  backoff_jitter: 0.1
  cooldown: 0s
  hold_failures: 7
  hold_window: 2m
  rollback_stand: 90s
  block_lifetime: 48h
leave_guard: {enabled: true, max_share: 0.5, hold: 30s}
hub: {log_bytes: 64MiB, bookmark_every: 2s, write_stall: 10s}
admission: {connectivity_deadline: 3s, allow_unreachable: true}
lifecycle: {drain_deadline: 2s, topology_save_every: 1m}
providers:
  - {id: c1, kind: consul, priority: 5, endpoints: ["http://127.0.0.1:8500"], watch_params: {service: db}}
  - {id: m1, kind: in-memory, enabled: false}
)");
  EXPECT_EQ(config.cluster, "prod");
  EXPECT_EQ(config.state_dir, "/srv/rollcall");
  ASSERT_EQ(config.grpc.listen.size(), 4u);
  EXPECT_EQ(config.grpc.listen[2].text(), "[::1]:0");
  EXPECT_EQ(config.grpc.tls, (TlsFiles{"/c.pem", "/k.pem", "/ca.pem"}));
  EXPECT_EQ(config.grpc.unix_mode, 0660u);
  EXPECT_EQ(config.grpc.max_subscribers, 100u);
  EXPECT_EQ(config.grpc.keepalive, seconds(20));
  EXPECT_EQ(config.grpc.keepalive_timeout, seconds(5));
  EXPECT_EQ(config.grpc.max_connection_age, minutes(60));
  EXPECT_EQ(config.http, (Config::Http{true, "::1", 9000}));
  EXPECT_EQ(config.log, (Config::Log{LogLevel::Debug, LogFormat::Logfmt}));
  EXPECT_EQ(config.failover.degraded_after, seconds(8));
  EXPECT_EQ(config.failover.timeout, seconds(10));
  EXPECT_EQ(config.failover.max_errors, 5);
  EXPECT_EQ(config.failover.backoff_initial, milliseconds(500));
  EXPECT_EQ(config.failover.backoff_max, minutes(1));
  EXPECT_EQ(config.failover.backoff_jitter, 0.1);
  EXPECT_EQ(config.failover.cooldown, Duration::zero());
  EXPECT_EQ(config.failover.hold_failures, 7);
  EXPECT_EQ(config.failover.hold_window, minutes(2));
  EXPECT_EQ(config.failover.rollback_stand, seconds(90));
  EXPECT_EQ(config.failover.block_lifetime, minutes(48 * 60));
  EXPECT_EQ(config.failover.leave_guard, (LeaveGuardPolicy{true, 0.5, seconds(30)}));
  EXPECT_EQ(config.hub, (Config::Hub{64u << 20, seconds(2), seconds(10)}));
  EXPECT_EQ(config.admission, (Config::Admission{seconds(3), true}));
  EXPECT_EQ(config.lifecycle, (Config::Lifecycle{seconds(2), minutes(1)}));
  ASSERT_EQ(config.providers.size(), 2u);
  EXPECT_EQ(config.providers[0].origin, Origin::Config);
  EXPECT_EQ(config.providers[0].priority, 5);
  EXPECT_FALSE(config.providers[1].enabled);
}

TEST_F(ConfigTest, JsonIsReadAsWell) {
  const Config config = good(R"({"cluster":"json","http":{"listen":"off"},"providers":[]})");
  EXPECT_EQ(config.cluster, "json");
  EXPECT_FALSE(config.http.enabled);
  EXPECT_TRUE(config.has_providers);
  EXPECT_THAT(config.providers, IsEmpty());
}

// --- mistakes, each with its line ---

struct Mistake {
  const char* text;
  const char* field;
  const char* expected;
  int line;
};

TEST_F(ConfigTest, EveryMistakeIsNamedWithItsLine) {
  const Mistake mistakes[] = {
      {"clustre: x\n", "clustre", "cluster", 1},
      {"cluster: x\nlog:\n  levle: info\n", "log.levle", "level", 3},
      {"log: {level: loud}\n", "log.level", "one of debug, info", 1},
      {"log:\n  format: xml\n", "log.format", "json or logfmt", 2},
      {"\n\nlog: 7\n", "log", "an object", 3},
      {"cluster: \"\"\n", "cluster", "a text of 1 to", 1},
      {"cluster: 7\n", "cluster", "a text", 1},
      {"state_dir: var/lib\n", "state_dir", "an absolute path", 1},
      {"grpc:\n  listen: nonsense\n", "grpc.listen", "HOST:PORT", 2},
      {"grpc:\n  listen: [\"unix:relative\"]\n", "grpc.listen", "unix:/PATH", 2},
      {"grpc:\n  listen: [\"example.org:80\"]\n", "grpc.listen", "HOST:PORT", 2},
      {"grpc:\n  listen: [\"127.0.0.1:65536\"]\n", "grpc.listen", "HOST:PORT", 2},
      {"grpc:\n  listen: []\n", "grpc.listen", "a list of at most", 2},
      {"grpc:\n  listen: [7]\n", "grpc.listen", "a list of at most", 2},
      {"grpc:\n  unix_mode: 0777\n", "grpc.unix_mode", "0600 or 0660", 2},
      {"grpc:\n  max_subscribers: 0\n", "grpc.max_subscribers", "an integer from 1", 2},
      {"grpc:\n  max_subscribers: 1.5\n", "grpc.max_subscribers", "an integer", 2},
      {"grpc:\n  max_subscribers: \"10\"\n", "grpc.max_subscribers", "an integer", 2},
      {"grpc:\n  keepalive: 20\n", "grpc.keepalive", "a duration", 2},
      {"grpc:\n  keepalive: 20 s\n", "grpc.keepalive", "a duration", 2},
      {"grpc:\n  keepalive: -5s\n", "grpc.keepalive", "a duration", 2},
      {"grpc:\n  keepalive: 1.5s\n", "grpc.keepalive", "a duration", 2},
      {"grpc:\n  keepalive: 99999999999999999999s\n", "grpc.keepalive", "a duration", 2},
      {"grpc:\n  max_connection_age: 5s\n", "grpc.max_connection_age", "or 0s", 2},
      {"http:\n  listen: 0.0.0.0:9631\n", "http.listen", "loopback", 2},
      {"http:\n  listen: unix:/x\n", "http.listen", "loopback", 2},
      {"http:\n  listen: false\n", "http.listen", "or off", 2},
      {"failover:\n  max_errors: 0\n", "failover.max_errors", "from 1", 2},
      {"failover:\n  timeout: 15\n", "failover.timeout", "a duration", 2},
      {"failover:\n  timeout: 2h\n", "failover.timeout", "to 1h", 2},
      {"failover:\n  backoff_jitter: 1\n", "failover.backoff_jitter", "from 0 to 0.9", 2},
      {"failover:\n  degraded_after: 20s\n", "failover.degraded_after", "at most failover.timeout",
       2},
      {"failover:\n  backoff: 1m\n", "failover.backoff", "at most failover.backoff_max", 2},
      {"leave_guard:\n  enabled: yes\n", "leave_guard.enabled", "true or false", 2},
      {"leave_guard:\n  max_share: 0\n", "leave_guard.max_share", "above 0", 2},
      {"hub:\n  log_bytes: 10\n", "hub.log_bytes", "a size from 1MiB", 2},
      {"hub:\n  log_bytes: 1TiB\n", "hub.log_bytes", "a size", 2},
      {"hub:\n  log_bytes: 99999999999999999999GiB\n", "hub.log_bytes", "a size", 2},
      {"admission:\n  connectivity_deadline: 6s\n", "admission.connectivity_deadline", "to 5s", 2},
      {"lifecycle:\n  drain_deadline: 1m\n", "lifecycle.drain_deadline", "to 5s", 2},
      {"grpc:\n  listen: 0.0.0.0:7400\n", "grpc.listen", "a loopback address, or grpc.tls", 2},
      {"grpc:\n  listen: ['127.0.0.1:1', '127.0.0.1:1']\n", "grpc.listen", "each address once", 2},
      {"grpc:\n  tls:\n    cert_file: /c\n", "grpc.tls.key_file", "a key", 0},
      {"grpc:\n  tls:\n    key_file: /k\n", "grpc.tls.cert_file", "a certificate", 0},
      {"grpc:\n  tls:\n    client_ca_file: /ca\n", "grpc.tls.cert_file", "a certificate", 0},
      {"grpc:\n  tls:\n    cert: /c\n", "grpc.tls.cert", "cert_file", 3},
      {"providers: 5\n", "providers", "a list", 1},
      {"providers:\n  - {id: a}\n", "providers[0].kind", "", 2},
      {"providers:\n  - {id: a, kind: in-memory}\n  - {id: b, kind: zk}\n", "providers[1].kind",
       "one of: consul, file, in-memory", 3},
      {"providers:\n  - {id: a, kind: in-memory}\n  - {id: a, kind: in-memory}\n",
       "providers[1].id", "an id of its own", 3},
      {"providers:\n  - id: a\n    kind: in-memory\n    colour: red\n", "providers[0].colour", "",
       4},
      {"- a\n- b\n", "", "an object", 1},
  };
  for (const Mistake& mistake : mistakes) {
    const auto config = load(mistake.text);
    ASSERT_FALSE(config) << mistake.text;
    EXPECT_EQ(config.error().code, ErrorCode::InvalidConfig) << mistake.text;
    ASSERT_EQ(config.error().problems.size(), 1u)
        << mistake.text << ::testing::PrintToString(problems(mistake.text));
    const Problem& problem = config.error().problems[0];
    EXPECT_EQ(problem.field, mistake.field) << mistake.text;
    EXPECT_THAT(problem.expected, HasSubstr(mistake.expected)) << mistake.text;
    if (mistake.line != 0) {
      EXPECT_THAT(problem.expected, HasSubstr("line " + std::to_string(mistake.line)))
          << mistake.text;
    }
    EXPECT_THAT(config.error().message, HasSubstr("rollcall.yaml")) << mistake.text;
  }
}

TEST_F(ConfigTest, RepeatedKeysAreErrorsWithTheirLinesBesideAllOthers) {
  for (const auto& [text, line] : std::vector<std::pair<std::string, std::string>>{
           {"cluster: a\nlog: {level: info}\ncluster: b\n", "line 3"},
           {"{\"cluster\":\"a\",\n\"cluster\":\"b\"}", "line 2"}}) {
    const auto config = load(text);
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, ErrorCode::InvalidConfig);
    EXPECT_THAT(config.error().message, HasSubstr(line)) << text;
  }
  EXPECT_THAT(problems("log:\n  level: info\n  level: loud\n  level: debug\nhub: {log_bytes: 1}\n"
                       "hub: {}\nproviders:\n  - {id: a, kind: in-memory,\n     id: b}\n"),
              UnorderedElementsAre(
                  "log.level: the key again: each key once (first on line 2) (line 3)",
                  "log.level: the key again: each key once (first on line 2) (line 4)",
                  "hub: the key again: each key once (first on line 5) (line 6)",
                  "providers[0].id: the key again: each key once (first on line 8) (line 9)",
                  HasSubstr("hub.log_bytes: 1: a size from 1MiB to 4GiB (line 5)")));
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "cluster: a\n";
  EXPECT_EQ(problems(many).size(), limits::kMaxProblems);
}

TEST_F(ConfigTest, AllProblemsAreToldTogether) {
  environment_["ROLLCALL_HUB_LOG_BYTES"] = "huge";
  flags_ = {{"log.level", {"loud"}, "--log-level"}};
  const auto found = problems(R"(
cluster: ""
colour: red
failover: {timeout: soon, max_errors: -1}
providers:
  - {id: C 1, kind: consul}
)");
  EXPECT_THAT(found, AllOf(::testing::Contains(HasSubstr("cluster: ")),
                           ::testing::Contains(HasSubstr("colour: ")),
                           ::testing::Contains(HasSubstr("failover.timeout: soon")),
                           ::testing::Contains(HasSubstr("failover.max_errors: -1")),
                           ::testing::Contains(HasSubstr("providers[0].id: C 1")),
                           ::testing::Contains(HasSubstr("providers[0].endpoints")),
                           ::testing::Contains(HasSubstr("providers[0].watch_params.service")),
                           ::testing::Contains(HasSubstr("(from ROLLCALL_HUB_LOG_BYTES)")),
                           ::testing::Contains(HasSubstr("(from --log-level)"))));
  EXPECT_EQ(found.size(), 9u);
}

TEST_F(ConfigTest, ASecretInTheOpenIsRefusedAndNotRepeated) {
  const auto expect_refused = [&](const std::string& text) {
    SCOPED_TRACE(text);
    const auto config = load(text);
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().message, Not(HasSubstr("hunter2")));
    for (const Problem& problem : config.error().problems) {
      EXPECT_THAT(problem.value + problem.expected, Not(HasSubstr("hunter2")));
    }
  };
  const std::string etcd = "store:\n  kind: etcd\n  endpoints: [\"http://127.0.0.1:1\"]\n";
  for (const std::string& text : {
           std::string("providers:\n  - {id: a, kind: in-memory, token: hunter2}\n"),
           std::string("providers:\n  - {id: a, kind: consul, auth: {token_file: hunter2}}\n"),
           std::string("providers:\n  - {id: a, kind: consul, auth: hunter2}\n"),
           std::string("providers:\n  - {id: a, kind: file, endpoints: [\"http://u:hunter2@h\"],"
                       " watch_params: {path: /m}}\n"),
           std::string("providers:\n  - {id: a, kind: consul, endpoints: http://u:hunter2@h}\n"),
           std::string("grpc:\n  tls: hunter2\n"),
           std::string("grpc:\n  tls:\n    cert_file: /c\n    key_file: |\n      -----BEGIN\n"
                       "      hunter2\n"),
           etcd + "  auth: {token_file: \"rollcall:hunter2\"}\n",
           etcd + "  auth: \"rollcall:hunter2\"\n",
           std::string("store:\n  kind: etcd\n  endpoints: [\"http://u:hunter2@h:1\"]\n"),
           std::string("store:\n  kind: etcd\n  endpoints: {a: \"http://u:hunter2@h:1\"}\n"),
       }) {
    expect_refused(text);
  }
  environment_ = {{"ROLLCALL_STORE_AUTH_TOKEN_FILE", "rollcall:hunter2"}};
  expect_refused(etcd);
}

// --- overriding ---

TEST_F(ConfigTest, TheEnvironmentOverridesTheFileAndFlagsOverrideBoth) {
  const std::string file = "cluster: file\nlog: {level: debug}\nfailover: {timeout: 20s}\n";
  environment_ = {{"ROLLCALL_CLUSTER", "environment"},
                  {"ROLLCALL_LOG_LEVEL", "warning"},
                  {"ROLLCALL_FAILOVER_MAX_ERRORS", "9"},
                  {"ROLLCALL_LEAVE_GUARD_ENABLED", "true"},
                  {"ROLLCALL_LEAVE_GUARD_MAX_SHARE", "0.75"},
                  {"ROLLCALL_GRPC_LISTEN", "127.0.0.1:1,unix:/run/x.sock"},
                  {"ROLLCALL_GRPC_UNIX_MODE", "0660"},
                  {"ROLLCALL_SERVER", "not a setting"}};
  flags_ = {{"log.level", {"error"}, "--log-level"}, {"state_dir", {"/tmp/s"}, "--state-dir"}};
  const Config config = good(file);
  EXPECT_EQ(config.cluster, "environment");
  EXPECT_EQ(config.log.level, LogLevel::Error);
  EXPECT_EQ(config.failover.timeout, seconds(20));
  EXPECT_EQ(config.failover.max_errors, 9);
  EXPECT_EQ(config.failover.leave_guard, (LeaveGuardPolicy{true, 0.75, seconds(60)}));
  EXPECT_EQ(config.grpc.listen.size(), 2u);
  EXPECT_EQ(config.grpc.unix_mode, 0660u);
  EXPECT_EQ(config.state_dir, "/tmp/s");
}

TEST_F(ConfigTest, SeveralValuesOfAFlagAreAList) {
  flags_ = {{"grpc.listen", {"127.0.0.1:1", "127.0.0.1:2"}, "--grpc-listen"}};
  EXPECT_EQ(good("").grpc.listen.size(), 2u);
  flags_ = {{"log.level", {"info", "debug"}, "--log-level"}};
  EXPECT_THAT(problems("").front(), HasSubstr("(from --log-level)"));
  flags_ = {{"no.such", {"x"}, "--mystery"}};
  EXPECT_THAT(problems("").front(), HasSubstr("--mystery"));
}

TEST_F(ConfigTest, TheDefaultSocketFollowsTheStateDirectory) {
  flags_ = {{"state_dir", {"/srv/x"}, "--state-dir"}};
  EXPECT_EQ(good("").grpc.listen[0].text(), "unix:/srv/x/rollcall.sock");
  flags_ = {{"state_dir", {"/" + std::string(120, 'x')}, "--state-dir"}};
  EXPECT_THAT(problems("").front(), HasSubstr("short enough for the socket"));
}

TEST_F(ConfigTest, BothServersCannotListenOnOneAddress) {
  const std::string tls = "  tls: {cert_file: /c, key_file: /k}\n";
  for (const char* grpc : {"127.0.0.1:9631", "localhost:9631", "0.0.0.0:9631", "\"[::]:9631\""}) {
    EXPECT_THAT(problems(std::string("grpc:\n  listen: ") + grpc + "\n" + tls),
                ElementsAre(AllOf(HasSubstr("grpc.listen"), HasSubstr("127.0.0.1:9631"),
                                  HasSubstr("(line 2)"))))
        << grpc;
  }
  good("grpc:\n  listen: 10.0.0.1:9631\n" + tls);
  good("grpc:\n  listen: \"[::1]:9631\"\n");
  good("grpc:\n  listen: 127.0.0.1:9631\nhttp: {listen: off}\n");
  good("grpc:\n  listen: 127.0.0.1:9631\nhttp: {listen: \"127.0.0.1:9632\"}\n");
  good("grpc:\n  listen: 127.0.0.1:0\nhttp: {listen: \"127.0.0.1:0\"}\n");
}

TEST_F(ConfigTest, AReloadTellsDifferentLabelsApart) {
  const auto with = [&](const std::string& labels) {
    return good("announce: {providers: [c], node_id: n, host: h, port: 1, labels: " + labels +
                "}\n");
  };
  EXPECT_THAT(restart_only_changes(with("{a: \"1,b=2\"}"), with("{a: \"1\", b: \"2\"}")),
              ElementsAre("announce.labels"));
  EXPECT_THAT(restart_only_changes(with("{a: '1\\', b: '2'}"), with("{a: '1\\,b=2'}")),
              ElementsAre("announce.labels"));
  EXPECT_THAT(restart_only_changes(with("{a: \"1,b=2\"}"), with("{a: \"1,b=2\"}")), IsEmpty());
}

TEST_F(ConfigTest, TcpBeyondLoopbackNeedsTls) {
  EXPECT_EQ(good("grpc: {listen: '10.0.0.1:7400', tls: {cert_file: /c, key_file: /k}}\n")
                .grpc.listen[0]
                .is_loopback(),
            false);
  for (const char* loopback : {"127.0.0.1:0", "127.9.9.9:1", "[::1]:5", "localhost:7"}) {
    EXPECT_TRUE(
        good(std::string("grpc: {listen: '") + loopback + "'}").grpc.listen[0].is_loopback());
  }
}

// --- reload ---

TEST_F(ConfigTest, R5_4_AReloadThatNeedsARestartIsRefusedAsAWholeAndNamesWhat) {
  const Config running = good("log: {level: info}\nfailover: {timeout: 20s}\n");
  const Config reload = good(
      "log: {level: debug, format: logfmt}\nfailover: {timeout: 25s}\n"
      "leave_guard: {enabled: true}\nadmission: {allow_unreachable: true}\n"
      "providers: [{id: a, kind: in-memory}]\n");
  EXPECT_TRUE(check_reload(running, reload));
  const Config restart = good(
      "cluster: other\nlog: {level: debug}\nhub: {log_bytes: 32MiB}\nhttp: {listen: 'off'}\n"
      "state_dir: /elsewhere\n");
  EXPECT_THAT(
      restart_only_changes(running, restart),
      UnorderedElementsAre("cluster", "hub.log_bytes", "http.listen", "state_dir", "grpc.listen"));
  const auto refused = check_reload(running, restart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  EXPECT_EQ(refused.error().problems.size(), 5u);
  EXPECT_THAT(refused.error().problems[0].expected, HasSubstr("or a restart"));
}

// --- hostile files ---

TEST_F(ConfigTest, HostileYamlIsRefusedWithinItsLimits) {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  std::string anchors = "a: &a [x, x]\n";
  for (char c = 'b'; c < 'm'; ++c) {
    anchors += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ", *" +
               static_cast<char>(c - 1) + "]\n";
  }
  for (const std::string& text :
       {deep, std::string(5u << 20, '#'), std::string("cluster: \xff\xfe\n"),
        std::string("a: b: c\n"), std::string("\tcluster: x\n"),
        std::string("cluster: x\n...\n---\n"), std::string("cluster: !!python/object x\n"),
        std::string("{\"cluster\":\"x\""), std::string("cluster: [1, 2\n"), anchors,
        std::string("? [a]\n: b\n"), std::string("cluster: \"x\0y\"\n", 16),
        std::string(100'000, '['), std::string("- ") + deep}) {
    const auto config = load(text);
    ASSERT_FALSE(config) << text.substr(0, 60);
    EXPECT_TRUE(config.error().code == ErrorCode::InvalidConfig ||
                config.error().code == ErrorCode::LimitExceeded);
    EXPECT_LT(config.error().message.size(), limits::kMaxErrorDetailBytes);
  }
}

TEST_F(ConfigTest, ManyUnknownKeysAreCountedAndTheFirstNamed) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "key" + std::to_string(i) + ": 1\n";
  const auto config = load(text);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().problems.size(), limits::kMaxProblems);
  EXPECT_EQ(config.error().total_problems, 5000u);
}

TEST_F(ConfigTest, AChangedOrCutFileIsReadOrRefusedButNeverBreaksAnything) {
  const std::string text =
      "cluster: prod\ngrpc:\n  listen: ['unix:/r.sock']\nfailover:\n  timeout: 20s\n"
      "providers:\n  - {id: m, kind: in-memory}\n";
  const std::uint64_t seed = 20261120;
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < text.size(); ++i) {
    (void)load(text.substr(0, i));
    for (int n = 0; n < 8; ++n) {
      std::string changed = text;
      changed[i] = static_cast<char>(random());
      const auto config = load(changed);
      if (config) {
        EXPECT_FALSE(config->grpc.listen.empty()) << "seed " << seed << " byte " << i;
        EXPECT_GE(config->failover.timeout, config->failover.degraded_after);
      } else {
        EXPECT_FALSE(config.error().message.empty());
      }
    }
  }
}

}  // namespace
}  // namespace rollcall
