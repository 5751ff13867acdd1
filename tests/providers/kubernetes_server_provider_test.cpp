// The Kubernetes provider against a real API server on a real etcd: endpoints that come, drain,
// move and go, silence, refusal, lost and restored state, compaction, tokens and permissions that
// are taken away and given back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/kubernetes/kubernetes_provider.h"
#include "tests/backends/assert_done.h"
#include "tests/backends/kube_apiserver.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

using Params = std::map<std::string, std::string>;
using Slice = KubeApiserver::Slice;
using Endpoint = KubeApiserver::Endpoint;

// One server for all tests of the process, a namespace each; those that break it take their own.
KubeApiserver* shared_server() {
  static std::unique_ptr<KubeApiserver> server;
  if (!server) {
    auto started = KubeApiserver::start();
    if (!started) {
      ADD_FAILURE() << started.error();
      return nullptr;
    }
    server = std::move(*started);
  }
  return server.get();
}

Slice slice_of(const std::string& name, const std::vector<std::string>& pods) {
  Slice slice;
  slice.name = name;
  slice.service = "web";
  for (const std::string& pod : pods) slice.endpoints.push_back({.pod = pod});
  return slice;
}

class KubernetesServerProvider : public ::testing::Test {
 protected:
  void SetUp() override { use(shared_server()); }

  // A namespace of this test's own, with an account that may list and watch.
  void use(KubeApiserver* server) {
    ASSERT_NE(server, nullptr);
    static int count = 0;
    server_ = server;
    namespace_ = "test-" + std::to_string(++count);
    ASSERT_DONE(server_->create_namespace(namespace_));
    ASSERT_DONE(server_->create_account(namespace_, "sidecar"));
    ASSERT_DONE(server_->allow(namespace_, "sidecar", {"list", "watch"}));
    renew_token();
    await_status(200);
  }
  void use_own_server() {
    auto started = KubeApiserver::start();
    ASSERT_TRUE(started) << started.error();
    own_ = std::move(*started);
    use(own_.get());
  }
  void renew_token() {
    const auto token = server_->token(namespace_, "sidecar");
    ASSERT_TRUE(token) << token.error();
    token_ = *token;
    write_and_rename((directory_ / "token").string(), token_ + "\n");
  }
  // The authorizer hears of roles, and the authenticator forgets tokens, a little later.
  void await_status(int status) {
    ASSERT_TRUE(eventually(kPatience, [&] {
      const auto answer = server_->request(
          "GET", "/apis/discovery.k8s.io/v1/namespaces/" + namespace_ + "/endpointslices", "",
          token_);
      return answer && answer->status == status;
    }));
  }
  void put(const Slice& slice) { ASSERT_DONE(server_->put_slice(namespace_, slice)); }

  ProviderDescriptor descriptor(Params params = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("k");
    d.kind = "kubernetes";
    d.endpoints = {server_->url()};
    d.auth.token_file = (directory_ / "token").string();
    d.auth.ca_file = server_->ca_file();
    d.watch_params = std::move(params);
    d.watch_params.try_emplace("service", "web");
    d.watch_params.try_emplace("namespace", namespace_);
    d.watch_params.try_emplace("attest_ms", "100");
    return d;
  }
  std::unique_ptr<ClusterProvider> create(Params params = {}) {
    auto provider =
        make_kubernetes_factory()->create(descriptor(std::move(params)), {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  static FailedAnswer failure(StreamReader& stream) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); });
    const auto* failed = std::get_if<FailedAnswer>(&event);
    return failed == nullptr ? FailedAnswer{ErrorCode::NotFound, to_text(event)} : *failed;
  }
  static std::string first_that_is_no_failure(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); }));
  }
  // The next thing that is neither a failure nor "unchanged".
  static std::string news(StreamReader& stream) {
    return to_text(stream.until([](const ProviderEvent& e) {
      return std::holds_alternative<ProviderSnapshot>(e) || std::holds_alternative<ChangeAnswer>(e);
    }));
  }
  static void until(StreamReader& stream, const std::string& wanted) {
    stream.until([&](const ProviderEvent& e) { return to_text(e) == wanted; });
  }
  static NodeStatus status_in(const ProviderEvent& event) {
    const auto* change = std::get_if<ChangeAnswer>(&event);
    return change == nullptr || change->upserts.empty() ? NodeStatus{} : change->upserts[0].status;
  }

  RealClock clock_;
  TempDir directory_;
  std::unique_ptr<KubeApiserver> own_;
  KubeApiserver* server_ = nullptr;
  std::string namespace_;
  std::string token_;
};

