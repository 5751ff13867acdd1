// NEEDS: nginx
#include <gtest/gtest.h>

#include "core/codec/json_writer.h"
#include "core/http_sd.h"
#include "core/limits.h"
#include "tests/backends/nginx_server.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

std::string target_groups(const std::vector<ClusterNode>& nodes) {
  JsonWriter w;
  w.begin_array();
  for (const ClusterNode& node : nodes) {
    std::map<std::string, std::string> labels{
        {std::string(http_sd::kId), node.id.str()},
        {std::string(http_sd::kZone), node.zone},
        {std::string(http_sd::kWeight), std::to_string(node.weight)},
        {std::string(http_sd::kStatus), std::string(to_string(node.status))},
        {std::string(http_sd::kIncarnation), node.incarnation}};
    for (const auto& [key, value] : node.labels) {
      labels[std::string(http_sd::kLabelPrefix) + key] = value;
    }
    w.begin_object().key("targets").begin_array();
    w.string(node.host + ":" + std::to_string(node.port));
    w.end_array().field("labels", labels).end_object();
  }
  auto text = std::move(w.end_array()).finish();
  return text ? *text : "";
}

class HttpHarness : public BackendHarness {
 public:
  explicit HttpHarness(std::unique_ptr<NginxServer> server) : server_(std::move(server)) {
    server_->serve("[]");
  }
  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("sd");
    d.kind = "http";
    d.endpoints = {server_->url()};
    d.watch_params = {
        {"id", "label:__meta_rollcall_id"}, {"refresh_ms", "50"}, {"timeout_ms", "2000"}};
    return d;
  }
  ProviderContext context() override { return {&clock_, nullptr, ""}; }
  void set_members(ClusterProvider&, const std::vector<ClusterNode>& nodes) override {
    server_->serve(target_groups(nodes));
  }
  bool break_down() override { return server_->pause(); }
  bool refuse() override {
    server_->kill();
    return true;
  }
  void repair() override {
    if (server_->resume()) return;
    const auto restarted = server_->restart();
    ASSERT_TRUE(restarted) << restarted.error();
  }
  std::optional<ErrorCode> exceed_limits() override {
    server_->serve_zeros(limits::kMaxBackendAnswerBytes + 1);
    return ErrorCode::LimitExceeded;
  }

 private:
  RealClock clock_;
  std::unique_ptr<NginxServer> server_;
};

}  // namespace

const char* harness_kind() { return "http"; }

std::unique_ptr<BackendHarness> make_harness() {
  auto server = NginxServer::start();
  if (!server) {
    ADD_FAILURE() << server.error();
    return nullptr;
  }
  return std::make_unique<HttpHarness>(std::move(*server));
}

}  // namespace rollcall::test
