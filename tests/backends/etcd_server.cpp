#include "tests/backends/etcd_server.h"

#include <httplib.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace rollcall::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kReadyLimit{60'000};  // 1 s alone on two cores; builds may run beside it
constexpr int kStartTries = 3;               // a port found free may be taken before etcd binds it
constexpr int kRequestSeconds = 10;
constexpr std::size_t kTransactionKeys = 100;  // etcd takes 128 operations
constexpr const char* kRoot = "root";

std::string base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j > text.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63U];
    }
  }
  return out;
}

std::string from_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z')
      value = static_cast<std::uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      value = static_cast<std::uint32_t>(c - 'a' + 26);
    else if (c >= '0' && c <= '9')
      value = static_cast<std::uint32_t>(c - '0' + 52);
    else if (c == '+')
      value = 62;
    else if (c == '/')
      value = 63;
    else
      break;
    bits = bits << 6U | value;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 255U);
    }
  }
  return out;
}

// The first key after all those that begin with `prefix`.
std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) != 0xff) {
      end.back() = static_cast<char>(end.back() + 1);
      return end;
    }
    end.pop_back();
  }
  return std::string(1, '\0');
}

// The gateway writes 64-bit numbers as text and leaves zeros out.
std::int64_t number(const json& object, const char* field) {
  const auto at = object.find(field);
  if (at == object.end()) return 0;
  if (at->is_string()) return std::strtoll(at->get_ref<const std::string&>().c_str(), nullptr, 10);
  return at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

// etcd takes an ETCD_ variable that contradicts a flag for an error.
std::vector<std::pair<std::string, std::string>> clean_environment() {
  std::vector<std::pair<std::string, std::string>> cleared{{"GOMAXPROCS", "2"}};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with("ETCD_")) cleared.emplace_back(text.substr(0, text.find('=')), "");
  }
  return cleared;
}

Outcome<void> copy_tree(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::remove_all(to, error);
  fs::copy(from, to, fs::copy_options::recursive, error);
  if (!error) return {};
  return tl::unexpected("copying " + from.string() + ": " + error.message());
}

}  // namespace

Outcome<std::unique_ptr<EtcdServer>> EtcdServer::start(Options options) {
  auto cluster = start_cluster(1, options);
  if (!cluster) return tl::unexpected(cluster.error());
  return std::move(cluster->front());
}

Outcome<std::vector<std::unique_ptr<EtcdServer>>> EtcdServer::start_cluster(
    std::size_t count, const Options& options) {
  const auto binary = find_server("ROLLCALL_ETCD", "etcd", "etcd-*/usr/bin/etcd");
  if (!binary) return tl::unexpected(binary.error());
  Outcome<void> started;
  for (int i = 0; i < kStartTries; ++i) {
    std::vector<std::unique_ptr<EtcdServer>> servers;
    std::string initial_cluster;
    started = {};
    for (std::size_t n = 0; n < count && started; ++n) {
      servers.emplace_back(new EtcdServer(options));
      servers.back()->binary_ = *binary;
      servers.back()->name_ = "m" + std::to_string(n);
      started = servers.back()->choose_ports();
      if (n > 0) initial_cluster += ",";
      initial_cluster += servers.back()->name_ + "=" + servers.back()->peer_url();
    }
    for (auto& server : servers) server->initial_cluster_ = initial_cluster;
    for (std::size_t n = 0; n < count && started; ++n) started = servers[n]->spawn();
    for (std::size_t n = 0; n < count && started; ++n) started = servers[n]->settle();
    if (started) return servers;
  }
  return tl::unexpected(started.error());
}

Outcome<void> EtcdServer::choose_ports() {
  const auto ports = free_ports(3);
  if (ports.empty()) return tl::unexpected(std::string("no free ports"));
  client_port_ = ports[0];
  plain_port_ = options_.tls ? ports[1] : ports[0];
  peer_port_ = ports[2];
  return {};
}

