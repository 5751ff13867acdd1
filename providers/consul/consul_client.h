// ConsulClient: puts the one question of a Consul provider to one of its endpoints at a time, over
// one kept-alive connection (agents cap connections per client address).
//
// Threads: belongs to one; only the Cancel in `io` is touched from others.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/provider.h"
#include "providers/common/credentials.h"
#include "providers/common/http_client.h"
#include "providers/consul/consul_settings.h"

namespace rollcall {

struct ConsulReply {
  std::uint64_t index = 0;
  std::string body;
  AnswerTimes times;
};

class ConsulClient {
 public:
  // `settings` outlives it and has at least one endpoint.
  ConsulClient(const ConsulSettings& settings, const AuthRef& auth, const Io& io);

  // Asks the current endpoint; `index` 0: for an answer at once, else for one after a change or the
  // wait. Ends by `deadline`. Errors: consul_answer.h's, HttpClient's and Credentials', with the
  // endpoint in front and the token taken out: whoever answers may send back what it was sent.
  Result<ConsulReply> ask(std::uint64_t index, MonoTime deadline);

  std::size_t endpoint() const { return endpoint_; }
  std::size_t endpoints() const { return settings_.endpoints.size(); }
  void next_endpoint();
  bool connected() const { return http_ && http_->connected(); }

 private:
  Duration wait_patience() const;
  Result<ConsulReply> ask_with(const Secrets& secrets, std::uint64_t index, MonoTime deadline);
  Result<HttpAnswer> put(const HttpRequest& request, const Secrets& secrets);
  // After an empty answer to a question without a token, where access control denies by default.
  Result<HttpAnswer> prove_empty(const Secrets& secrets, MonoTime deadline);
  Result<void> has_identity(HttpRequest request, const Secrets& secrets);

  const ConsulSettings& settings_;
  Io io_;
  Credentials credentials_;
  std::size_t endpoint_ = 0;
  std::optional<HttpClient> http_;
  std::optional<Secrets> connected_with_;  // what TLS was set up with; of an https endpoint
};

}  // namespace rollcall
