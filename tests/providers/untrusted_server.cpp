#include "tests/providers/untrusted_server.h"

#include <httplib.h>

#include <cstdlib>
#include <thread>

#include "tests/backends/environment.h"
#include "tests/providers/test_certificates.h"

namespace rollcall::test {

struct UntrustedServer::Parts {
  TempDir directory;
  std::unique_ptr<httplib::SSLServer> server;
  int port = 0;
  std::thread thread;
};

UntrustedServer::UntrustedServer() : parts_(std::make_unique<Parts>()) {
  const Certificate certificate = TestAuthority().issue("untrusted.test");
  const auto path = [&](const char* name) { return (parts_->directory / name).string(); };
  write_file(path("cert"), certificate.cert_pem);
  write_file(path("key"), certificate.key_pem);
  write_file(path("ca"), TestAuthority().ca_pem());
  parts_->server = std::make_unique<httplib::SSLServer>(path("cert").c_str(), path("key").c_str());
  if (!parts_->server->is_valid()) std::abort();
  parts_->port = parts_->server->bind_to_any_port("127.0.0.1");
  if (parts_->port <= 0) std::abort();
  parts_->thread = std::thread([this] { parts_->server->listen_after_bind(); });
}

UntrustedServer::~UntrustedServer() {
  while (!parts_->server->is_running()) std::this_thread::yield();  // else stop() does nothing
  parts_->server->stop();
  parts_->thread.join();
}

std::string UntrustedServer::url() const {
  return "https://127.0.0.1:" + std::to_string(parts_->port);
}

std::string UntrustedServer::ca_file() const { return (parts_->directory / "ca").string(); }

}  // namespace rollcall::test
