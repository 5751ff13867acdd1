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
#include "providers/common/endpoint_errors.h"
#include "providers/common/http_client.h"
#include "providers/consul/consul_answer.h"
#include "providers/consul/consul_settings.h"

namespace rollcall {

struct ConsulReply {
  std::uint64_t index = 0;
  std::string body;
  AnswerTimes times;
  bool masked = false;  // it may have been filtered without a word: see prove()
};

class ConsulClient {
 public:
  // `settings` outlives it and has at least one endpoint.
  ConsulClient(const ConsulSettings& settings, const AuthRef& auth, const Io& io);

  // Asks the current endpoint; `index` 0: for an answer at once, else for one after a change or the
  // wait. Ends by `deadline`. Errors: consul_answer.h's, HttpClient's and Credentials', with the
  // endpoint in front and the token taken out: whoever answers may send back what it was sent.
  Result<ConsulReply> ask(std::uint64_t index, MonoTime deadline);
  // To be asked about a masked reply that would take members away, or has none: the reply itself
  // where there is no access control; another one where the agent puts a default token under our
  // questions. PERMISSION_DENIED: it proves nothing. Errors: ask()'s.
  Result<ConsulReply> prove(ConsulReply reply, MonoTime deadline);

  std::size_t endpoint() const { return endpoint_; }
  std::size_t endpoints() const { return settings_.endpoints.size(); }
  void next_endpoint();
  bool connected() const { return http_ && http_->connected(); }

 private:
  Duration wait_patience() const;
  Result<ConsulReply> ask_with(const Secrets& secrets, std::uint64_t index, MonoTime deadline);
  Result<ConsulReply> put(const HttpRequest& request, const Secrets& secrets);
  Result<ConsulReply> prove_with(const Secrets& secrets, ConsulReply reply, MonoTime deadline);
  Result<ConsulIdentity> ask_identity(HttpRequest request, const Secrets& secrets);
  template <class Ask>
  Result<ConsulReply> reported(const Ask& ask);

  const ConsulSettings& settings_;
  Io io_;
  Credentials credentials_;
  std::size_t endpoint_ = 0;
  std::optional<HttpClient> http_;
  std::optional<Secrets> connected_with_;  // what TLS was set up with; of an https endpoint
};

}  // namespace rollcall
