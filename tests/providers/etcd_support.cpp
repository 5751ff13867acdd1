#include "tests/providers/etcd_support.h"

#include "providers/etcd/etcd_provider.h"

namespace rollcall::test {

std::string member_json(const std::string& id, const std::string& more) {
  return R"({"id":")" + id + R"(","host":"10.0.0.1","port":7000)" + more + "}";
}

void EtcdFixture::start(EtcdServer::Options options) {
  auto server = EtcdServer::start(std::move(options));
  ASSERT_TRUE(server) << server.error();
  server_ = std::move(*server);
}

void EtcdFixture::add(const std::string& id, const std::string& more, EtcdServer::Lease lease) {
  ASSERT_DONE(server_->put(key(id), member_json(id, more), lease));
}

void EtcdFixture::drop(const std::string& id) { ASSERT_DONE(server_->remove(key(id))); }

ProviderDescriptor EtcdFixture::descriptor(Params params) const {
  ProviderDescriptor d;
  d.id = ProviderId("e");
  d.kind = "etcd";
  if (server_) d.endpoints = {server_->url()};
  d.watch_params = std::move(params);
  d.watch_params.try_emplace("prefix", "/members");
  d.watch_params.try_emplace("attest_ms", "100");
  return d;
}

std::unique_ptr<ClusterProvider> EtcdFixture::create(const ProviderDescriptor& d) {
  auto provider = make_etcd_factory(kFirstEndpointFirst)->create(d, {&clock_, nullptr, ""});
  EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
  return provider ? std::move(*provider) : nullptr;
}

std::string EtcdFixture::token_file(const std::string& text) {
  const auto path = directory_ / "token";
  write_file(path, text + "\n");
  return path.string();
}

std::string EtcdFixture::news(StreamReader& stream) {
  return to_text(stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); }));
}

FailedAnswer EtcdFixture::failure(StreamReader& stream) {
  const ProviderEvent event =
      stream.until([](const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); });
  const auto* failed = std::get_if<FailedAnswer>(&event);
  return failed == nullptr ? FailedAnswer{ErrorCode::NotFound, to_text(event)} : *failed;
}

std::string EtcdFixture::first_that_is_no_failure(StreamReader& stream) {
  return to_text(stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); }));
}

void EtcdFixture::until(StreamReader& stream, const std::string& text) {
  stream.until([&](const ProviderEvent& e) { return to_text(e) == text; });
}

}  // namespace rollcall::test
