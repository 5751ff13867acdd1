// KubernetesClient: asks one API server at a time: lists, the small read beside the watch, and the
// watch itself, which has a connection of its own (a read that waits must not hold the watch, and a
// half-open connection of one is not hidden by the other).
//
// Errors are kubernetes_answer.h's, HttpClient's and Credentials', with the endpoint in front and
// the token taken out: whoever answers may send back what it was sent. After a 401 the token is
// read again, and the question put once more if it has changed.
//
// Threads: belongs to one; only the Cancel in `io` is touched from others.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/provider.h"
#include "providers/common/credentials.h"
#include "providers/common/http_client.h"
#include "providers/common/http_stream.h"
#include "providers/kubernetes/kubernetes_answer.h"
#include "providers/kubernetes/kubernetes_settings.h"

namespace rollcall {

struct SliceList {
  std::vector<EndpointSlice> slices;
  std::string version;
  AnswerTimes times;
};

struct SliceProof {
  SliceHead head;
  AnswerTimes times;
};

class KubernetesClient {
 public:
  KubernetesClient(std::shared_ptr<const KubernetesSettings> settings, PodSurroundings pod,
                   const Io& io);

  // All slices of the service, of one moment: a page that is gone, or of another moment, begins the
  // list anew.
  Result<SliceList> list(MonoTime deadline);
  // The head of a list of this moment, from etcd's quorum and not from the server's cache.
  Result<SliceProof> head(MonoTime deadline);
  // What tells this cluster from any other: the uid of the namespace kube-system. Empty: the
  // credentials may not read it.
  Result<std::string> cluster_identity(MonoTime deadline);

  // Begins to watch what follows `version`. OUT_OF_ORDER: that is too long ago.
  Result<void> watch(const std::string& version, std::int64_t seconds, MonoTime deadline);
  bool watching() const { return watch_ && watch_->is_open(); }
  // HttpStream::read().
  Result<std::size_t> read_watch(std::string& into, MonoTime deadline);

  void close();  // all connections
  std::size_t endpoints() const { return settled_ ? settled_->endpoints.size() : 1; }
  void next_endpoint();
  const KubernetesSettings& settings() const { return settled_ ? *settled_ : *settings_; }

 private:
  enum class Content { Slices, Names };

  Result<void> settle_once();
  Result<SliceList> list_once(MonoTime deadline);
  Result<HttpAnswer> get(const std::string& target, Content content, MonoTime deadline);
  HttpRequest request(const std::string& target, Content content, const Secrets& secrets,
                      MonoTime deadline) const;
  const Endpoint& endpoint() const { return settled_->endpoints[endpoint_]; }
  void renew_connections(const Secrets& secrets);
  // Asks with the secrets there are, and, after a 401, with changed ones.
  template <class Ask>
  auto authenticated(Ask ask) -> decltype(ask(Secrets{}));

  const std::shared_ptr<const KubernetesSettings> settings_;  // as configured
  const PodSurroundings pod_;
  Io io_;
  std::optional<KubernetesSettings> settled_;
  std::optional<Credentials> credentials_;
  std::size_t endpoint_ = 0;
  std::optional<HttpClient> http_;
  std::optional<HttpStream> watch_;
  std::optional<Secrets> connected_with_;  // what TLS was set up with
};

}  // namespace rollcall
