// A real Consul agent on loopback: one server that is its own cluster, or a client of another
// one's. A test registers services, lets checks fail, stops it (SIGSTOP: silence), kills it
// (refusal), restarts it with empty or kept state, and takes its tokens away. One owner, not
// thread-safe; start it on the test's own thread (process.h says why).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/backends/environment.h"
#include "tests/backends/process.h"

namespace rollcall::test {

struct HttpAnswer {
  int status = 0;
  std::multimap<std::string, std::string> headers;  // names as Consul writes them
  std::string body;
  // The first value of a header, whatever the case of its name; empty if there is none.
  std::string header(std::string_view name) const;
};

class ConsulAgent {
 public:
  struct Options {
    std::string node_name = "agent-1";
    std::string datacenter = "dc1";
    // Keeps its state on disk, so that restart(kKeepState) finds it again. Starting takes about 4 s
    // (an election) instead of 0.2 s.
    bool durable = false;
    // Access control with default policy "deny" and management_token() as the only token at first.
    bool acl = false;
    // The cluster_address() of a server, which has to outlive it: this one is a client of that
    // cluster, with services of its own. Neither durable nor acl.
    std::string join = {};
    // PEM; with a certificate address() speaks HTTPS. The fixture itself goes by plain HTTP.
    std::string cert_pem = {};
    std::string key_pem = {};
    std::string extra_config;  // JSON object merged over the configuration by Consul itself
  };

  enum class Restart { kEmptyState, kKeepState };  // kKeepState needs Options::durable

  static Outcome<std::unique_ptr<ConsulAgent>> start(Options options);
  static Outcome<std::unique_ptr<ConsulAgent>> start() { return start(Options{}); }

  std::string address() const;  // "127.0.0.1:<port>", stable over restarts; TLS if so chosen
  std::string url() const;      // "http://…" or "https://…" of address()
  std::string cluster_address() const;  // where other agents join it
  const std::string& node_name() const { return options_.node_name; }
  // May do everything; only with Options::acl.
  std::string management_token() const;

  // The process. pause/resume: connections stay open and nothing is answered.
  Process& process() { return *process_; }
  bool pause() { return process_->pause(); }
  bool resume() { return process_->resume(); }
  void kill() { process_->kill(); }  // connections are refused afterwards
  Outcome<void> restart(Restart state);
  // Waits until the agent answers about its own catalogue; start and restart have done so already.
  Outcome<void> await_ready();
  // Another certificate from the next connection on, soon: those that are open stay. It reloads, by
  // which an agent that is not durable forgets the services that were registered with it.
  bool replace_certificate(std::string_view cert_pem, std::string_view key_pem);

  struct Service {
    std::string name;
    std::string id;       // empty: the name
    std::string address;  // empty: the node's
    std::uint16_t port = 0;
    std::vector<std::string> tags;
    std::map<std::string, std::string> meta;
    std::optional<std::string> status;  // "passing", "warning", "critical": gives it a TTL check
  };
  // On this agent, by its own API. A service with a status has the check "<id>-ttl", whose TTL no
  // test outlasts.
  Outcome<void> register_service(const Service& service);
  Outcome<void> deregister_service(std::string_view id);
  Outcome<void> set_status(std::string_view service_id, std::string_view status);

  // On another node, straight into the catalogue: nodes without an agent, each of which may hold
  // the same service id.
  Outcome<void> register_on_node(std::string_view node, std::string_view node_address,
                                 const Service& service);
  Outcome<void> deregister_node(std::string_view node);
  Outcome<void> deregister_on_node(std::string_view node, std::string_view service_id);

  // Makes a token with a policy of these rules (HCL, such as `service_prefix "" { policy = "read"
  // }`) and answers its secret. With `secret` (a UUID) the token gets that one.
  Outcome<std::string> create_token(std::string_view rules, std::string_view secret = {});
  Outcome<void> revoke_token(std::string_view secret);
  Outcome<void> replace_rules(std::string_view secret, std::string_view rules);

  // One request to the agent's HTTP API, by default with the management token (if there is one) and
  // within 10 s.
  Outcome<HttpAnswer> request(std::string_view method, const std::string& path,
                              const std::string& body = {},
                              std::optional<std::string> token = std::nullopt);
  // The X-Consul-Index that the health endpoint of a service answers now; 0 if it cannot be asked.
  std::uint64_t index_of(const std::string& service);

 private:
  struct Policy {
    std::string accessor;
    std::string id;
    std::string name;
  };

  explicit ConsulAgent(Options options);
  Outcome<void> choose_ports_and_start();
  Outcome<void> spawn();
  std::string config() const;
  void write_certificate(std::string_view cert_pem, std::string_view key_pem);
  Outcome<void> expect_ok(std::string_view method, const std::string& path,
                          const std::string& body = {});

  Options options_;
  TempDir dir_;
  std::filesystem::path binary_;
  std::uint16_t http_port_ = 0;
  std::uint16_t https_port_ = 0;  // 0: none
  std::uint16_t server_port_ = 0;
  std::uint16_t serf_port_ = 0;
  std::map<std::string, Policy, std::less<>> tokens_;  // by secret
  std::optional<Process> process_;                     // after dir_: ends before its files go
};

}  // namespace rollcall::test
