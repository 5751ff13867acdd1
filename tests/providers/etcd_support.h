// What the tests of the etcd provider share: a server, a provider of it, and what its stream says.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/provider.h"
#include "tests/backends/assert_done.h"
#include "tests/backends/etcd_server.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {

// A seed with which a provider's first stream begins at its first endpoint (of up to 30).
inline constexpr std::uint64_t kFirstEndpointFirst = 10;

// {"id":"<id>","host":"10.0.0.1","port":7000<more>}
std::string member_json(const std::string& id, const std::string& more = "");

class EtcdFixture : public ::testing::Test {
 protected:
  using Params = std::map<std::string, std::string>;

  void start(EtcdServer::Options options = {});
  // A member at /members/<id>.
  void add(const std::string& id, const std::string& more = "", EtcdServer::Lease lease = 0);
  void drop(const std::string& id);
  static std::string key(const std::string& name) { return "/members/" + name; }

  ProviderDescriptor descriptor(Params params = {}) const;
  std::unique_ptr<ClusterProvider> create(const ProviderDescriptor& d);
  std::unique_ptr<ClusterProvider> create(Params params = {}) { return create(descriptor(params)); }
  // A file with "user:password"; the same one each time.
  std::string token_file(const std::string& text);
  MonoTime in(Duration d) const { return clock_.now() + d; }

  // The next event but attestations; the next failure; the next that is no failure.
  static std::string news(StreamReader& stream);
  static FailedAnswer failure(StreamReader& stream);
  static std::string first_that_is_no_failure(StreamReader& stream);
  static void until(StreamReader& stream, const std::string& text);

  RealClock clock_;
  TempDir directory_;
  std::unique_ptr<EtcdServer> server_;
};

}  // namespace rollcall::test