TEST_F(KubernetesServerProvider, R2_1_EndpointsJoinDrainFailAndLeave) {
  Slice slice = slice_of("web-1", {});
  slice.endpoints = {{.pod = "a", .address = "10.1.1.1", .zone = "z1"}};
  put(slice);
  StreamReader stream(create()->stream());
  const ProviderEvent first = stream.next();
  ASSERT_EQ(to_text(first), "snapshot[a]");
  const ClusterNode& node = std::get<ProviderSnapshot>(first).members[0];
  EXPECT_EQ(node.host, "10.1.1.1");
  EXPECT_EQ(node.port, 7000);
  EXPECT_EQ(node.zone, "z1");
  EXPECT_EQ(node.status, NodeStatus::Ready);
  slice.endpoints.push_back({.pod = "b"});
  put(slice);
  EXPECT_EQ(news(stream), "change[+b]");
  const auto status_of_b = [&](bool ready, bool serving, bool terminating) {
    slice.endpoints[1].ready = ready;
    slice.endpoints[1].serving = serving;
    slice.endpoints[1].terminating = terminating;
    put(slice);
    return status_in(stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<ChangeAnswer>(e); }));
  };
  EXPECT_EQ(status_of_b(false, false, false), NodeStatus::NotReady);
  EXPECT_EQ(status_of_b(true, true, false), NodeStatus::Ready);
  EXPECT_EQ(status_of_b(false, true, true), NodeStatus::Draining);
  slice.endpoints.pop_back();
  put(slice);
  EXPECT_EQ(news(stream), "change[-b]");
  ASSERT_DONE(server_->delete_slice(namespace_, "web-1"));
  EXPECT_EQ(news(stream), "change[-a]");  // R2.4: confirmed empty, and nothing else is
  until(stream, "unchanged");
}

TEST_F(KubernetesServerProvider, SeveralSlicesAreOneServiceAndOthersAreNone) {
  put(slice_of("web-1", {"a", "b"}));
  put(slice_of("web-2", {"c"}));
  put(slice_of("web-3", {"d"}));
  Slice other = slice_of("other-1", {"x"});
  other.service = "other";
  put(other);
  StreamReader stream(create({{"page_size", "2"}})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b c d]");
  put(slice_of("web-2", {"c", "b"}));  // moves: in both, then in one
  put(slice_of("web-1", {"a"}));
  put(slice_of("web-3", {"d", "e"}));
  EXPECT_EQ(news(stream), "change[+e]");
  other.endpoints.push_back({.pod = "y"});
  put(other);
  ASSERT_DONE(server_->delete_slice(namespace_, "web-2"));
  EXPECT_EQ(news(stream), "change[-b -c]");
}

TEST_F(KubernetesServerProvider, OfFiveThousandEndpointsNoChangeIsLost) {
  constexpr int kSlices = 50;
  constexpr int kPerSlice = 100;
  constexpr int kChanges = 200;
  const auto name = [](int slice) { return "web-" + std::to_string(slice); };
  std::vector<Slice> slices;
  for (int i = 0; i < kSlices; ++i) {
    std::vector<std::string> pods;
    for (int n = 0; n < kPerSlice; ++n) pods.push_back(name(i) + "-" + std::to_string(n));
    slices.push_back(slice_of(name(i), pods));
    put(slices.back());
  }
  std::map<std::string, std::string> members;  // id to zone
  const auto apply = [&](const ProviderEvent& e) {
    // A reader that is as slow as this test may have to list anew: nothing is lost by that either.
    if (const auto* all = std::get_if<ProviderSnapshot>(&e)) {
      members.clear();
      for (const ClusterNode& node : all->members) members[node.id.str()] = node.zone;
    } else if (const auto* change = std::get_if<ChangeAnswer>(&e)) {
      EXPECT_TRUE(change->removals.empty()) << to_text(e);
      for (const ClusterNode& node : change->upserts) members[node.id.str()] = node.zone;
    }
  };
  StreamReader stream(create()->stream());
  apply(stream.next());
  EXPECT_EQ(members.size(), static_cast<std::size_t>(kSlices * kPerSlice));
  std::map<std::string, std::string> wanted;
  for (int i = 0; i < kChanges; ++i) {
    Slice& slice = slices[static_cast<std::size_t>(i % kSlices)];
    slice.endpoints[static_cast<std::size_t>(i % kPerSlice)].zone = "z" + std::to_string(i);
    put(slice);
  }
  for (const Slice& slice : slices) {
    for (const Endpoint& endpoint : slice.endpoints) wanted[endpoint.pod] = endpoint.zone;
  }
  stream.until([&](const ProviderEvent& e) {
    apply(e);
    return members == wanted;
  });
}

