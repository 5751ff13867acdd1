// SPEC 8: no secret in what is shown, wherever a server puts what it was sent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "providers/http/http_provider.h"
#include "tests/backends/environment.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(HttpSdEcho, ATokenInAnETagIsNotShown) {
  const std::string token = "5ecret00-1111-2222-3333";
  const std::string etag = "\"v1-" + token + "\"";
  ScriptedServer server([&](ScriptedServer::Connection& c, const std::string& head) {
    // The ETag itself is sent back as it was.
    if (head.find("If-None-Match: " + etag) != std::string::npos) {
      return c.send("HTTP/1.1 304 Not Modified\r\n\r\n");
    }
    const bool first = head.find("If-None-Match") == std::string::npos;
    return c.send(first ? http_ok(R"([{"targets":["a:1"]}])", "ETag: " + etag + "\r\n")
                        : http_status("500 Internal Server Error"));
  });
  RealClock clock;
  TempDir directory;
  ProviderDescriptor d;
  d.id = ProviderId("sd");
  d.kind = "http";
  d.endpoints = {server.url()};
  d.auth.token_file = (directory / "token").string();
  write_file(d.auth.token_file, token);
  d.watch_params = {{"refresh_ms", "50"}};
  const auto provider = make_http_factory(7)->create(d, {&clock, nullptr, ""});
  ASSERT_TRUE(provider.has_value());
  const auto once = (*provider)->initial_snapshot(clock.now() + Duration(std::chrono::seconds(5)));
  ASSERT_TRUE(once.has_value()) << once.error().message;
  EXPECT_THAT(once->backend_index, Not(HasSubstr("5ecret00")));
  const auto stream = (*provider)->stream();
  const ProviderEvent event = stream->next();
  const auto* snapshot = std::get_if<ProviderSnapshot>(&event);
  ASSERT_NE(snapshot, nullptr) << to_text(event);
  EXPECT_EQ(snapshot->backend_index, "\"v1-[token]\"");
  EXPECT_EQ(to_text(stream->next()), "unchanged");
}

}  // namespace
}  // namespace rollcall::test