std::string EtcdServer::address() const { return "127.0.0.1:" + std::to_string(client_port_); }
std::string EtcdServer::url() const { return (options_.tls ? "https://" : "http://") + address(); }
std::string EtcdServer::plain_url() const {
  return "http://127.0.0.1:" + std::to_string(plain_port_);
}
std::string EtcdServer::peer_url() const {
  return "http://127.0.0.1:" + std::to_string(peer_port_);
}

std::vector<std::string> EtcdServer::arguments() const {
  const std::string listen = options_.tls ? url() + "," + plain_url() : url();
  std::vector<std::string> argv{binary_.string(),
                                "--name=" + name_,
                                "--data-dir=" + (dir_ / "data").string(),
                                "--listen-client-urls=" + listen,
                                "--advertise-client-urls=" + url(),
                                "--listen-peer-urls=" + peer_url(),
                                "--initial-advertise-peer-urls=" + peer_url(),
                                "--initial-cluster=" + initial_cluster_,
                                "--initial-cluster-token=" + options_.cluster_token,
                                "--initial-cluster-state=new",
                                "--unsafe-no-fsync",  // no test cuts the power
                                "--logger=zap",
                                "--log-level=warn"};
  if (options_.tls) {
    argv.push_back("--cert-file=" + options_.tls->cert_file);
    argv.push_back("--key-file=" + options_.tls->key_file);
    if (!options_.tls->ca_file.empty()) {
      argv.push_back("--trusted-ca-file=" + options_.tls->ca_file);
      argv.emplace_back("--client-cert-auth");
    }
  }
  argv.insert(argv.end(), options_.extra_args.begin(), options_.extra_args.end());
  return argv;
}

Outcome<void> EtcdServer::spawn() {
  Process::Options options;
  options.argv = arguments();
  options.output = dir_ / "log";
  options.environment = clean_environment();
  auto process = Process::start(options);
  if (!process) return tl::unexpected(process.error());
  process_.emplace(std::move(*process));
  token_.clear();
  return {};
}

Outcome<void> EtcdServer::settle() {
  if (auto ready = await_ready(); !ready) return ready;
  return options_.auth ? enable_auth() : Outcome<void>{};
}

Outcome<void> EtcdServer::await_ready() {
  std::string last;
  const bool ready = eventually(kReadyLimit, [&] {
    if (!process_->running()) return true;
    int status = 0;
    const auto answer = post("/v3/kv/range", json{{"key", base64("ready")}}.dump(), &status);
    last = answer ? std::to_string(status) + " " + *answer : answer.error();
    // A refusal for want of a token is an answer of a member that has a leader, too.
    return answer && (status == 200 || status == 400 || status == 401);
  });
  if (ready && process_->running()) return {};
  return tl::unexpected("etcd did not become ready: " + last + "\n" + process_->output_tail());
}

Outcome<bool> EtcdServer::is_leader() {
  const auto answer = call("/v3/maintenance/status", "{}");
  if (!answer) return tl::unexpected(answer.error());
  const json parsed = json::parse(*answer, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("header")) return tl::unexpected(*answer);
  return parsed.value("leader", "0") == parsed["header"].value("member_id", "");
}

Outcome<void> EtcdServer::restart(Restart state, std::optional<std::string> cluster_token) {
  process_->kill();
  if (cluster_token) options_.cluster_token = *cluster_token;
  if (state == Restart::kEmptyState) {
    std::error_code ignored;
    fs::remove_all(dir_ / "data", ignored);
  } else if (state == Restart::kSavedState) {
    if (auto copied = copy_tree(dir_ / "saved", dir_ / "data"); !copied) return copied;
  }
  if (auto started = spawn(); !started) return started;
  return settle();
}

Outcome<void> EtcdServer::save_state() {
  const bool running = process_->running();
  if (running && !process_->pause()) return tl::unexpected(std::string("etcd did not stop"));
  const auto copied = copy_tree(dir_ / "data", dir_ / "saved");
  if (running) process_->resume();
  return copied;
}

// --- requests ---------------------------------------------------------------------------------

