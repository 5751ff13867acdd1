// HttpStream: GET with an answer whose body goes on and on (a watch): it is read piece by piece,
// each read under a deadline of its own, and no more than one piece is held. Every call ends within
// moments of Cancel::cancel().
//
// Threads: belongs to one; only the Cancel is touched from others.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "providers/common/cancel.h"
#include "providers/common/endpoint.h"
#include "providers/common/http_client.h"
#include "providers/common/http_response.h"
#include "providers/common/transport.h"

namespace rollcall {

class HttpStream {
 public:
  HttpStream(Endpoint endpoint, std::string tls_server_name, const Io& io);

  // Asks over a connection of its own (one that was open is closed) and waits for the head of the
  // answer. With status 200 the body is left to read(); with any other it is read to its end
  // (`finish_by`; LIMIT_EXCEEDED above limits::kMaxHttpPieceBytes) and the connection closed.
  // Errors: HttpClient::get()'s.
  Result<HttpResponse> open(const HttpRequest& request, const Secrets* secrets);

  bool is_open() const { return transport_.has_value(); }

  // Appends what has come of the body, at least one byte. 0: the answer ended in order, and the
  // stream is closed. TIMEOUT: nothing came by the deadline, the stream stays open (unless the
  // kernel gave the peer up: is_open() tells). Any other error closes it: BACKEND_UNAVAILABLE (the
  // connection was lost), MALFORMED_RESPONSE, SHUTTING_DOWN.
  Result<std::size_t> read(std::string& into, MonoTime deadline);

  void close();

 private:
  Result<void> receive(MonoTime deadline);
  Result<void> receive_head(const HttpRequest& request);

  Endpoint endpoint_;
  std::string tls_server_name_;
  Io io_;
  std::optional<Transport> transport_;
  HttpResponseParser parser_;       // of the answer that is open
  std::unique_ptr<char[]> buffer_;  // of one read
};

}  // namespace rollcall
