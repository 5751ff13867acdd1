#include "providers/common/http_stream.h"

#include <algorithm>
#include <utility>

#include "providers/common/limits.h"

namespace rollcall {

HttpStream::HttpStream(Endpoint endpoint, std::string tls_server_name, const Io& io)
    : endpoint_(std::move(endpoint)), tls_server_name_(std::move(tls_server_name)), io_(io) {}

void HttpStream::close() { transport_.reset(); }

Result<HttpResponse> HttpStream::open(const HttpRequest& request, const Secrets* secrets) {
  close();
  const MonoTime connect_by =
      std::min(request.answer_by, io_.clock.now() + Duration(limits::kConnectTimeout));
  auto connected = Transport::connect(endpoint_, {secrets, tls_server_name_}, connect_by, io_);
  if (!connected) return tl::unexpected(std::move(connected.error()));
  transport_ = std::move(*connected);
  parser_ = HttpResponseParser(limits::kMaxHttpPieceBytes);
  if (auto ok = receive_head(request); !ok) {
    close();
    return tl::unexpected(std::move(ok.error()));
  }
  if (parser_.response().status != 200) {
    close();
    return std::move(parser_.response());
  }
  // The body stays behind, for read().
  HttpResponse head;
  head.status = parser_.response().status;
  head.headers = std::move(parser_.response().headers);
  return head;
}

// The head, and the body too of an answer that is no stream.
Result<void> HttpStream::receive_head(const HttpRequest& request) {
  if (auto sent = transport_->write(render_request(request, endpoint_), request.answer_by, io_);
      !sent) {
    return sent;
  }
  const auto wanted = [this] {
    return parser_.complete() || (parser_.has_head() && parser_.response().status == 200);
  };
  while (!wanted()) {
    const MonoTime deadline = parser_.started() ? request.finish_by : request.answer_by;
    if (auto ok = receive(deadline); !ok) return ok;
  }
  return {};
}

// One read from the connection into the parser.
Result<void> HttpStream::receive(MonoTime deadline) {
  if (!buffer_) buffer_ = std::make_unique<char[]>(limits::kHttpReadBytes);
  auto size = transport_->read(buffer_.get(), limits::kHttpReadBytes, deadline, io_);
  if (!size) return tl::unexpected(std::move(size.error()));
  if (*size == 0) {
    if (parser_.end_of_stream()) return {};
    return fail(ErrorCode::BackendUnavailable, parser_.started()
                                                   ? "the connection was closed before the end"
                                                   : "closed without an answer");
  }
  auto used = parser_.feed({buffer_.get(), *size});
  if (!used) return tl::unexpected(std::move(used.error()));
  return {};
}

Result<std::size_t> HttpStream::read(std::string& into, MonoTime deadline) {
  while (transport_) {
    const std::string piece = parser_.take_body();
    if (!piece.empty()) {
      into += piece;
      return piece.size();
    }
    if (parser_.complete()) {
      close();
      return std::size_t{0};
    }
    if (auto ok = receive(deadline); !ok) {
      if (ok.error().code != ErrorCode::Timeout || io_.clock.now() < deadline) close();
      return tl::unexpected(std::move(ok.error()));
    }
  }
  return fail(ErrorCode::BackendUnavailable, "the stream is not open");
}

}  // namespace rollcall