Outcome<std::string> EtcdServer::post(const std::string& path, const std::string& body,
                                      int* status) {
  httplib::Client client("127.0.0.1", plain_port_);
  client.set_tcp_nodelay(true);  // head and body are two writes: 40 ms otherwise
  client.set_connection_timeout(kRequestSeconds);
  client.set_read_timeout(kRequestSeconds);
  client.set_write_timeout(kRequestSeconds);
  httplib::Headers headers;
  if (!token_.empty()) headers.emplace("Authorization", token_);
  const auto result = client.Post(path, headers, body, "application/json");
  if (!result) return tl::unexpected(path + ": " + httplib::to_string(result.error()));
  *status = result->status;
  return result->body;
}

Outcome<std::string> EtcdServer::call(const std::string& path, const std::string& body) {
  int status = 0;
  auto answer = post(path, body, &status);
  // A token ends after five minutes without use, and with every change of users and roles.
  if (answer && status != 200 && !token_.empty() && authenticate()) {
    answer = post(path, body, &status);
  }
  if (!answer || status == 200) return answer;
  return tl::unexpected(path + ": " + std::to_string(status) + " " + *answer);
}

Outcome<void> EtcdServer::expect_ok(const std::string& path, const std::string& body) {
  const auto answer = call(path, body);
  return answer ? Outcome<void>{} : tl::unexpected(answer.error());
}

Outcome<EtcdServer::Revision> EtcdServer::written(const std::string& path,
                                                  const std::string& body) {
  const auto answer = call(path, body);
  if (!answer) return tl::unexpected(answer.error());
  const json parsed = json::parse(*answer, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("header")) {
    return tl::unexpected(path + ": no header in " + *answer);
  }
  return number(parsed["header"], "revision");
}

// --- keys and leases --------------------------------------------------------------------------

Outcome<EtcdServer::Revision> EtcdServer::put(std::string_view key, std::string_view value,
                                              Lease lease) {
  json body = {{"key", base64(key)}, {"value", base64(value)}};
  if (lease != 0) body["lease"] = std::to_string(lease);
  return written("/v3/kv/put", body.dump());
}

Outcome<EtcdServer::Revision> EtcdServer::change(
    const std::vector<std::pair<std::string, std::string>>& puts,
    const std::vector<std::string>& removals) {
  json operations = json::array();
  for (const auto& [key, value] : puts) {
    operations.push_back({{"request_put", {{"key", base64(key)}, {"value", base64(value)}}}});
  }
  for (const std::string& key : removals) {
    operations.push_back({{"request_delete_range", {{"key", base64(key)}}}});
  }
  return written("/v3/kv/txn", json{{"success", std::move(operations)}}.dump());
}

Outcome<EtcdServer::Revision> EtcdServer::put_many(
    const std::vector<std::pair<std::string, std::string>>& entries) {
  Outcome<Revision> last = 0;
  for (std::size_t i = 0; i < entries.size() && last; i += kTransactionKeys) {
    const auto from = entries.begin() + static_cast<std::ptrdiff_t>(i);
    const std::size_t count = std::min(kTransactionKeys, entries.size() - i);
    last = change({from, from + static_cast<std::ptrdiff_t>(count)}, {});
  }
  return last;
}

Outcome<EtcdServer::Revision> EtcdServer::remove(std::string_view key) {
  return written("/v3/kv/deleterange", json{{"key", base64(key)}}.dump());
}

Outcome<EtcdServer::Revision> EtcdServer::remove_prefix(std::string_view prefix) {
  const json body = {{"key", base64(prefix)}, {"range_end", base64(prefix_end(prefix))}};
  return written("/v3/kv/deleterange", body.dump());
}

Outcome<std::optional<std::string>> EtcdServer::get(std::string_view key) {
  const auto answer = call("/v3/kv/range", json{{"key", base64(key)}}.dump());
  if (!answer) return tl::unexpected(answer.error());
  const json parsed = json::parse(*answer, nullptr, false);
  if (!parsed.is_object()) return tl::unexpected("no JSON object: " + *answer);
  if (!parsed.contains("kvs") || parsed["kvs"].empty()) return std::optional<std::string>{};
  return std::optional(from_base64(parsed["kvs"][0].value("value", "")));
}

