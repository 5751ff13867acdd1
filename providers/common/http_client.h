// HttpClient: requests over one kept-alive connection to one endpoint: GET, for long polls, and
// whatever else is idempotent. Every call ends by its deadlines and within moments of
// Cancel::cancel(); headers and bodies are bounded; redirects are answers like any other and never
// followed.
//
// Why not cpp-httplib (0.11.4) on this side: its read time-out starts anew with every byte (a
// dripping server holds it for ever), a header line grows without limit (1 GB in 6 s, measured), it
// resolves names outside of any time-out, and there is no deadline for a whole answer. Its server
// side serves Rollcall's own HTTP.
//
// Threads: belongs to one; only the Cancel is touched from others.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/common/endpoint.h"
#include "providers/common/http_response.h"
#include "providers/common/transport.h"

namespace rollcall {

struct HttpRequest {
  std::string method = "GET";  // or "PUT"; idempotent, for it may be sent twice
  std::string target;          // "/v1/health/service/web?wait=10s": encoded
  // Sent as they are; no CR, LF or NUL in them (secrets go here, and into no error).
  std::vector<std::pair<std::string, std::string>> headers;
  MonoTime answer_by{};  // the first byte of the answer; what a long poll stretches
  MonoTime finish_by{};  // the whole answer
  // Whether it is sent once more when the peer closed a kept-alive connection without an answer.
  // Not for a question about a state ("what changed after index 7?") that the peer may have lost
  // since.
  bool resend_if_closed = true;
  std::string body{};  // JSON; of a PUT
};

struct HttpAnswer {
  HttpResponse response;
  AnswerTimes times;
};

class HttpClient {
 public:
  HttpClient(Endpoint endpoint, std::string tls_server_name, const Io& io);

  // Connects if need be (`secrets` serve TLS; the pointer isn't kept). Errors:
  // Transport::connect()'s and HttpResponseParser's; any error closes the connection.
  Result<HttpAnswer> send(const HttpRequest& request, const Secrets* secrets);
  Result<HttpAnswer> get(const HttpRequest& request, const Secrets* secrets) {
    return send(request, secrets);
  }

  bool connected() const { return transport_.has_value(); }
  void close() { transport_.reset(); }
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  Result<HttpAnswer> attempt(const HttpRequest& request, bool& answer_began);

  Endpoint endpoint_;
  std::string tls_server_name_;
  Io io_;
  std::optional<Transport> transport_;
};

// The request as it is sent. A header "Accept" of the request takes the place of the default one.
std::string render_request(const HttpRequest& request, const Endpoint& endpoint);

// `text` as one segment of a path or value of a query (RFC 3986: all but unreserved is %XX).
std::string percent_encoded(std::string_view text);

// The beginning of an error body on one printable line, for people; bounded.
std::string quoted_body(const HttpResponse& response);

}  // namespace rollcall
