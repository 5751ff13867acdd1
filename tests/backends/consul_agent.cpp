#include "tests/backends/consul_agent.h"

#include <httplib.h>
#include <signal.h>
#include <strings.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace rollcall::test {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kReadyLimit{
    60'000};                    // 0.2 to 4 s alone on two cores; builds may run beside it
constexpr int kStartTries = 3;  // a port found free may be taken before Consul binds it
constexpr int kRequestSeconds = 10;
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 20U;
constexpr const char* kCheckTtl = "24h";
constexpr const char* kManagementToken = "5f0c7a6e-6d0b-4c39-9d6f-8f6d3f5b9a01";

std::string check_id(std::string_view service_id) { return std::string(service_id) + "-ttl"; }

const std::string& id_of(const ConsulAgent::Service& service) {
  return service.id.empty() ? service.name : service.id;
}

std::string quoted(std::string_view method, const std::string& path, const HttpAnswer& answer) {
  return std::string(method) + " " + path + ": " + std::to_string(answer.status) + " " +
         answer.body;
}

}  // namespace

std::string HttpAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() && ::strncasecmp(key.data(), name.data(), name.size()) == 0) {
      return value;
    }
  }
  return {};
}

ConsulAgent::ConsulAgent(Options options) : options_(std::move(options)) {}

Outcome<std::unique_ptr<ConsulAgent>> ConsulAgent::start(Options options) {
  std::unique_ptr<ConsulAgent> agent(new ConsulAgent(std::move(options)));
  auto binary = find_server("ROLLCALL_CONSUL", "consul", "consul-*/consul");
  if (!binary) return tl::unexpected(binary.error());
  agent->binary_ = *binary;
  Outcome<void> started;
  for (int i = 0; i < kStartTries; ++i) {
    started = agent->choose_ports_and_start();
    if (started) return agent;
  }
  return tl::unexpected(started.error());
}

Outcome<void> ConsulAgent::choose_ports_and_start() {
  const auto ports = free_ports(4);
  if (ports.empty()) return tl::unexpected(std::string("no free ports"));
  http_port_ = ports[0];
  server_port_ = ports[1];
  serf_port_ = ports[2];
  if (!options_.cert_pem.empty()) {
    https_port_ = ports[3];
    write_certificate(options_.cert_pem, options_.key_pem);
  }
  write_file(dir_ / "config.json", config());
  if (!options_.extra_config.empty()) write_file(dir_ / "extra.json", options_.extra_config);
  return spawn();
}

std::string ConsulAgent::config() const {
  json config = {
      {"node_name", options_.node_name},
      {"datacenter", options_.datacenter},
      {"bind_addr", "127.0.0.1"},
      {"client_addr", "127.0.0.1"},
      {"ports",
       {{"http", http_port_},
        {"server", server_port_},
        {"serf_lan", serf_port_},
        {"serf_wan", -1},
        {"https", -1},
        {"dns", -1},
        {"grpc", -1},
        {"grpc_tls", -1}}},
      {"disable_update_check", true},  // no traffic beyond loopback
      {"connect", {{"enabled", false}}},
      {"ui_config", {{"enabled", false}}},
      {"check_update_interval", "0s"},
      {"performance", {{"raft_multiplier", 1}, {"leave_drain_time", "0s"}}},
      {"log_level", "warn"},
  };
  if (options_.durable) {
    config["server"] = true;
    config["bootstrap"] = true;
    config["data_dir"] = (dir_ / "data").string();
    config["raft_logstore"] = {{"backend", "boltdb"}};
  }
  if (https_port_ != 0) {
    config["ports"]["https"] = https_port_;
    config["tls"] = {
        {"https",
         {{"cert_file", (dir_ / "cert.pem").string()}, {"key_file", (dir_ / "key.pem").string()}}}};
  }
  if (!options_.join.empty()) {
    config["data_dir"] = (dir_ / "data").string();  // a client does not start without
    config["retry_join"] = {options_.join};
    config["retry_interval"] = "1s";
  }
  if (options_.acl) {
    config["acl"] = {
        {"enabled", true},
        {"default_policy", "deny"},
        {"tokens", {{"initial_management", kManagementToken}, {"agent", kManagementToken}}}};
  }
  return config.dump(2);
}

