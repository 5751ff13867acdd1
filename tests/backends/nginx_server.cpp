#include "tests/backends/nginx_server.h"

#include <httplib.h>

#include <filesystem>

namespace rollcall::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kReadyLimit{60'000};
constexpr int kStartTries = 3;  // a port found free may be taken before nginx binds it

}  // namespace

Outcome<std::unique_ptr<NginxServer>> NginxServer::start(Options options) {
  const auto binary = find_server("ROLLCALL_NGINX", "nginx", "nginx-*/usr/sbin/nginx");
  if (!binary) return tl::unexpected(binary.error());
  std::unique_ptr<NginxServer> server(new NginxServer(std::move(options)));
  server->binary_ = binary->string();
  std::filesystem::create_directory(server->dir_ / "www");
  Outcome<void> started;
  for (int i = 0; i < kStartTries; ++i) {
    const auto ports = free_ports(2);
    if (ports.empty()) return tl::unexpected(std::string("no free ports"));
    server->port_ = ports[0];
    server->state_port_ = ports[1];
    server->write_config();
    started = server->spawn();
    if (started) return server;
  }
  return tl::unexpected(started.error());
}

std::string NginxServer::url(std::string_view path) const {
  const std::string scheme = options_.cert_pem.empty() ? "http" : "https";
  return scheme + "://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

std::string NginxServer::config() const {
  const std::string dir = dir_.path().string();
  const bool tls = !options_.cert_pem.empty();
  std::string text = "daemon off;\nmaster_process off;\npid " + dir + "/pid;\n";
  text += "error_log stderr warn;\nevents { worker_connections 64; }\nhttp {\n";
  text += "types { application/json json; }\ndefault_type text/plain;\naccess_log off;\n";
  for (const char* part : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    text += std::string(part) + "_temp_path " + dir + "/tmp;\n";
  }
  text += "server {\nlisten 127.0.0.1:" + std::to_string(state_port_) + ";\nlocation / { return " +
          "200 \"" + std::to_string(generation_) + "\"; }\n}\n";
  text += "server {\nlisten 127.0.0.1:" + std::to_string(port_) + (tls ? " ssl;\n" : ";\n");
  if (tls) {
    text += "ssl_certificate " + dir + "/cert.pem;\nssl_certificate_key " + dir + "/key.pem;\n";
  }
  if (!options_.client_ca_pem.empty()) {
    text += "ssl_client_certificate " + dir + "/client_ca.pem;\nssl_verify_client on;\n";
  }
  text += "root " + dir + "/www;\n";
  if (!options_.token.empty()) {
    text += "if ($http_authorization != \"Bearer " + options_.token + "\") { return 401; }\n";
  }
  text += "location /moved { return 302 /targets.json; }\nlocation /busy { return 503; }\n}\n}\n";
  return text;
}

void NginxServer::write_config() {
  ++generation_;
  write_file(dir_ / "cert.pem", options_.cert_pem);
  write_file(dir_ / "key.pem", options_.key_pem);
  write_file(dir_ / "client_ca.pem", options_.client_ca_pem);
  write_file(dir_ / "nginx.conf", config());
}

bool NginxServer::answers_as_configured() const {
  httplib::Client client("127.0.0.1", state_port_);
  client.set_connection_timeout(5);
  client.set_read_timeout(5);
  const auto result = client.Get("/");
  return result && result->body == std::to_string(generation_);
}

Outcome<void> NginxServer::spawn() {
  Process::Options options;
  options.argv = {binary_,  "-p", dir_.path().string(),          "-e",
                  "stderr", "-c", (dir_ / "nginx.conf").string()};
  options.output = dir_ / "log";
  auto process = Process::start(options);
  if (!process) return tl::unexpected(process.error());
  process_.emplace(std::move(*process));
  const bool ready =
      eventually(kReadyLimit, [this] { return !process_->running() || answers_as_configured(); });
  if (ready && process_->running()) return {};
  return tl::unexpected("nginx did not become ready:\n" + process_->output_tail());
}

void NginxServer::serve(std::string_view content, const std::string& name) {
  const auto beside = dir_ / "next";
  write_file(beside, content);
  std::filesystem::rename(beside, dir_.path() / "www" / name);
}

void NginxServer::serve_zeros(std::uintmax_t bytes, const std::string& name) {
  const auto beside = dir_ / "next";
  write_file(beside, "");
  std::filesystem::resize_file(beside, bytes);
  std::filesystem::rename(beside, dir_.path() / "www" / name);
}

void NginxServer::remove(const std::string& name) {
  std::filesystem::remove(dir_.path() / "www" / name);
}

Outcome<void> NginxServer::reconfigure(Options options) {
  process_->kill();
  options_ = std::move(options);
  write_config();
  return spawn();
}

Outcome<void> NginxServer::restart() {
  process_->kill();
  return spawn();
}

}  // namespace rollcall::test
