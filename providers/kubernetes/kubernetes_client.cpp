#include "providers/kubernetes/kubernetes_client.h"

#include <algorithm>
#include <utility>

#include "providers/kubernetes/limits.h"

namespace rollcall {
namespace {

// Objects without their content; a server that can't leave it out sends them whole.
constexpr const char* kNamesOnly =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json";

}  // namespace

KubernetesClient::KubernetesClient(std::shared_ptr<const KubernetesSettings> settings,
                                   PodSurroundings pod, const Io& io)
    : settings_(std::move(settings)), pod_(std::move(pod)), io_(io) {}

// Where the endpoint is the pod's own cluster, only the pod knows where that is.
Result<void> KubernetesClient::settle_once() {
  if (settled_) return {};
  auto settled = settle(*settings_, pod_);
  if (!settled) return tl::unexpected(std::move(settled.error()));
  settled_ = std::move(*settled);
  credentials_.emplace(settled_->auth, io_.clock);
  return {};
}

void KubernetesClient::close() {
  http_.reset();
  watch_.reset();
}

void KubernetesClient::next_endpoint() {
  close();
  endpoint_ = (endpoint_ + 1) % endpoints();
}

// A connection authenticates at its start only: rotated certificates want new ones.
void KubernetesClient::renew_connections(const Secrets& secrets) {
  const bool rotated = connected_with_ && !connected_with_->same_tls(secrets);
  if (rotated && endpoint().scheme == Endpoint::Scheme::Https) close();
  connected_with_ = secrets;
  if (!http_) http_.emplace(endpoint(), settled_->tls_server_name, io_);
  if (!watch_) watch_.emplace(endpoint(), settled_->tls_server_name, io_);
}

template <class Ask>
auto KubernetesClient::authenticated(Ask ask) -> decltype(ask(Secrets{})) {
  if (auto ready = settle_once(); !ready) return tl::unexpected(std::move(ready.error()));
  for (bool again = false;; again = true) {
    auto secrets = credentials_->get();
    if (!secrets) return tl::unexpected(std::move(secrets.error()));
    const Secrets used = **secrets;
    renew_connections(used);
    auto reply = ask(used);
    if (reply) return reply;
    ProvisioningError& error = reply.error();
    error = credentials_->explained(std::move(error));
    if (!again && error.code == ErrorCode::AuthFailed) {
      auto fresh = credentials_->get();
      if (fresh && (*fresh)->token != used.token) continue;
    }
    error.message = endpoint().text + ": " + without_token(std::move(error.message), used.token);
    return reply;
  }
}

HttpRequest KubernetesClient::request(const std::string& target, Content content,
                                      const Secrets& secrets, MonoTime deadline) const {
  HttpRequest request;
  request.target = target;
  request.answer_by = deadline;
  request.finish_by = deadline;
  if (content == Content::Names) request.headers.emplace_back("Accept", kNamesOnly);
  if (!secrets.token.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + secrets.token);
  }
  return request;
}

Result<HttpAnswer> KubernetesClient::get(const std::string& target, Content content,
                                         MonoTime deadline) {
  return authenticated([&](const Secrets& secrets) -> Result<HttpAnswer> {
    auto answer = http_->get(request(target, content, secrets, deadline), &secrets);
    if (!answer) return answer;
    if (auto judged = judge(answer->response); !judged) {
      return tl::unexpected(std::move(judged.error()));
    }
    return answer;
  });
}

Result<SliceList> KubernetesClient::list(MonoTime deadline) {
  if (auto ready = settle_once(); !ready) return tl::unexpected(std::move(ready.error()));
  for (int tries = 1;; ++tries) {
    auto list = list_once(deadline);
    if (list || list.error().code != ErrorCode::OutOfOrder) return list;
    if (tries == limits::kKubernetesListTries) {
      return fail(
          ErrorCode::BackendUnavailable,
          "the list was gone before its last page, again and again: " + list.error().message);
    }
  }
}

Result<SliceList> KubernetesClient::list_once(MonoTime deadline) {
  const std::string first = settled_->collection() + "?" + settled_->selector() +
                            "&limit=" + std::to_string(settled_->page_size);
  SliceList list;
  std::size_t endpoints = 0;
  for (std::string continuation;;) {
    const std::string target =
        continuation.empty() ? first : first + "&continue=" + percent_encoded(continuation);
    auto answer = get(target, Content::Slices, deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    auto page = parse_page(answer->response.body, *settled_);
    if (!page) return tl::unexpected(std::move(page.error()));
    if (list.version.empty()) {
      list.version = page->version;
      list.times = answer->times;
    } else if (list.version != page->version) {
      return fail(ErrorCode::OutOfOrder, "the pages of a list are of different versions");
    }
    for (EndpointSlice& slice : page->slices) {
      endpoints += slice.endpoints.size();
      list.slices.push_back(std::move(slice));
    }
    if (list.slices.size() > limits::kKubernetesSlices ||
        endpoints > limits::kKubernetesEndpoints) {
      return fail(ErrorCode::LimitExceeded, "the service has too many endpoints");
    }
    list.times.complete = answer->times.complete;
    list.times.observed_at = answer->times.observed_at;
    if (page->continuation.empty()) return list;
    if (page->slices.empty()) {
      return fail(ErrorCode::MalformedResponse, "a page without slices that is not the last");
    }
    continuation = std::move(page->continuation);
  }
}

Result<SliceProof> KubernetesClient::head(MonoTime deadline) {
  if (auto ready = settle_once(); !ready) return tl::unexpected(std::move(ready.error()));
  auto answer = get(settled_->collection() + "?" + settled_->selector() + "&limit=1",
                    Content::Names, deadline);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  auto head = parse_head(answer->response.body);
  if (!head) return tl::unexpected(std::move(head.error()));
  return SliceProof{std::move(*head), answer->times};
}

Result<std::string> KubernetesClient::cluster_identity(MonoTime deadline) {
  auto answer = get("/api/v1/namespaces/kube-system", Content::Slices, deadline);
  if (answer) return parse_uid(answer->response.body);
  const ErrorCode code = answer.error().code;
  const bool not_ours_to_know =
      code == ErrorCode::PermissionDenied || code == ErrorCode::CapabilityMissing;
  if (not_ours_to_know) return std::string();
  return tl::unexpected(std::move(answer.error()));
}

Result<void> KubernetesClient::watch(const std::string& version, std::int64_t seconds,
                                     MonoTime deadline) {
  if (auto ready = settle_once(); !ready) return ready;
  const std::string target =
      settled_->collection() + "?" + settled_->selector() +
      "&watch=true&allowWatchBookmarks=true&resourceVersion=" + percent_encoded(version) +
      "&timeoutSeconds=" + std::to_string(seconds);
  return authenticated([&](const Secrets& secrets) -> Result<void> {
    auto head = watch_->open(request(target, Content::Slices, secrets, deadline), &secrets);
    if (!head) return tl::unexpected(std::move(head.error()));
    return judge(*head);
  });
}

Result<std::size_t> KubernetesClient::read_watch(std::string& into, MonoTime deadline) {
  if (!watch_) return fail(ErrorCode::BackendUnavailable, "there is no watch");
  return watch_->read(into, deadline);
}

}  // namespace rollcall
