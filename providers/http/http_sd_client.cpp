#include "providers/http/http_sd_client.h"

#include <array>
#include <charconv>
#include <utility>

namespace rollcall {
namespace {

// As Prometheus writes it: seconds, with as many decimals as there are.
std::string seconds_text(Duration interval) {
  std::array<char, 32> text{};
  const double seconds = static_cast<double>(to_ms(interval)) / 1000.0;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  return {text.data(), end.ptr};
}

}  // namespace

HttpSdClient::HttpSdClient(const HttpSdSettings& settings, const AuthRef& auth, const Io& io)
    : settings_(settings), io_(io), credentials_(auth, io.clock) {}

void HttpSdClient::next_url() {
  url_ = (url_ + 1) % settings_.urls.size();
  http_.reset();
}

ProvisioningError HttpSdClient::told(ProvisioningError error) const {
  error.message =
      settings_.urls[url_].shown + ": " + without_token(std::move(error.message), token_);
  return error;
}

Result<HttpSdReply> HttpSdClient::ask(const std::string& etag, MonoTime deadline) {
  auto secrets = credentials_.get();
  if (secrets) token_ = (*secrets)->token;
  auto reply = secrets ? ask_with(**secrets, etag, deadline)
                       : Result<HttpSdReply>(tl::unexpected(std::move(secrets.error())));
  if (reply) return reply;
  return tl::unexpected(told(credentials_.explained(std::move(reply.error()))));
}

Result<HttpSdReply> HttpSdClient::ask_with(const Secrets& secrets, const std::string& etag,
                                           MonoTime deadline) {
  const HttpSdUrl& url = settings_.urls[url_];
  if (!http_) http_.emplace(url.endpoint, settings_.tls_server_name, io_);
  if (url.endpoint.scheme == Endpoint::Scheme::Https) {
    // A connection authenticates at its start only: rotated certificates want a new one.
    if (connected_with_ && !connected_with_->same_tls(secrets)) http_->close();
    connected_with_ = secrets;
  }
  HttpRequest request;
  request.target = url.target;
  request.answer_by = deadline;
  request.finish_by = deadline;
  request.headers = {{"X-Prometheus-Refresh-Interval-Seconds", seconds_text(settings_.refresh)}};
  if (!etag.empty()) request.headers.emplace_back("If-None-Match", etag);
  if (!secrets.token.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + secrets.token);
  }
  auto answer = http_->get(request, &secrets);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  const auto verdict = judge_http_sd(answer->response, !etag.empty());
  if (!verdict) return tl::unexpected(verdict.error());
  HttpSdReply reply;
  reply.verdict = *verdict;
  reply.etag = usable_etag(answer->response);
  reply.shown_etag = without_token(reply.etag, secrets.token);
  reply.body = std::move(answer->response.body);
  reply.times = answer->times;
  return reply;
}

}  // namespace rollcall