Outcome<EtcdServer::Revision> EtcdServer::revision() {
  return written("/v3/kv/range", json{{"key", base64("ready")}, {"count_only", true}}.dump());
}

Outcome<void> EtcdServer::compact(Revision revision) {
  const json body = {{"revision", std::to_string(revision)}, {"physical", true}};
  return expect_ok("/v3/kv/compaction", body.dump());
}

Outcome<EtcdServer::Lease> EtcdServer::grant_lease(std::chrono::seconds ttl) {
  const auto answer = call("/v3/lease/grant", json{{"TTL", std::to_string(ttl.count())}}.dump());
  if (!answer) return tl::unexpected(answer.error());
  const json parsed = json::parse(*answer, nullptr, false);
  const Lease lease = parsed.is_object() ? number(parsed, "ID") : 0;
  if (lease == 0) return tl::unexpected("no lease in " + *answer);
  return lease;
}

Outcome<void> EtcdServer::keep_alive(Lease lease) {
  return expect_ok("/v3/lease/keepalive", json{{"ID", std::to_string(lease)}}.dump());
}

Outcome<void> EtcdServer::revoke_lease(Lease lease) {
  return expect_ok("/v3/lease/revoke", json{{"ID", std::to_string(lease)}}.dump());
}

// --- access control ---------------------------------------------------------------------------

Outcome<void> EtcdServer::enable_auth() {
  if (authenticate()) return {};  // on already
  if (auto done = add_user(kRoot, root_password()); !done) return done;
  if (auto done = expect_ok("/v3/auth/role/add", json{{"name", kRoot}}.dump()); !done) return done;
  if (auto done = grant_role(kRoot, kRoot); !done) return done;
  if (auto done = expect_ok("/v3/auth/enable", "{}"); !done) return done;
  return authenticate();
}

Outcome<void> EtcdServer::authenticate() {
  token_.clear();
  int status = 0;
  const json body = {{"name", kRoot}, {"password", root_password()}};
  const auto answer = post("/v3/auth/authenticate", body.dump(), &status);
  if (!answer) return tl::unexpected(answer.error());
  const json parsed = json::parse(*answer, nullptr, false);
  if (status != 200 || !parsed.is_object()) return tl::unexpected("root: " + *answer);
  token_ = parsed.value("token", "");
  return {};
}

Outcome<void> EtcdServer::add_user(std::string_view name, std::string_view password) {
  return expect_ok("/v3/auth/user/add", json{{"name", name}, {"password", password}}.dump());
}

Outcome<void> EtcdServer::remove_user(std::string_view name) {
  return expect_ok("/v3/auth/user/delete", json{{"name", name}}.dump());
}

Outcome<void> EtcdServer::set_password(std::string_view name, std::string_view password) {
  return expect_ok("/v3/auth/user/changepw", json{{"name", name}, {"password", password}}.dump());
}

Outcome<void> EtcdServer::add_role(std::string_view role, std::string_view prefix, Access access) {
  if (auto done = expect_ok("/v3/auth/role/add", json{{"name", role}}.dump()); !done) return done;
  const json body = {{"name", role},
                     {"perm",
                      {{"permType", access == Access::kRead ? "READ" : "READWRITE"},
                       {"key", base64(prefix)},
                       {"range_end", base64(prefix_end(prefix))}}}};
  return expect_ok("/v3/auth/role/grant", body.dump());
}

Outcome<void> EtcdServer::remove_role(std::string_view role) {
  return expect_ok("/v3/auth/role/delete", json{{"role", role}}.dump());
}

Outcome<void> EtcdServer::grant_role(std::string_view user, std::string_view role) {
  return expect_ok("/v3/auth/user/grant", json{{"user", user}, {"role", role}}.dump());
}

Outcome<void> EtcdServer::revoke_role(std::string_view user, std::string_view role) {
  return expect_ok("/v3/auth/user/revoke", json{{"name", user}, {"role", role}}.dump());
}

}  // namespace rollcall::test