TEST_F(KubernetesServerProvider, AQuietServiceIsAttestedAndAnEmptyOneIsAnAnswer) {
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[]");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(KubernetesServerProvider, SilenceIsATimeoutAndPasses) {
  put(slice_of("web-1", {"a"}));
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  ASSERT_TRUE(server_->pause());
  EXPECT_EQ(failure(stream).code, ErrorCode::Timeout);
  ASSERT_TRUE(server_->resume());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");  // the same members, none told anew
}

TEST_F(KubernetesServerProvider, ARestartedServerIsAFailureThenNothingButTheDifference) {
  use_own_server();
  put(slice_of("web-1", {"a"}));
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  server_->kill();
  EXPECT_EQ(failure(stream).code, ErrorCode::BackendUnavailable);
  ASSERT_DONE(server_->restart());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
  put(slice_of("web-1", {"a", "b"}));
  const std::string said = news(stream);
  EXPECT_TRUE(said == "change[+b]" || said == "snapshot[a b]") << said;
}

TEST_F(KubernetesServerProvider, AVersionThatWasCompactedIsListedAnewWithoutALoss) {
  use_own_server();
  put(slice_of("web-1", {"a"}));
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  server_->kill();
  EXPECT_EQ(failure(stream).code, ErrorCode::BackendUnavailable);
  // While the provider hears nothing: a change, and the history up to it is thrown away.
  ASSERT_DONE(server_->restart());
  put(slice_of("web-1", {"b"}));
  server_->kill();
  const auto newest = server_->etcd().revision();
  ASSERT_TRUE(newest) << newest.error();
  ASSERT_DONE(server_->etcd().compact(*newest));
  ASSERT_DONE(server_->restart());
  const std::string said = news(stream);
  EXPECT_TRUE(said == "snapshot[b]" || said == "change[+b -a]") << said;
}

TEST_F(KubernetesServerProvider, RestoredStateIsARollbackAndANewLineage) {
  // With many writes lost the version falls; with one, the server's own writes when it starts make
  // it rise above what was seen: then the slice that became older gives it away.
  for (const int lost : {50, 0}) {
    SCOPED_TRACE(lost);
    use_own_server();
    ASSERT_DONE(server_->allow_identity(namespace_, "sidecar"));
    put(slice_of("web-1", {"a", "b"}));
    ASSERT_DONE(server_->etcd().save_state());
    put(slice_of("web-1", {"a", "b", "c"}));
    for (int i = 0; i < lost; ++i) put(slice_of("web-2", {"d" + std::to_string(i)}));
    StreamReader stream(create()->stream());
    EXPECT_THAT(to_text(stream.next()), HasSubstr("snapshot[a b c"));
    ASSERT_DONE(server_->restart(EtcdServer::Restart::kSavedState));
    const ProviderEvent rollback = stream.until([](const ProviderEvent& e) {
      const auto* failed = std::get_if<FailedAnswer>(&e);
      return failed != nullptr && failed->code == ErrorCode::IndexRollback;
    });
    ASSERT_TRUE(std::holds_alternative<FailedAnswer>(rollback)) << to_text(rollback);
    const ProviderEvent fresh = stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<ProviderSnapshot>(e); });
    EXPECT_EQ(to_text(fresh), "snapshot[a b]");
    EXPECT_EQ(std::get<ProviderSnapshot>(fresh).lineage, 1u);
  }
}

