// HttpSdClient: asks one of an http provider's URLs at a time for its list, over one kept-alive
// connection.
//
// Threads: belongs to one; only the Cancel in `io` is touched from others.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/provider.h"
#include "providers/common/credentials.h"
#include "providers/common/http_client.h"
#include "providers/http/http_sd_answer.h"
#include "providers/http/http_sd_settings.h"

namespace rollcall {

struct HttpSdReply {
  HttpSdVerdict verdict = HttpSdVerdict::List;
  std::string body;  // of a list
  std::string etag;  // of a list; empty: none
  // The ETag as it may be shown: whoever makes it may have put in what he was sent.
  std::string shown_etag;
  AnswerTimes times;
};

class HttpSdClient {
 public:
  // `settings` outlives it and has at least one URL.
  HttpSdClient(const HttpSdSettings& settings, const AuthRef& auth, const Io& io);

  // Asks the current URL; `etag`, if there is one, is of its last list. Ends by `deadline`. Errors:
  // http_sd_answer.h's, HttpClient's and Credentials', with the URL in front and the token taken
  // out: whoever answers may send back what it was sent.
  Result<HttpSdReply> ask(const std::string& etag, MonoTime deadline);

  // An error about the last reply's content, as ask() would tell it.
  ProvisioningError told(ProvisioningError error) const;

  std::size_t urls() const { return settings_.urls.size(); }
  void next_url();

 private:
  Result<HttpSdReply> ask_with(const Secrets& secrets, const std::string& etag, MonoTime deadline);

  const HttpSdSettings& settings_;
  Io io_;
  Credentials credentials_;
  std::size_t url_ = 0;
  std::optional<HttpClient> http_;
  std::optional<Secrets> connected_with_;  // what TLS was set up with
  std::string token_;                      // that the last question carried
};

}  // namespace rollcall
