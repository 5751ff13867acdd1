#include "providers/common/endpoint.h"

#include <gtest/gtest.h>

namespace rollcall::test {
namespace {

TEST(Endpoint, ReadsWhatOperatorsWrite) {
  const struct {
    const char* text;
    Endpoint::Scheme scheme;
    const char* host;
    int port;
    const char* authority;
  } cases[] = {
      {"http://10.0.0.1:8501", Endpoint::Scheme::Http, "10.0.0.1", 8501, "10.0.0.1:8501"},
      {"consul.example", Endpoint::Scheme::Http, "consul.example", 8500, "consul.example:8500"},
      {"https://c.example/", Endpoint::Scheme::Https, "c.example", 8500, "c.example:8500"},
      {"http://[::1]:9", Endpoint::Scheme::Http, "::1", 9, "[::1]:9"},
      {"[fe80::1%eth0]:9", Endpoint::Scheme::Http, "fe80::1%eth0", 9, "[fe80::1]:9"},
      {"unix:///run/c.sock", Endpoint::Scheme::Unix, "/run/c.sock", 0, "localhost"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const auto endpoint = parse_endpoint(c.text, 8500);
    ASSERT_TRUE(endpoint.has_value());
    EXPECT_EQ(endpoint->scheme, c.scheme);
    EXPECT_EQ(endpoint->host, c.host);
    EXPECT_EQ(endpoint->port, c.port);
    EXPECT_EQ(endpoint->authority(), c.authority);
  }
}

TEST(Endpoint, RefusesWhatItCannotMean) {
  for (const char* text :
       {"", "http://", "http://a:0", "http://a:65536", "http://a:1x", "http://user:pw@a:1",
        "http://a/v1", "http://a?b", "ftp://a", "http://[::1", "http://[]:1", "http://[x]:1",
        "unix://relative", "http://a b", "http://a:1\r\nX: y", "a:1:2"}) {
    EXPECT_FALSE(parse_endpoint(text, 8500).has_value()) << text;
  }
}

}  // namespace
}  // namespace rollcall::test