Outcome<void> ConsulAgent::spawn() {
  Process::Options options;
  options.argv = {binary_.string(), "agent", "-config-file", (dir_ / "config.json").string()};
  if (!options_.durable && options_.join.empty()) options.argv.emplace_back("-dev");
  if (!options_.extra_config.empty()) {
    options.argv.insert(options.argv.end(), {"-config-file", (dir_ / "extra.json").string()});
  }
  options.output = dir_ / "log";
  // Nothing of the caller's Consul settings, and no more threads than a test machine has to spare.
  options.environment = {{"CONSUL_HTTP_ADDR", ""}, {"CONSUL_HTTP_TOKEN", ""}, {"GOMAXPROCS", "2"}};
  auto process = Process::start(options);
  if (!process) return tl::unexpected(process.error());
  process_.emplace(std::move(*process));
  return await_ready();
}

Outcome<void> ConsulAgent::await_ready() {
  // Its own node in the catalogue: a leader is elected, access control is set up, and the agent has
  // registered itself.
  const bool ready = eventually(kReadyLimit, [this] {
    if (!process_->running()) return true;
    const auto answer = request("GET", "/v1/catalog/node/" + options_.node_name);
    return answer && answer->status == 200 && answer->body.find("\"Node\"") != std::string::npos;
  });
  if (ready && process_->running()) return {};
  return tl::unexpected("Consul did not become ready:\n" + process_->output_tail());
}

Outcome<void> ConsulAgent::restart(Restart state) {
  process_->kill();
  if (state == Restart::kEmptyState) {
    std::error_code ignored;
    std::filesystem::remove_all(dir_ / "data", ignored);
    tokens_.clear();
  } else if (!options_.durable) {
    return tl::unexpected(std::string("only a durable agent keeps its state"));
  }
  return spawn();
}

void ConsulAgent::write_certificate(std::string_view cert_pem, std::string_view key_pem) {
  write_file(dir_ / "cert.pem", cert_pem);
  write_file(dir_ / "key.pem", key_pem);
}

bool ConsulAgent::replace_certificate(std::string_view cert_pem, std::string_view key_pem) {
  write_certificate(cert_pem, key_pem);
  return process_->signal(SIGHUP);
}

std::string ConsulAgent::address() const {
  return "127.0.0.1:" + std::to_string(https_port_ != 0 ? https_port_ : http_port_);
}
std::string ConsulAgent::url() const {
  return (https_port_ != 0 ? "https://" : "http://") + address();
}
std::string ConsulAgent::cluster_address() const {
  return "127.0.0.1:" + std::to_string(serf_port_);
}
std::string ConsulAgent::management_token() const { return kManagementToken; }

Outcome<HttpAnswer> ConsulAgent::request(std::string_view method, const std::string& path,
                                         const std::string& body,
                                         std::optional<std::string> token) {
  httplib::Client client("127.0.0.1", http_port_);
  client.set_connection_timeout(kRequestSeconds);
  client.set_read_timeout(kRequestSeconds);
  client.set_write_timeout(kRequestSeconds);
  httplib::Request request;
  request.method = std::string(method);
  request.path = path;
  request.body = body;
  HttpAnswer answer;
  request.content_receiver = [&answer](const char* data, std::size_t size, std::uint64_t,
                                       std::uint64_t) {
    answer.body.append(data, size);
    return answer.body.size() <= kMaxAnswerBytes;
  };
  if (!token && options_.acl) token = kManagementToken;
  if (token && !token->empty()) request.set_header("X-Consul-Token", *token);
  const httplib::Result result = client.send(request);
  if (!result) {
    return tl::unexpected(std::string(method) + " " + path + ": " +
                          httplib::to_string(result.error()));
  }
  answer.status = result->status;
  answer.headers.insert(result->headers.begin(), result->headers.end());
  return answer;
}

Outcome<void> ConsulAgent::expect_ok(std::string_view method, const std::string& path,
                                     const std::string& body) {
  const auto answer = request(method, path, body);
  if (!answer) return tl::unexpected(answer.error());
  if (answer->status == 200) return {};
  return tl::unexpected(quoted(method, path, *answer));
}

