// One key of a real etcd as the document of a fleet: compare and set, waking up, silence, refusal,
// lost state, several endpoints, access control, TLS.
#include "providers/etcd/etcd_store.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/providers/etcd_support.h"
#include "tests/providers/test_certificates.h"

namespace rollcall::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Kind = SwapFailure::Kind;

class EtcdStoreTest : public EtcdFixture {
 protected:
  static constexpr const char* kKey = "/rollcall/test/providers";

  EtcdStoreTarget target() const {
    EtcdStoreTarget t;
    t.endpoints = {server_->url()};
    t.key = kKey;
    return t;
  }
  SharedState look(EtcdStore& store, const SharedVersion& known = {}) {
    auto state = store.look(known, in(10s));
    EXPECT_TRUE(state.has_value()) << state.error().message;
    return state.value_or(SharedState{});
  }
  ErrorCode failure(EtcdStore& store, Duration within) {
    const auto state = store.look({}, in(within));
    EXPECT_FALSE(state.has_value());
    return state ? ErrorCode::NotFound : state.error().code;
  }
  SharedVersion swap(EtcdStore& store, const SharedVersion& expected, const std::string& text) {
    auto version = store.swap(expected, text, in(10s));
    EXPECT_TRUE(version.has_value()) << version.error().error.message;
    return version.value_or(SharedVersion{});
  }
};

TEST_F(EtcdStoreTest, OfTwoWritesOnTheSameVersionOneIsMade) {
  start();
  EtcdStore a(target(), clock_);
  EtcdStore b(target(), clock_);
  const SharedVersion none = look(a).version;
  EXPECT_EQ(none.written, 0);
  EXPECT_NE(none.history, 0u);
  EXPECT_EQ(look(b).version, none);
  const SharedVersion first = swap(a, none, "one");
  const auto late = b.swap(none, "two", in(10s));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().kind, Kind::Changed);
  const SharedState there = look(b);
  EXPECT_EQ(there.text, "one");
  EXPECT_EQ(there.version, first) << "what a write answers is what a look sees";
  const SharedVersion second = swap(b, first, "two");
  EXPECT_FALSE(a.swap(first, "three", in(10s)).has_value());
  EXPECT_EQ(look(a, first).text, "two");
  ASSERT_DONE(server_->remove(kKey));
  EXPECT_EQ(look(a, second).version.written, 0);
  EXPECT_FALSE(a.swap(second, "three", in(10s)).has_value()) << "it is gone";
  // Created again it is another one, although nothing else tells.
  swap(a, look(a).version, "four");
  EXPECT_EQ(look(b, second).text, "four");
}

TEST_F(EtcdStoreTest, AWriteWakesWhoeverWaits) {
  start();
  EtcdStore reader(target(), clock_);
  EtcdStore writer(target(), clock_);
  SharedVersion known = look(reader).version;
  SharedVersion written = known;
  for (int i = 0; i < 5; ++i) {
    std::thread other([&] { written = swap(writer, written, "text " + std::to_string(i)); });
    SharedState state{known, std::nullopt};
    while (state.version == known) {
      reader.wait(in(60s));
      state = look(reader, known);
    }
    other.join();
    EXPECT_EQ(state.text, "text " + std::to_string(i));
    known = state.version;
  }
}

TEST_F(EtcdStoreTest, TheTextIsLeftOutOnlyWhileAWatchIsUnbroken) {
  start();
  EtcdStore store(target(), clock_);
  const SharedVersion first = swap(store, look(store).version, "one");
  EXPECT_EQ(look(store, first).text, "one") << "nothing is watched";
  store.wait(in(10ms));
  EXPECT_EQ(look(store, first).text, "one") << "the watch began after the last look";
  EXPECT_EQ(look(store, first).text, std::nullopt);
  EXPECT_EQ(look(store, {}).text, "one") << "not known";
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kKeepState));
  store.wait(in(10s));  // ends as the watch breaks
  EXPECT_EQ(look(store, first).text, "one");
}

