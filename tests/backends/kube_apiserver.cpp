#include "tests/backends/kube_apiserver.h"

#include <signal.h>

#include <httplib.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "tests/providers/test_certificates.h"

namespace rollcall::test {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kReadyLimit{120'000};  // 6 s alone on two cores; builds may run beside it
constexpr int kStartTries = 3;  // a port found free may be taken before the server binds it
constexpr int kRequestSeconds = 10;
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 20U;
constexpr const char* kAdministrator = "administrators-own-test-token";
constexpr const char* kRbac = "/apis/rbac.authorization.k8s.io/v1";

std::string accounts(const std::string& name_space) {
  return "/api/v1/namespaces/" + name_space + "/serviceaccounts";
}

std::string slices(const std::string& name_space) {
  return "/apis/discovery.k8s.io/v1/namespaces/" + name_space + "/endpointslices";
}

json to_json(const KubeApiserver::Endpoint& endpoint, const std::string& name_space) {
  json out = {{"addresses", {endpoint.address}}, {"conditions", json::object()}};
  const auto condition = [&](const char* name, const std::optional<bool>& value) {
    if (value) out["conditions"][name] = *value;
  };
  condition("ready", endpoint.ready);
  condition("serving", endpoint.serving);
  condition("terminating", endpoint.terminating);
  if (!endpoint.zone.empty()) out["zone"] = endpoint.zone;
  if (!endpoint.node.empty()) out["nodeName"] = endpoint.node;
  if (!endpoint.hostname.empty()) out["hostname"] = endpoint.hostname;
  if (!endpoint.pod.empty()) {
    out["targetRef"] = {{"kind", "Pod"}, {"namespace", name_space}, {"name", endpoint.pod}};
  }
  return out;
}

json to_json(const KubeApiserver::Slice& slice, const std::string& name_space) {
  json out = {{"apiVersion", "discovery.k8s.io/v1"},
              {"kind", "EndpointSlice"},
              {"metadata", {{"name", slice.name}, {"labels", slice.labels}}},
              {"addressType", slice.address_type},
              {"endpoints", json::array()},
              {"ports", json::array()}};
  out["metadata"]["labels"]["kubernetes.io/service-name"] = slice.service;
  for (const auto& endpoint : slice.endpoints) {
    out["endpoints"].push_back(to_json(endpoint, name_space));
  }
  for (const auto& port : slice.ports) {
    json one = {{"name", port.name}};
    if (port.number) one["port"] = *port.number;
    out["ports"].push_back(one);
  }
  return out;
}

json binding(const std::string& kind, const std::string& name, const std::string& role_kind,
             const std::string& name_space, const std::string& account) {
  return {
      {"apiVersion", "rbac.authorization.k8s.io/v1"},
      {"kind", kind},
      {"metadata", {{"name", name}}},
      {"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", role_kind}, {"name", name}}},
      {"subjects", {{{"kind", "ServiceAccount"}, {"namespace", name_space}, {"name", account}}}}};
}

}  // namespace

Outcome<std::unique_ptr<KubeApiserver>> KubeApiserver::start() {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to a server that was killed without MSG_NOSIGNAL
  const auto binary =
      find_server("ROLLCALL_KUBE_APISERVER", "kube-apiserver", "kube-apiserver-*/kube-apiserver");
  if (!binary) return tl::unexpected(binary.error());
  std::unique_ptr<KubeApiserver> server(new KubeApiserver);
  server->binary_ = *binary;
  auto etcd = EtcdServer::start();
  if (!etcd) return tl::unexpected(etcd.error());
  server->etcd_ = std::move(*etcd);
  server->issue_certificate();
  const Certificate accounts_key = TestAuthority().issue("service-accounts");
  write_file(server->dir_ / "accounts.key", accounts_key.key_pem);
  write_file(server->dir_ / "accounts.crt", accounts_key.cert_pem);
  write_file(server->dir_ / "tokens.csv",
             std::string(kAdministrator) + ",administrator,administrator,system:masters\n");
  Outcome<void> started;
  for (int i = 0; i < kStartTries; ++i) {
    const auto ports = free_ports(1);
    if (ports.empty()) return tl::unexpected(std::string("no free port"));
    server->port_ = ports.front();
    started = server->spawn();
    if (started) return server;
  }
  return tl::unexpected(started.error());
}

void KubeApiserver::issue_certificate() {
  const TestAuthority authority;
  const Certificate certificate = authority.issue("kubernetes.default.svc");
  write_file(dir_ / "ca.crt", authority.ca_pem());
  write_file(dir_ / "server.crt", certificate.cert_pem);
  write_file(dir_ / "server.key", certificate.key_pem);
}