Outcome<void> ConsulAgent::register_service(const Service& service) {
  json body = {{"Name", service.name}, {"ID", id_of(service)}, {"Address", service.address},
               {"Port", service.port}, {"Tags", service.tags}, {"Meta", service.meta}};
  if (service.status) {
    body["Check"] = {
        {"CheckID", check_id(id_of(service))}, {"TTL", kCheckTtl}, {"Status", *service.status}};
  }
  return expect_ok("PUT", "/v1/agent/service/register?replace-existing-checks=true", body.dump());
}

Outcome<void> ConsulAgent::deregister_service(std::string_view id) {
  return expect_ok("PUT", "/v1/agent/service/deregister/" + std::string(id));
}

Outcome<void> ConsulAgent::set_status(std::string_view service_id, std::string_view status) {
  const json body = {{"Status", status}, {"Output", "set by a test"}};
  return expect_ok("PUT", "/v1/agent/check/update/" + check_id(service_id), body.dump());
}

Outcome<void> ConsulAgent::register_on_node(std::string_view node, std::string_view node_address,
                                            const Service& service) {
  json body = {{"Node", node},
               {"Address", node_address},
               {"Service",
                {{"Service", service.name},
                 {"ID", id_of(service)},
                 {"Address", service.address},
                 {"Port", service.port},
                 {"Tags", service.tags},
                 {"Meta", service.meta}}}};
  if (service.status) {
    body["Check"] = {{"CheckID", check_id(id_of(service))},
                     {"Name", "set by a test"},
                     {"ServiceID", id_of(service)},
                     {"Status", *service.status}};
  }
  return expect_ok("PUT", "/v1/catalog/register", body.dump());
}

Outcome<void> ConsulAgent::deregister_node(std::string_view node) {
  return expect_ok("PUT", "/v1/catalog/deregister", json{{"Node", node}}.dump());
}

Outcome<void> ConsulAgent::deregister_on_node(std::string_view node, std::string_view service_id) {
  const json body = {{"Node", node}, {"ServiceID", service_id}};
  return expect_ok("PUT", "/v1/catalog/deregister", body.dump());
}

Outcome<std::string> ConsulAgent::create_token(std::string_view rules, std::string_view secret) {
  const std::string name = "test-" + std::to_string(tokens_.size() + 1);
  const json policy = {{"Name", name}, {"Rules", rules}};
  const auto made = request("PUT", "/v1/acl/policy", policy.dump());
  if (!made) return tl::unexpected(made.error());
  if (made->status != 200) return tl::unexpected(quoted("PUT", "/v1/acl/policy", *made));
  json token = {{"Description", name}, {"Policies", {{{"Name", name}}}}};
  if (!secret.empty()) token["SecretID"] = secret;
  const auto answer = request("PUT", "/v1/acl/token", token.dump());
  if (!answer) return tl::unexpected(answer.error());
  if (answer->status != 200) return tl::unexpected(quoted("PUT", "/v1/acl/token", *answer));
  const json created = json::parse(answer->body, nullptr, false);
  const json stored = json::parse(made->body, nullptr, false);
  if (!created.is_object() || !stored.is_object()) {
    return tl::unexpected(std::string("Consul's answer about a token is no JSON object"));
  }
  std::string result = created.value("SecretID", "");
  tokens_[result] = {created.value("AccessorID", ""), stored.value("ID", ""), name};
  return result;
}

Outcome<void> ConsulAgent::revoke_token(std::string_view secret) {
  const auto token = tokens_.find(secret);
  if (token == tokens_.end()) return tl::unexpected(std::string("not a token of this agent"));
  return expect_ok("DELETE", "/v1/acl/token/" + token->second.accessor);
}

Outcome<void> ConsulAgent::replace_rules(std::string_view secret, std::string_view rules) {
  const auto token = tokens_.find(secret);
  if (token == tokens_.end()) return tl::unexpected(std::string("not a token of this agent"));
  const json policy = {{"ID", token->second.id}, {"Name", token->second.name}, {"Rules", rules}};
  return expect_ok("PUT", "/v1/acl/policy/" + token->second.id, policy.dump());
}

std::uint64_t ConsulAgent::index_of(const std::string& service) {
  const auto answer = request("GET", "/v1/health/service/" + service);
  if (!answer || answer->status != 200) return 0;
  return std::strtoull(answer->header("X-Consul-Index").c_str(), nullptr, 10);
}

}  // namespace rollcall::test