TEST_F(EtcdStoreTest, ACompactedHistoryIsNoObstacle) {
  start();
  EtcdStore reader(target(), clock_);
  EtcdStore writer(target(), clock_);
  const SharedVersion known = look(reader).version;
  SharedVersion written = known;
  for (int i = 0; i < 5; ++i) written = swap(writer, written, std::to_string(i));
  ASSERT_DONE(server_->compact(*server_->revision()));
  // The watch that begins now begins at a revision that is no longer there.
  reader.wait(in(60s));
  EXPECT_EQ(look(reader, known).text, "4");
  swap(writer, written, "after");
  SharedState state = look(reader, written);
  while (state.version == written) {
    reader.wait(in(60s));
    state = look(reader, written);
  }
  EXPECT_EQ(state.text, "after");
}

TEST_F(EtcdStoreTest, CancelEndsWhateverWaits) {
  start();
  EtcdStore store(target(), clock_);
  look(store);
  std::thread canceller([&] { store.cancel(); });
  store.wait(in(10min));
  canceller.join();
  EXPECT_EQ(failure(store, 10min), ErrorCode::ShuttingDown);
  const auto swapped = store.swap({1, 0, 0, 0}, "x", in(10min));
  ASSERT_FALSE(swapped.has_value());
  EXPECT_EQ(swapped.error().error.code, ErrorCode::ShuttingDown);
}

TEST_F(EtcdStoreTest, SilenceAndRefusalAreToldApartAndPass) {
  start();
  EtcdStore store(target(), clock_);
  const SharedVersion first = swap(store, look(store).version, "text");
  ASSERT_TRUE(server_->pause());
  EXPECT_EQ(failure(store, 700ms), ErrorCode::Timeout);
  ASSERT_TRUE(server_->resume());
  EXPECT_EQ(look(store).version, first);
  server_->kill();
  EXPECT_EQ(failure(store, 3s), ErrorCode::BackendUnavailable);
  store.wait(in(50ms));
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kKeepState));
  EXPECT_EQ(look(store).version, first);
}

TEST_F(EtcdStoreTest, AWriteWithoutAnAnswerIsUnknownAndALaterOneIsSafe) {
  start();
  EtcdStore store(target(), clock_);
  const SharedVersion first = swap(store, look(store).version, "one");
  ASSERT_TRUE(server_->pause());
  const auto lost = store.swap(first, "two", in(700ms));
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().kind, Kind::Unknown);
  EXPECT_EQ(lost.error().error.code, ErrorCode::Timeout);
  ASSERT_TRUE(server_->resume());
  // It was made, will be made, or never is: whichever, only one write on `first` counts.
  const auto again = store.swap(first, "three", in(10s));
  const SharedState there = look(store);
  EXPECT_EQ(there.text, again ? "three" : "two");
  EXPECT_EQ(there.version.writes, 2);
}

TEST_F(EtcdStoreTest, LostAndRestoredStateShowsAsAnotherVersion) {
  start();
  EtcdStore store(target(), clock_);
  const SharedVersion first = swap(store, look(store).version, "one");
  ASSERT_DONE(server_->save_state());
  const SharedVersion second = swap(store, first, "two");
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kSavedState));
  EXPECT_EQ(look(store, second).text, "one");
  EXPECT_EQ(look(store, second).version, first);
  // Restored, and written again: the same numbers, and another text.
  EtcdStore other(target(), clock_);
  const SharedVersion twin = swap(other, look(other).version, "three");
  EXPECT_EQ(twin.written, second.written);
  EXPECT_EQ(twin.writes, second.writes);
  EXPECT_NE(twin, second);
  EXPECT_EQ(look(store, second).text, "three");
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kEmptyState, "another-cluster"));
  const SharedVersion none = look(store, first).version;
  EXPECT_EQ(none.written, 0);
  EXPECT_NE(none.history, first.history);
}

TEST_F(EtcdStoreTest, AnEndpointThatIsDeadOrSilentCostsItsShareOfTheTime) {
  start();
  auto other = EtcdServer::start();
  ASSERT_TRUE(other.has_value()) << other.error();
  ASSERT_TRUE((*other)->pause());
  EtcdStoreTarget t = target();
  const auto dead = free_ports(1);
  ASSERT_EQ(dead.size(), 1u);
  t.endpoints = {(*other)->url(), "http://127.0.0.1:" + std::to_string(dead[0]), server_->url()};
  EtcdStore store(t, clock_);
  const auto state = store.look({}, in(3s));
  EXPECT_TRUE(state.has_value()) << state.error().message;
  ASSERT_TRUE((*other)->resume());
}