TEST_F(KubernetesServerProvider, TokensThatAreWrongRotatedAndRevoked) {
  put(slice_of("web-1", {"a"}));
  write_file(directory_ / "token", "eyJhbGciOiJub25lIn0.e30.nonsense\n");
  auto provider = create();
  const auto check =
      provider->check_connectivity(clock_.now() + Duration(limits::kConnectivityDeadline));
  ASSERT_FALSE(check.has_value());
  EXPECT_EQ(check.error().code, ErrorCode::AuthFailed);
  EXPECT_THAT(check.error().message, ::testing::Not(HasSubstr("nonsense")));
  StreamReader stream(provider->stream());
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
  renew_token();  // read again after the refusal, without a restart
  EXPECT_EQ(first_that_is_no_failure(stream), "snapshot[a]");
  // The account is gone, and its tokens with it: the watch stays open, the reads beside it say so.
  ASSERT_DONE(server_->delete_account(namespace_, "sidecar"));
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
  ASSERT_DONE(server_->create_account(namespace_, "sidecar"));
  renew_token();
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(KubernetesServerProvider, ARevokedRoleIsDeniedAndComesBack) {
  put(slice_of("web-1", {"a"}));
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  ASSERT_DONE(server_->allow(namespace_, "sidecar", {}));
  const FailedAnswer denied = failure(stream);
  EXPECT_EQ(denied.code, ErrorCode::PermissionDenied);
  EXPECT_THAT(denied.detail, HasSubstr("endpointslices"));
  put(slice_of("web-1", {"b"}));  // unseen
  ASSERT_DONE(server_->allow(namespace_, "sidecar", {"list", "watch"}));
  EXPECT_EQ(news(stream), "change[+b -a]");
}

TEST_F(KubernetesServerProvider, R1_4_WhatCannotWorkIsRefusedAtRegistration) {
  const auto code = [&](ClusterProvider& provider) {
    const auto checked =
        provider.check_connectivity(clock_.now() + Duration(limits::kConnectivityDeadline));
    return checked ? std::string("fine") : std::string(to_string(checked.error().code));
  };
  EXPECT_EQ(code(*create()), "fine");
  ASSERT_DONE(server_->allow(namespace_, "sidecar", {"list"}));
  ASSERT_TRUE(eventually(kPatience, [&] { return code(*create()) == "PERMISSION_DENIED"; }));
  ProviderDescriptor other = descriptor();
  other.auth.ca_file.clear();  // the system's authorities did not sign this one
  auto distrusting = make_kubernetes_factory()->create(other, {&clock_, nullptr, ""});
  ASSERT_TRUE(distrusting.has_value());
  EXPECT_EQ(code(**distrusting), "AUTH_FAILED");
  other = descriptor();
  other.endpoints = {"http://" + server_->url().substr(8)};  // plain HTTP to a TLS port
  auto plain = make_kubernetes_factory()->create(other, {&clock_, nullptr, ""});
  ASSERT_TRUE(plain.has_value());
  // Go's server says 400 and resets the connection: which of them arrives is a race.
  EXPECT_THAT(code(**plain), ::testing::AnyOf("INVALID_CONFIG", "BACKEND_UNAVAILABLE"));
}

TEST_F(KubernetesServerProvider, ARotatedAuthorityIsReadAgain) {
  use_own_server();
  put(slice_of("web-1", {"a"}));
  const auto ca = directory_ / "ca";
  write_file(ca, read_file(server_->ca_file()));
  ProviderDescriptor d = descriptor();
  d.auth.ca_file = ca.string();
  auto provider = make_kubernetes_factory()->create(d, {&clock_, nullptr, ""});
  ASSERT_TRUE(provider.has_value());
  StreamReader stream((*provider)->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  ASSERT_DONE(server_->restart_with_new_authority());
  stream.until([](const ProviderEvent& e) {
    const auto* failed = std::get_if<FailedAnswer>(&e);
    return failed != nullptr && failed->code == ErrorCode::AuthFailed;
  });
  write_and_rename(ca.string(), read_file(server_->ca_file()));
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(KubernetesServerProvider, LostQuorumIsAFailureAlthoughTheWatchIsOpen) {
  use_own_server();
  put(slice_of("web-1", {"a"}));
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  ASSERT_TRUE(server_->etcd().pause());
  const ErrorCode code = failure(stream).code;
  EXPECT_TRUE(code == ErrorCode::Timeout || code == ErrorCode::BackendUnavailable);
  ASSERT_TRUE(server_->etcd().resume());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

}  // namespace
}  // namespace rollcall::test
