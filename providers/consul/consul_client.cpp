#include "providers/consul/consul_client.h"

#include <algorithm>
#include <utility>

#include "providers/consul/limits.h"

namespace rollcall {
namespace {

tl::unexpected<ProvisioningError> proves_nothing() {
  return fail(
      ErrorCode::PermissionDenied,
      "without a token Consul does not say what its access control hides, so an answer that "
      "is empty, or lacks members that were there, proves nothing: give auth.token_file, or "
      "the agent a default token (acl.tokens.default)");
}

}  // namespace

ConsulClient::ConsulClient(const ConsulSettings& settings, const AuthRef& auth, const Io& io)
    : settings_(settings), io_(io), credentials_(auth, io.clock) {}

void ConsulClient::next_endpoint() {
  endpoint_ = (endpoint_ + 1) % settings_.endpoints.size();
  http_.reset();
}

Result<ConsulReply> ConsulClient::ask(std::uint64_t index, MonoTime deadline) {
  return reported([&](const Secrets& secrets) { return ask_with(secrets, index, deadline); });
}

Result<ConsulReply> ConsulClient::prove(ConsulReply reply, MonoTime deadline) {
  return reported(
      [&](const Secrets& secrets) { return prove_with(secrets, std::move(reply), deadline); });
}

template <class Ask>
Result<ConsulReply> ConsulClient::reported(const Ask& ask) {
  auto secrets = credentials_.get();
  auto reply =
      secrets ? ask(**secrets) : Result<ConsulReply>(tl::unexpected(std::move(secrets.error())));
  if (reply) return reply;
  ProvisioningError& error = reply.error();
  if (secrets) error.message = without_token(std::move(error.message), (*secrets)->token);
  error = credentials_.explained(std::move(error));
  error.message = settings_.endpoints[endpoint_].text + ": " + error.message;
  return reply;
}

// How long a question that blocks may take to be answered.
Duration ConsulClient::wait_patience() const {
  const Duration stretched = settings_.wait + settings_.wait / 16;
  return std::max<Duration>(stretched + limits::kConsulAnswerMargin, limits::kConsulMinPatience);
}

Result<ConsulReply> ConsulClient::ask_with(const Secrets& secrets, std::uint64_t index,
                                           MonoTime deadline) {
  const Endpoint& endpoint = settings_.endpoints[endpoint_];
  if (!http_) http_.emplace(endpoint, settings_.tls_server_name, io_);
  if (endpoint.scheme == Endpoint::Scheme::Https) {
    // A connection authenticates at its start only: rotated certificates want a new one.
    if (connected_with_ && !connected_with_->same_tls(secrets)) http_->close();
    connected_with_ = secrets;
  }
  HttpRequest request;
  const MonoTime now = io_.clock.now();
  const Duration patience = index == 0 ? Duration(limits::kConsulReadTimeout) : wait_patience();
  request.target = index == 0 ? settings_.target : blocking_target(settings_, index);
  request.answer_by = std::min(now + patience, deadline);
  request.finish_by = std::min(request.answer_by + Duration(limits::kConsulTransfer), deadline);
  request.resend_if_closed = index == 0;
  if (!secrets.token.empty()) request.headers = {{"X-Consul-Token", secrets.token}};
  return put(request, secrets);
}

// An answer that may be believed, unless it is masked.
Result<ConsulReply> ConsulClient::put(const HttpRequest& request, const Secrets& secrets) {
  auto answer = http_->get(request, &secrets);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  const auto index = judge(answer->response, settings_);
  if (!index) return tl::unexpected(index.error());
  const bool masked = secrets.token.empty() && may_hide(answer->response);
  return ConsulReply{*index, std::move(answer->response.body), answer->times, masked};
}

// The agent may be given its token, or lose it, any time: the question is asked again between two
// looks at that.
Result<ConsulReply> ConsulClient::prove_with(const Secrets& secrets, ConsulReply reply,
                                             MonoTime deadline) {
  HttpRequest request;
  request.finish_by = std::min(io_.clock.now() + Duration(limits::kConsulReadTimeout), deadline);
  request.answer_by = request.finish_by;
  const auto before = ask_identity(request, secrets);
  if (!before) return tl::unexpected(before.error());
  if (*before == ConsulIdentity::Nobody) return proves_nothing();
  if (*before == ConsulIdentity::Known) {
    request.target = settings_.target;
    auto again = put(request, secrets);
    if (!again) return again;
    const auto after = ask_identity(request, secrets);
    if (!after) return tl::unexpected(after.error());
    if (*after == ConsulIdentity::Nobody) return proves_nothing();
    reply = std::move(*again);
  }
  reply.masked = false;
  return reply;
}

Result<ConsulIdentity> ConsulClient::ask_identity(HttpRequest request, const Secrets& secrets) {
  request.target = "/v1/acl/token/self";
  auto answer = http_->get(request, &secrets);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  return identity_in(answer->response);
}

}  // namespace rollcall
