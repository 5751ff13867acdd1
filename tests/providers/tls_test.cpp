// HttpClient over TLS: whom it trusts, what it presents, and which failure has which code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "providers/common/http_client.h"
#include "tests/backends/environment.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"
#include "tests/providers/test_certificates.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

class TlsTest : public ::testing::Test {
 protected:
  ~TlsTest() override {
    if (!server_) return;
    server_->stop();
    thread_.join();
  }
  // With `client_ca` the server asks for a client's certificate and refuses without.
  void serve(const Certificate& certificate, bool client_ca) {
    write_file(directory_ / "cert", certificate.cert_pem);
    write_file(directory_ / "key", certificate.key_pem);
    write_file(directory_ / "ca", authority_.ca_pem());
    server_ = std::make_unique<httplib::SSLServer>(
        (directory_ / "cert").c_str(), (directory_ / "key").c_str(),
        client_ca ? (directory_ / "ca").c_str() : nullptr);
    ASSERT_TRUE(server_->is_valid());
    server_->Get("/x", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("hello", "text/plain");
    });
    port_ = server_->bind_to_any_port("127.0.0.1");
    ASSERT_GT(port_, 0);
    thread_ = std::thread([this] { server_->listen_after_bind(); });
  }
  Result<HttpAnswer> get(const Secrets& secrets, const std::string& name = "",
                         Duration patience = kPatience) {
    HttpClient client(*parse_endpoint("https://127.0.0.1:" + std::to_string(port_), 1), name, io_);
    HttpRequest request;
    request.target = "/x";
    request.answer_by = request.finish_by = clock_.now() + patience;
    return client.get(request, &secrets);
  }
  static std::string code_of(const Result<HttpAnswer>& answer) {
    return answer ? "fine" : std::string(to_string(answer.error().code));
  }

  RealClock clock_;
  Cancel cancel_;
  Io io_{clock_, cancel_};
  TempDir directory_;
  TestAuthority authority_;
  std::unique_ptr<httplib::SSLServer> server_;
  std::thread thread_;
  int port_ = 0;
};

TEST_F(TlsTest, TheServersCertificateIsVerified) {
  serve(authority_.issue("server.dc1.consul"), false);
  Secrets trusted;
  trusted.ca_pem = authority_.ca_pem();
  const auto answer = get(trusted);
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->response.body, "hello");
  EXPECT_EQ(code_of(get(trusted, "server.dc1.consul")), "fine");
  const auto other_name = get(trusted, "server.dc2.consul");
  EXPECT_EQ(code_of(other_name), "AUTH_FAILED");
  EXPECT_THAT(other_name.error().message, HasSubstr("not trusted"));
  Secrets stranger;
  stranger.ca_pem = TestAuthority().ca_pem();
  EXPECT_EQ(code_of(get(stranger)), "AUTH_FAILED");
  EXPECT_EQ(code_of(get({})), "AUTH_FAILED");  // the system's bundle does not know it either
}

TEST_F(TlsTest, AClientsCertificateIsPresented) {
  serve(authority_.issue("server"), true);
  Secrets secrets;
  secrets.ca_pem = authority_.ca_pem();
  EXPECT_EQ(code_of(get(secrets)), "AUTH_FAILED");
  const Certificate own = authority_.issue("client");
  secrets.cert_pem = own.cert_pem;
  secrets.key_pem = own.key_pem;
  EXPECT_EQ(code_of(get(secrets)), "fine");
  const Certificate foreign = TestAuthority().issue("client");
  secrets.cert_pem = foreign.cert_pem;
  secrets.key_pem = foreign.key_pem;
  EXPECT_EQ(code_of(get(secrets)), "AUTH_FAILED");
}

TEST_F(TlsTest, UnusablePemIsAConfigurationError) {
  serve(authority_.issue("server"), false);
  const Certificate one = authority_.issue("one");
  const Certificate two = authority_.issue("two");
  const Secrets cases[] = {
      {"", "not a certificate", "", ""},
      {"", one.key_pem, "", ""},
      {"", authority_.ca_pem(), "not a certificate", one.key_pem},
      {"", authority_.ca_pem(), one.cert_pem, "not a key"},
      {"", authority_.ca_pem(), one.cert_pem, two.key_pem},
  };
  for (const Secrets& secrets : cases) {
    const auto answer = get(secrets);
    EXPECT_EQ(code_of(answer), "INVALID_CONFIG");
    EXPECT_THAT(answer.error().message, ::testing::Not(HasSubstr("PRIVATE KEY")));
  }
}

TEST_F(TlsTest, AServerWithoutTlsOrWithoutAWordIsAnError) {
  ScriptedServer plain([](ScriptedServer::Connection&, const std::string&) { return false; });
  port_ = plain.port();
  // It takes the handshake for a request whose end never comes: silence, until the deadline.
  EXPECT_EQ(code_of(get({}, "", std::chrono::milliseconds(100))), "TIMEOUT");
}

}  // namespace
}  // namespace rollcall::test
