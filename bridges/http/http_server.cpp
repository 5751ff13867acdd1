#include "bridges/http/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include <httplib.h>

#include "bridges/http/http_sd_json.h"
#include "bridges/http/task_queue.h"
#include "bridges/http/topology_json.h"
#include "core/codec/json_writer.h"
#include "core/http_sd.h"

namespace rollcall {
namespace {

constexpr char kJson[] = "application/json";
constexpr char kPrometheusText[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kStreamAbove = 500;  // members; smaller documents have a Content-Length
constexpr std::size_t kMaxRequestBody = 1024;

void answer_json(httplib::Response& res, int status, JsonWriter writer) {
  auto body = std::move(writer).finish();
  res.status = status;
  res.set_content((body ? *body : std::string("{}")) + "\n", kJson);
}

void answer_error(httplib::Response& res, int status, ErrorCode code, std::string_view message) {
  JsonWriter w;
  w.begin_object().field("code", to_string(code)).field("message", message).end_object();
  answer_json(res, status, std::move(w));
}

void answer_error(httplib::Response& res, const ProvisioningError& error) {
  answer_error(res, 503, error.code, error.message);
}

bool is_loopback_text(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6) != 0;
}

// The library's default is SO_REUSEPORT, with which two sidecars would silently share one port.
void socket_options(int fd) {
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  fcntl(fd, F_SETFD, FD_CLOEXEC);
}

}  // namespace

bool is_local_host_header(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end != std::string_view::npos && is_loopback_text(std::string(host.substr(1, end - 1)));
  }
  return is_loopback_text(std::string(host.substr(0, host.find(':'))));
}

class HttpServer::Impl {
 public:
  explicit Impl(Sources sources) : sources_(std::move(sources)) {
    server_.new_task_queue = [] { return new BoundedTaskQueue(kHttpThreads, kHttpWaiting); };
    server_.set_socket_options(socket_options);
    server_.set_read_timeout(kHttpIoTimeout);
    server_.set_write_timeout(kHttpIoTimeout);
    server_.set_payload_max_length(kMaxRequestBody);
    // One request a connection: an idle one would keep a worker.
    server_.set_keep_alive_max_count(1);
    server_.set_keep_alive_timeout(static_cast<time_t>(kHttpIoTimeout.count()));
    server_.set_pre_routing_handler(
        [](const httplib::Request& req, httplib::Response& res) { return check(req, res); });
    server_.set_error_handler([](const httplib::Request& req, httplib::Response& res) {
      if (!res.body.empty()) return;
      answer_error(res, res.status,
                   res.status == 404 ? ErrorCode::NotFound : ErrorCode::InvalidConfig,
                   res.status == 404 ? "no such path; there are /metrics, /livez, /readyz, "
                                       "/v1/topology and /v1/http_sd"
                                     : "this request is not understood (" + req.method + ")");
    });
    server_.set_exception_handler(
        [](const httplib::Request&, httplib::Response& res, std::exception_ptr) {
          answer_error(res, 500, ErrorCode::LimitExceeded, "out of resources");
        });
    route();
  }

