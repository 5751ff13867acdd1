// What the tests of the Kubernetes provider without a real server share: an API server that answers
// each kind of question as a test says, and a clock that can jump.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "providers/kubernetes/kubernetes_provider.h"
#include "tests/providers/kubernetes_text.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {

inline constexpr const char* kWatchHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

inline std::string slice_of(const std::string& version, const std::vector<std::string>& pods,
                            const std::string& name = "s1") {
  SliceText slice;
  slice.name = name;
  slice.version = version;
  for (const std::string& pod : pods) slice.endpoints.push_back({pod, "10.0.0.1", "", ""});
  return slice_text(slice);
}

// A clock that can be made to jump.
class JumpingClock : public Clock {
 public:
  MonoTime now() const override { return real_.now() + Duration(jumped_.load()); }
  WallTime wall_now() const override { return real_.wall_now(); }
  void jump(Duration d) { jumped_ += d.count(); }

 private:
  RealClock real_;
  std::atomic<Duration::rep> jumped_{0};
};

// An API server with one answer for each kind of question; any of them can be replaced.
class FakeApi {
 public:
  using Handler = ScriptedServer::Handler;

  FakeApi()
      : server_([this](ScriptedServer::Connection& c, const std::string& head) {
          return answer(c, head);
        }) {}

  std::string url() const { return server_.url(); }
  std::size_t lists() const { return lists_; }
  std::size_t watches() const { return watches_; }
  std::string last_watch() {
    const std::lock_guard lock(mutex_);
    return last_watch_;
  }

  void on_identity(Handler h) { set(identity_, std::move(h)); }
  void on_list(Handler h) { set(list_, std::move(h)); }
  void on_head(Handler h) { set(head_, std::move(h)); }
  void on_watch(Handler h) { set(watch_, std::move(h)); }
  // Lists and heads of this version and these slices.
  void state(const std::string& version, const std::vector<std::string>& slices) {
    const auto page = [text = http_ok(page_text(version, slices))](ScriptedServer::Connection& c,
                                                                   const std::string&) {
      return c.send(text);
    };
    on_list(page);
    std::vector<std::string> first(slices.begin(), slices.begin() + (slices.empty() ? 0 : 1));
    on_head([text = http_ok(page_text(version, first, slices.size() > 1 ? "more" : ""))](
                ScriptedServer::Connection& c, const std::string&) { return c.send(text); });
  }
  // A watch that says this and stays open.
  void watch_says(const std::string& events) {
    on_watch([events](ScriptedServer::Connection& c, const std::string&) {
      c.send(kWatchHead);
      if (!events.empty()) c.send(chunk_text(events));
      return c.linger();
    });
  }

 private:
  void set(Handler& which, Handler handler) {
    const std::lock_guard lock(mutex_);
    which = std::move(handler);
  }
  bool answer(ScriptedServer::Connection& c, const std::string& head) {
    Handler handler;
    {
      const std::lock_guard lock(mutex_);
      if (head.find("GET /api/v1/namespaces/kube-system ") != std::string::npos) {
        handler = identity_;
      } else if (head.find("watch=true") != std::string::npos) {
        ++watches_;
        last_watch_ = head;
        handler = watch_;
      } else if (head.find("limit=1 ") != std::string::npos) {
        handler = head_;
      } else {
        ++lists_;
        handler = list_;
      }
    }
    return handler(c, head);
  }

  std::mutex mutex_;  // guards the handlers and last_watch_
  Handler identity_ = [](ScriptedServer::Connection& c, const std::string&) {
    return c.send(http_status("403 Forbidden", "{}"));
  };
  Handler list_;
  Handler head_;
  Handler watch_;
  std::string last_watch_;
  std::atomic<std::size_t> lists_{0};
  std::atomic<std::size_t> watches_{0};
  ScriptedServer server_;  // last: its threads use the rest
};

class KubernetesHostile : public ::testing::Test {
 protected:
  void SetUp() override {
    api_.state("10", {slice_of("9", {"a"})});
    api_.watch_says("");
  }
  ProviderDescriptor descriptor(std::vector<std::string> endpoints = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("k");
    d.kind = "kubernetes";
    d.endpoints = endpoints.empty() ? std::vector{api_.url()} : std::move(endpoints);
    d.watch_params = {{"service", "web"}, {"namespace", "default"}, {"attest_ms", "50"}};
    return d;
  }
  std::unique_ptr<ClusterProvider> create(const ProviderDescriptor& d) {
    auto provider = make_kubernetes_factory()->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  std::unique_ptr<ClusterProvider> create() { return create(descriptor()); }
  static std::string news(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); }));
  }
  static ErrorCode failure(StreamReader& stream) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
    const auto* failed = std::get_if<FailedAnswer>(&event);
    EXPECT_NE(failed, nullptr) << to_text(event);
    return failed == nullptr ? ErrorCode::NotFound : failed->code;
  }
  static std::string first_that_is_no_failure(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); }));
  }
  static void until(StreamReader& stream, const std::string& wanted) {
    stream.until([&](const ProviderEvent& e) { return to_text(e) == wanted; });
  }

  JumpingClock clock_;
  FakeApi api_;
};

}  // namespace rollcall::test