std::string KubeApiserver::url() const { return "https://127.0.0.1:" + std::to_string(port_); }
std::string KubeApiserver::ca_file() const { return (dir_ / "ca.crt").string(); }

Outcome<void> KubeApiserver::spawn() {
  const auto file = [this](const char* name) { return (dir_ / name).string(); };
  Process::Options options;
  options.argv = {binary_.string(),
                  "--etcd-servers=" + etcd_->plain_url(),
                  "--bind-address=127.0.0.1",
                  "--advertise-address=127.0.0.1",
                  "--endpoint-reconciler-type=none",
                  "--secure-port=" + std::to_string(port_),
                  "--tls-cert-file=" + file("server.crt"),
                  "--tls-private-key-file=" + file("server.key"),
                  "--token-auth-file=" + file("tokens.csv"),
                  "--service-account-issuer=https://kubernetes.default.svc",
                  "--service-account-signing-key-file=" + file("accounts.key"),
                  "--service-account-key-file=" + file("accounts.crt"),
                  "--service-cluster-ip-range=10.96.0.0/24",
                  "--authorization-mode=RBAC",
                  "--enable-priority-and-fairness=false",
                  "--profiling=false",
                  "--shutdown-delay-duration=0s"};
  options.output = dir_ / "log";
  options.environment = {{"GOMAXPROCS", "2"}};
  options.directory = dir_.path();
  auto process = Process::start(options);
  if (!process) return tl::unexpected(process.error());
  process_.emplace(std::move(*process));
  return await_ready();
}

Outcome<void> KubeApiserver::await_ready() {
  // The roles of RBAC are there once its start-up hook is done, which /readyz waits for.
  const bool ready = eventually(kReadyLimit, [this] {
    if (!process_->running()) return true;
    const auto answer = request("GET", "/readyz");
    return answer && answer->status == 200 &&
           request("GET", "/api/v1/namespaces/kube-system").value_or(KubeAnswer{}).status == 200;
  });
  if (ready && process_->running()) return {};
  return tl::unexpected("kube-apiserver did not become ready:\n" + process_->output_tail());
}

Outcome<void> KubeApiserver::restart() {
  process_->kill();
  return spawn();
}

Outcome<void> KubeApiserver::restart(EtcdServer::Restart state) {
  process_->kill();
  if (auto etcd = etcd_->restart(state); !etcd) return etcd;
  return spawn();
}

Outcome<void> KubeApiserver::restart_with_new_authority() {
  issue_certificate();
  return restart();
}

Outcome<KubeAnswer> KubeApiserver::request(const std::string& method, const std::string& path,
                                           const std::string& body,
                                           std::optional<std::string> token,
                                           const std::string& content_type) {
  httplib::SSLClient client("127.0.0.1", port_);
  client.set_ca_cert_path(ca_file().c_str());
  client.enable_server_certificate_verification(true);
  client.set_tcp_nodelay(true);  // head and body are two writes: 40 ms otherwise
  client.set_connection_timeout(kRequestSeconds);
  client.set_read_timeout(kRequestSeconds);
  client.set_write_timeout(kRequestSeconds);
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.body = body;
  request.set_header("Content-Type", content_type);
  request.set_header("Authorization", "Bearer " + token.value_or(kAdministrator));
  KubeAnswer answer;
  request.content_receiver = [&answer](const char* data, std::size_t size, std::uint64_t,
                                       std::uint64_t) {
    answer.body.append(data, size);
    return answer.body.size() <= kMaxAnswerBytes;
  };
  const httplib::Result result = client.send(request);
  if (!result) {
    return tl::unexpected(method + " " + path + ": " + httplib::to_string(result.error()));
  }
  answer.status = result->status;
  return answer;
}

Outcome<KubeAnswer> KubeApiserver::expect(const std::string& method, const std::string& path,
                                          const std::string& body, std::vector<int> statuses) {
  auto answer = request(method, path, body);
  if (!answer) return answer;
  if (std::find(statuses.begin(), statuses.end(), answer->status) != statuses.end()) return answer;
  return tl::unexpected(method + " " + path + ": " + std::to_string(answer->status) + " " +
                        answer->body);
}

namespace {

template <class T>
Outcome<void> done(const Outcome<T>& outcome) {
  if (!outcome) return tl::unexpected(outcome.error());
  return {};
}

}  // namespace