TEST_F(EtcdStoreTest, ATextAboveEtcdsLimitIsRefusedForCertain) {
  start();
  EtcdStore store(target(), clock_);
  const auto refused = store.swap(look(store).version, std::string(2u << 20, 'x'), in(10s));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, Kind::Refused) << refused.error().error.message;
  EXPECT_EQ(refused.error().error.code, ErrorCode::LimitExceeded);
  swap(store, look(store).version, std::string(1u << 20, 'x'));
}

TEST_F(EtcdStoreTest, AccessControlIsToldAsWhatItIsAndPasswordsRotate) {
  EtcdServer::Options options;
  options.auth = true;
  start(options);
  ASSERT_DONE(server_->add_user("rollcall", "secret-1"));
  ASSERT_DONE(server_->add_role("reader", "/rollcall/", EtcdServer::Access::kRead));
  ASSERT_DONE(server_->grant_role("rollcall", "reader"));
  EtcdStoreTarget t = target();
  t.auth.token_file = token_file("rollcall:wrong-password");
  EtcdStore store(t, clock_);
  const auto wrong = store.look({}, in(10s));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code, ErrorCode::AuthFailed);
  EXPECT_THAT(wrong.error().message, ::testing::Not(HasSubstr("wrong-password")));
  token_file("rollcall:secret-1");
  const SharedVersion none = look(store).version;
  const auto denied = store.swap(none, "text", in(10s));
  ASSERT_FALSE(denied.has_value());
  EXPECT_EQ(denied.error().kind, Kind::Refused);
  EXPECT_EQ(denied.error().error.code, ErrorCode::PermissionDenied);
  ASSERT_DONE(server_->add_role("writer", "/rollcall/", EtcdServer::Access::kReadWrite));
  ASSERT_DONE(server_->grant_role("rollcall", "writer"));
  const SharedVersion first = swap(store, none, "text");
  ASSERT_DONE(server_->remove_user("rollcall"));
  EXPECT_EQ(failure(store, 10s), ErrorCode::AuthFailed);
  ASSERT_DONE(server_->add_user("rollcall", "secret-2"));
  ASSERT_DONE(server_->grant_role("rollcall", "writer"));
  token_file("rollcall:secret-2");
  EXPECT_EQ(look(store).version, first);
}

TEST_F(EtcdStoreTest, TlsIsVerifiedInBothDirectionsAndCertificatesRotate) {
  const TestAuthority authority;
  const TestAuthority stranger;
  const auto file = [&](const std::string& name, const std::string& text) {
    write_file(directory_ / name, text);
    return (directory_ / name).string();
  };
  const Certificate servers = authority.issue("etcd.test");
  EtcdServer::Options options;
  options.tls = {file("server-ca", authority.ca_pem()), file("server-cert", servers.cert_pem),
                 file("server-key", servers.key_pem)};
  start(options);
  const Certificate theirs = stranger.issue("rollcall.test");
  EtcdStoreTarget t = target();
  t.auth.ca_file = file("ca", stranger.ca_pem());
  t.auth.cert_file = file("cert", theirs.cert_pem);
  t.auth.key_file = file("key", theirs.key_pem);
  EtcdStore store(t, clock_);
  EXPECT_EQ(failure(store, 10s), ErrorCode::AuthFailed) << "a server that is not trusted";
  file("ca", authority.ca_pem());
  EXPECT_EQ(failure(store, 10s), ErrorCode::AuthFailed) << "a client that is not trusted";
  const Certificate mine = authority.issue("rollcall.test");
  file("cert", mine.cert_pem);
  file("key", mine.key_pem);
  const SharedVersion first = swap(store, look(store).version, "text");
  EXPECT_EQ(look(store).version, first);

  t.tls_server_name = "elsewhere.test";
  EtcdStore elsewhere(t, clock_);
  EXPECT_EQ(failure(elsewhere, 10s), ErrorCode::AuthFailed);
  t.tls_server_name = "etcd.test";
  EtcdStore named(t, clock_);
  EXPECT_EQ(look(named).text, "text");
}

}  // namespace
}  // namespace rollcall::test
