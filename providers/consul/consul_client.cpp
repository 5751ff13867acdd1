#include "providers/consul/consul_client.h"

#include <algorithm>
#include <utility>

#include "core/codec/large_json.h"
#include "providers/consul/consul_answer.h"
#include "providers/consul/limits.h"

namespace rollcall {
namespace {

constexpr std::string_view kAnonymous = "00000000-0000-0000-0000-000000000002";

bool is_empty_list(std::string_view body) {
  return body.size() < 16 && body.find_first_not_of("[] \t\r\n") == std::string_view::npos;
}

}  // namespace

ConsulClient::ConsulClient(const ConsulSettings& settings, const AuthRef& auth, const Io& io)
    : settings_(settings), io_(io), credentials_(auth, io.clock) {}

void ConsulClient::next_endpoint() {
  endpoint_ = (endpoint_ + 1) % settings_.endpoints.size();
  http_.reset();
}

Result<ConsulReply> ConsulClient::ask(std::uint64_t index, MonoTime deadline) {
  auto secrets = credentials_.get();
  auto reply = secrets ? ask_with(**secrets, index, deadline)
                       : Result<ConsulReply>(tl::unexpected(std::move(secrets.error())));
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

  auto answer = put(request, secrets);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  const bool proves_nothing = is_empty_list(answer->response.body) && secrets.token.empty() &&
                              denies_by_default(answer->response);
  if (proves_nothing) {
    answer = prove_empty(secrets, deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
  }
  return ConsulReply{*judge(answer->response, settings_), std::move(answer->response.body),
                     answer->times};
}

// An answer that may be believed.
Result<HttpAnswer> ConsulClient::put(const HttpRequest& request, const Secrets& secrets) {
  auto answer = http_->get(request, &secrets);
  if (!answer) return answer;
  if (auto judged = judge(answer->response, settings_); !judged) {
    return tl::unexpected(std::move(judged.error()));
  }
  return answer;
}

// Consul leaves out X-Consul-Results-Filtered-By-ACLs for requests without a token, so that
// strangers learn nothing: what they may not see looks like an empty cluster. It tells the two
// apart only while the agent puts a default token of its own under such requests. So the question
// is asked again between two looks at that: the agent may be given its token, or lose it, any time.
Result<HttpAnswer> ConsulClient::prove_empty(const Secrets& secrets, MonoTime deadline) {
  HttpRequest request;
  request.finish_by = std::min(io_.clock.now() + Duration(limits::kConsulReadTimeout), deadline);
  request.answer_by = request.finish_by;
  if (auto known = has_identity(request, secrets); !known) {
    return tl::unexpected(std::move(known.error()));
  }
  request.target = settings_.target;
  auto answer = put(request, secrets);
  if (!answer || !is_empty_list(answer->response.body)) return answer;
  if (auto known = has_identity(request, secrets); !known) {
    return tl::unexpected(std::move(known.error()));
  }
  return answer;
}

Result<void> ConsulClient::has_identity(HttpRequest request, const Secrets& secrets) {
  request.target = "/v1/acl/token/self";
  auto answer = http_->get(request, &secrets);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  if (answer->response.status == 200) {
    auto document = LargeJson::parse(answer->response.body);
    if (!document) return tl::unexpected(std::move(document.error()));
    const auto accessor = document->root().get("AccessorID").string();
    if (accessor && *accessor != kAnonymous) return {};
  }
  return fail(ErrorCode::PermissionDenied,
              "an empty answer to a request without a token proves nothing where Consul's access "
              "control denies by default: give auth.token_file");
}

}  // namespace rollcall