Outcome<void> KubeApiserver::create(const std::string& manifest) {
  // The value of a key that stands at the beginning of a line, after so many blanks.
  const auto value = [](const std::string& text, const std::string& key) {
    const auto at = ("\n" + text).find("\n" + key + ": ");
    if (at == std::string::npos) return std::string();
    const auto begin = at + key.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  for (std::size_t begin = 0; begin < manifest.size();) {
    const std::size_t end = std::min(manifest.find("\n---\n", begin), manifest.size());
    const std::string document = manifest.substr(begin, end - begin) + "\n";
    begin = end + 5;
    const std::string version = value(document, "apiVersion");
    std::string path = (version == "v1" ? "/api/" : "/apis/") + version;
    const std::string name_space = value(document, "  namespace");
    if (!name_space.empty()) path += "/namespaces/" + name_space;
    std::string plural = value(document, "kind") + "s";
    std::transform(plural.begin(), plural.end(), plural.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    path += "/" + plural;
    const auto answer = request("POST", path, document, std::nullopt, "application/yaml");
    if (!answer) return done(answer);
    if (answer->status != 201) return tl::unexpected("POST " + path + ": " + answer->body);
  }
  return {};
}

Outcome<void> KubeApiserver::create_namespace(const std::string& name_space) {
  const json body = {{"metadata", {{"name", name_space}}}};
  return done(expect("POST", "/api/v1/namespaces", body.dump(), {201, 409}));
}

Outcome<void> KubeApiserver::put_slice(const std::string& name_space, const Slice& slice) {
  const std::string body = to_json(slice, name_space).dump();
  const auto replaced = expect("PUT", slices(name_space) + "/" + slice.name, body, {200, 404});
  if (!replaced || replaced->status == 200) return done(replaced);
  return done(expect("POST", slices(name_space), body, {201}));
}

Outcome<void> KubeApiserver::delete_slice(const std::string& name_space, const std::string& name) {
  return done(expect("DELETE", slices(name_space) + "/" + name, "", {200}));
}

Outcome<void> KubeApiserver::create_account(const std::string& name_space,
                                            const std::string& account) {
  const json body = {{"metadata", {{"name", account}}}};
  return done(expect("POST", accounts(name_space), body.dump(), {201}));
}

Outcome<void> KubeApiserver::delete_account(const std::string& name_space,
                                            const std::string& account) {
  return done(expect("DELETE", accounts(name_space) + "/" + account, "", {200}));
}

Outcome<void> KubeApiserver::allow(const std::string& name_space, const std::string& account,
                                   const std::vector<std::string>& verbs) {
  const std::string base = std::string(kRbac) + "/namespaces/" + name_space;
  for (const char* kind : {"/rolebindings/", "/roles/"}) {
    if (auto gone = expect("DELETE", base + kind + account, "", {200, 404}); !gone) {
      return done(gone);
    }
  }
  if (verbs.empty()) return {};
  const json role = {{"metadata", {{"name", account}}},
                     {"rules",
                      {{{"apiGroups", {"discovery.k8s.io"}},
                        {"resources", {"endpointslices"}},
                        {"verbs", verbs}}}}};
  if (auto made = expect("POST", base + "/roles", role.dump(), {201}); !made) return done(made);
  const json bound = binding("RoleBinding", account, "Role", name_space, account);
  return done(expect("POST", base + "/rolebindings", bound.dump(), {201}));
}

Outcome<void> KubeApiserver::allow_identity(const std::string& name_space,
                                            const std::string& account) {
  const std::string name = name_space + "-" + account + "-identity";
  const json role = {{"metadata", {{"name", name}}},
                     {"rules",
                      {{{"apiGroups", {""}},
                        {"resources", {"namespaces"}},
                        {"resourceNames", {"kube-system"}},
                        {"verbs", {"get"}}}}}};
  const std::string base(kRbac);
  if (auto made = expect("POST", base + "/clusterroles", role.dump(), {201, 409}); !made) {
    return done(made);
  }
  const json bound = binding("ClusterRoleBinding", name, "ClusterRole", name_space, account);
  return done(expect("POST", base + "/clusterrolebindings", bound.dump(), {201, 409}));
}

Outcome<std::string> KubeApiserver::token(const std::string& name_space,
                                          const std::string& account) {
  const json body = {{"spec", {{"expirationSeconds", 600}}}};
  const auto answer =
      expect("POST", accounts(name_space) + "/" + account + "/token", body.dump(), {201});
  if (!answer) return tl::unexpected(answer.error());
  const json made = json::parse(answer->body, nullptr, false);
  if (!made.is_object() || !made.contains("status")) {
    return tl::unexpected(std::string("the answer about a token is no JSON object"));
  }
  return made["status"].value("token", "");
}

}  // namespace rollcall::test
