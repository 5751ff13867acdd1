#include "providers/common/http_client.h"

#include <algorithm>
#include <memory>

#include "core/text.h"
#include "providers/common/limits.h"

namespace rollcall {

HttpClient::HttpClient(Endpoint endpoint, std::string tls_server_name, const Io& io)
    : endpoint_(std::move(endpoint)), tls_server_name_(std::move(tls_server_name)), io_(io) {}

Result<HttpAnswer> HttpClient::send(const HttpRequest& request, const Secrets* secrets) {
  // A kept-alive connection may have been closed by the peer in the meantime, which shows only when
  // it is used. Requests are idempotent: once, and only if no byte of an answer came, it is sent
  // again.
  for (bool reused = transport_.has_value();; reused = false) {
    if (!transport_) {
      const MonoTime connect_by =
          std::min(request.answer_by, io_.clock.now() + Duration(limits::kConnectTimeout));
      auto connected = Transport::connect(endpoint_, {secrets, tls_server_name_}, connect_by, io_);
      if (!connected) return tl::unexpected(std::move(connected.error()));
      transport_ = std::move(*connected);
    }
    bool answer_began = false;
    auto answer = attempt(request, answer_began);
    if (answer) return answer;
    transport_.reset();
    const bool closed = answer.error().code == ErrorCode::BackendUnavailable;
    if (!reused || answer_began || !closed || !request.resend_if_closed) return answer;
  }
}

Result<HttpAnswer> HttpClient::attempt(const HttpRequest& request, bool& answer_began) {
  HttpAnswer answer;
  answer.times.read_began = io_.clock.now();
  if (auto sent = transport_->write(render_request(request, endpoint_), request.answer_by, io_);
      !sent) {
    return tl::unexpected(std::move(sent.error()));
  }
  HttpResponseParser parser;
  const auto buffer = std::make_unique<char[]>(limits::kHttpReadBytes);
  std::size_t surplus = 0;
  while (!parser.complete()) {
    const MonoTime deadline = parser.started() ? request.finish_by : request.answer_by;
    auto size = transport_->read(buffer.get(), limits::kHttpReadBytes, deadline, io_);
    if (!size) return tl::unexpected(std::move(size.error()));
    answer_began = answer_began || *size > 0;
    if (*size == 0) {
      if (auto ended = parser.end_of_stream(); !ended) {
        return tl::unexpected(std::move(ended.error()));
      }
      break;
    }
    auto used = parser.feed({buffer.get(), *size});
    if (!used) return tl::unexpected(std::move(used.error()));
    surplus = *size - *used;
  }
  answer.times.complete = io_.clock.now();
  answer.times.observed_at = io_.clock.wall_now();
  answer.response = std::move(parser.response());
  // Bytes that nobody asked for would be taken for the next answer.
  if (!parser.reusable() || surplus > 0) transport_.reset();
  return answer;
}

std::string render_request(const HttpRequest& request, const Endpoint& endpoint) {
  std::string text = request.method + " " + request.target +
                     " HTTP/1.1\r\nHost: " + endpoint.authority() + "\r\nUser-Agent: rollcall\r\n";
  const bool accepts = std::any_of(request.headers.begin(), request.headers.end(),
                                   [](const auto& header) { return header.first == "Accept"; });
  if (!accepts) text += "Accept: application/json\r\n";
  for (const auto& [name, value] : request.headers) {
    text.append(name).append(": ").append(value).append("\r\n");
  }
  if (request.method != "GET") {
    text +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(request.body.size()) +
        "\r\n";
  }
  return text.append("\r\n").append(request.body);
}

std::string percent_encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

std::string quoted_body(const HttpResponse& response) {
  std::string_view text = response.body;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  return printable(text, limits::kMaxHttpErrorText);
}

}  // namespace rollcall