  Result<void> listen(const Options& options) {
    if (!is_loopback_text(options.host))
      return fail(ErrorCode::InvalidConfig,
                  "the HTTP server listens on loopback only, not on " + options.host);
    const int bound = options.port == 0 ? server_.bind_to_any_port(options.host)
                      : server_.bind_to_port(options.host, options.port) ? options.port
                                                                         : -1;
    const bool v6 = options.host.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + options.host + "]" : options.host;
    if (bound <= 0)
      return fail(ErrorCode::BackendUnavailable,
                  "cannot listen on http://" + host + ":" + std::to_string(options.port) +
                      "; is another process using the port? Choose one with --http-listen");
    address_ = host + ":" + std::to_string(bound);
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;
    });
    // The socket already listens; this is for stop(), which a server that does not run yet ignores.
    while (!server_.is_running() && !ended_) std::this_thread::yield();
    return {};
  }

  void stop() {
    if (!thread_.joinable()) return;
    server_.stop();
    thread_.join();
  }

  const std::string& address() const { return address_; }

 private:
  static httplib::Server::HandlerResponse check(const httplib::Request& req,
                                                httplib::Response& res) {
    using Response = httplib::Server::HandlerResponse;
    if (req.has_header("Host") && !is_local_host_header(req.get_header_value("Host"))) {
      answer_error(res, 403, ErrorCode::PermissionDenied,
                   "the Host header does not name this machine");
      return Response::Handled;
    }
    if (req.method != "GET" && req.method != "HEAD") {
      res.set_header("Allow", "GET, HEAD");
      answer_error(res, 405, ErrorCode::InvalidConfig, "only GET and HEAD are answered here");
      return Response::Handled;
    }
    return Response::Unhandled;
  }

  void route() {
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& res) {
      auto text = sources_.metrics();
      if (!text) return answer_error(res, text.error());
      res.set_content(*text, kPrometheusText);
    });
    server_.Get("/livez", [this](const httplib::Request&, httplib::Response& res) {
      if (auto alive = sources_.alive(); !alive) return answer_error(res, alive.error());
      JsonWriter w;
      w.begin_object().field("status", "alive").end_object();
      answer_json(res, 200, std::move(w));
    });
    server_.Get("/readyz", [this](const httplib::Request&, httplib::Response& res) { ready(res); });
    server_.Get("/v1/topology", [this](const httplib::Request& req, httplib::Response& res) {
      topology(req, res);
    });
    server_.Get("/v1/http_sd",
                [this](const httplib::Request& req, httplib::Response& res) { http_sd(req, res); });
  }

  void ready(httplib::Response& res) const {
    const auto state = sources_.hub->state();
    if (!state || !state->has_topology)
      return answer_error(res, 503, ErrorCode::NoSnapshot,
                          "no provider has confirmed a topology yet");
    if (state->draining)
      return answer_error(res, 503, ErrorCode::ShuttingDown, "the sidecar is draining");
    JsonWriter w;
    w.begin_object()
        .field("status", "ready")
        .field("availability", to_string(state->availability))
        .field("reason", state->availability_reason)
        .field("stale", state->stale)
        .field("provider", state->active.str())
        .end_object();
    answer_json(res, 200, std::move(w));
  }

  void topology(const httplib::Request& req, httplib::Response& res) const {
    const auto state = sources_.hub->state();
    if (!state || !state->has_topology)
      return answer_error(res, 503, ErrorCode::NoSnapshot,
                          "no provider has confirmed a topology yet");
    std::optional<std::vector<ProviderListing>> listings;
    if (req.get_param_value("provenance") == "true") {
      auto now = sources_.listings();
      if (!now) return answer_error(res, now.error());
      listings = std::move(*now);
      res.set_header("Cache-Control", "no-store");  // who lists a member changes without an event
    } else {
      const std::string etag = topology_etag(*state);
      res.set_header("ETag", etag);
      res.set_header("Cache-Control", "no-cache");
      if (req.get_header_value("If-None-Match") == etag) {
        res.status = 304;
        return;
      }
    }
    auto document =
        std::make_shared<TopologyJson>(state, sources_.clock->now(), std::move(listings));
    if (document->members() <= kStreamAbove) {
      std::string body;
      for (std::string part; !(part = document->next(kPieceBytes)).empty();) body += part;
      return res.set_content(body, kJson);
    }
    res.set_chunked_content_provider(kJson, [document](std::size_t, httplib::DataSink& sink) {
      const std::string part = document->next(kPieceBytes);
      if (part.empty()) {
        sink.done();
        return true;
      }
      return sink.write(part.data(), part.size());
    });
  }

  // Never an empty list for want of knowledge: whoever reads it would take that for a cluster that
  // is gone. A stale list is served, as everywhere, and says so.
  void http_sd(const httplib::Request& req, httplib::Response& res) {
    const auto state = sources_.hub->state();
    if (!state || !state->has_topology)
      return answer_error(res, 503, ErrorCode::NoSnapshot,
                          "no provider has confirmed a topology yet");
    const std::string etag = http_sd_etag(*state);
    res.set_header("ETag", etag);
    res.set_header("Cache-Control", "no-cache");
    if (state->stale || state->draining) res.set_header(std::string(http_sd::kStaleHeader), "true");
    if (etag_matches(req.get_header_value("If-None-Match"), etag)) {
      res.status = 304;
      return;
    }
    const auto text = document_.of(state->members);
    const auto write = [text](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
      return sink.write(text->data() + offset, std::min(length, kPieceBytes));
    };
    res.set_content_provider(text->size(), kJson, write);
  }

  const Sources sources_;
  HttpSdDocument document_;
  httplib::Server server_;
  std::string address_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Options& options, Sources sources) {
  auto impl = std::make_unique<Impl>(std::move(sources));
  if (auto listening = impl->listen(options); !listening)
    return tl::unexpected(std::move(listening.error()));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

void HttpServer::stop() { impl_->stop(); }
std::string HttpServer::address() const { return impl_->address(); }

}  // namespace rollcall
