#include "providers/etcd/etcd_store.h"

#include <algorithm>
#include <utility>

#include "core/codec/canonical.h"
#include "providers/common/cancel.h"
#include "providers/common/endpoint_errors.h"
#include "providers/etcd/etcd_settings.h"
#include "providers/etcd/limits.h"

namespace rollcall {

using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

namespace {

EtcdTarget client_target(const EtcdStoreTarget& target) {
  ProviderDescriptor d;
  d.endpoints = target.endpoints;
  return {etcd_settings(d).endpoints, target.tls_server_name, target.auth};
}

// Each endpoint that is left gets its share of the time that is left.
MonoTime share_of(MonoTime deadline, MonoTime now, std::size_t endpoints_left) {
  const Duration share = (deadline - now) / static_cast<std::int64_t>(endpoints_left);
  const Duration least = limits::kEtcdMinAttempt;
  return std::min(
      {deadline, now + std::max(share, least), now + Duration(limits::kEtcdCallTimeout)});
}

SharedVersion version_of(const RangeResponse& answer) {
  SharedVersion version;
  version.history = answer.header().cluster_id();
  if (answer.kvs().empty()) return version;
  version.written = answer.kvs(0).mod_revision();
  version.writes = answer.kvs(0).version();
  return version;
}

void compare(TxnRequest& request, const std::string& key, const SharedVersion& expected) {
  const auto add = [&](Compare::CompareTarget target) -> Compare& {
    Compare& one = *request.add_compare();
    one.set_key(key);
    one.set_result(Compare::EQUAL);
    one.set_target(target);
    return one;
  };
  if (expected.written == 0) {
    add(Compare::CREATE).set_create_revision(0);
    return;
  }
  add(Compare::MOD).set_mod_revision(expected.written);
  add(Compare::VERSION).set_version(expected.writes);
}

// Whether etcd may have done, or may yet do, what was asked. Its own refusals are certain; what was
// said by others (TLS, a proxy) after the request had gone out is not.
SwapFailure failed_swap(ProvisioningError error) {
  const auto says = [&](const char* text) { return error.message.find(text) != std::string::npos; };
  if (says("request is too large")) error.code = ErrorCode::LimitExceeded;
  const bool lost = error.code == ErrorCode::Timeout || error.code == ErrorCode::ShuttingDown ||
                    (error.code == ErrorCode::BackendUnavailable && !says("space exceeded")) ||
                    (error.code != ErrorCode::LimitExceeded && !says("etcdserver: "));
  return {lost ? SwapFailure::Kind::Unknown : SwapFailure::Kind::Refused, std::move(error)};
}

}  // namespace

EtcdStore::EtcdStore(const EtcdStoreTarget& target, const Clock& clock)
    : key_(target.key),
      clock_(clock),
      client_(client_target(target), clock, calls_),
      bucket_(limits::kEtcdBurst, limits::kEtcdStoreRefill) {}

EtcdStore::~EtcdStore() = default;

tl::unexpected<ProvisioningError> EtcdStore::malformed(const std::string& why) const {
  return fail(ErrorCode::MalformedResponse, client_.endpoint() + ": " + why);
}

Result<SharedState> EtcdStore::look(const SharedVersion& known, MonoTime deadline) {
  EndpointErrors errors;
  for (std::size_t tried = 0; tried < client_.endpoints();) {
    const MonoTime now = clock_.now();
    if (tried > 0 && now + Duration(limits::kEtcdMinAttempt) > deadline) break;
    const bool connected = client_.channel() != nullptr;
    auto state = ask(known, share_of(deadline, now, client_.endpoints() - tried));
    if (state) return state;
    disconnect();
    if (calls_.cancelled()) return fail(ErrorCode::ShuttingDown, "cancelled");
    // An old connection may be gone since the member restarted: it is asked once more.
    if (connected && state.error().code == ErrorCode::BackendUnavailable) continue;
    errors.add(state.error());
    if (!may_differ_elsewhere(state.error().code)) break;
    client_.next_endpoint();
    ++tried;
  }
  return fail(errors.code(), errors.detail());
}

void EtcdStore::disconnect() {
  watch_.reset();
  client_.disconnect();
}

Result<SharedState> EtcdStore::ask(const SharedVersion& known, MonoTime deadline) {
  if (known.written != 0 && known == last_ && last_is_watched_ && watch_ != nullptr) {
    auto head = read(/*keys_only=*/true, deadline);
    if (!head) return tl::unexpected(std::move(head.error()));
    SharedVersion version = version_of(*head);
    version.digest = known.digest;
    if (watch_ != nullptr && version == known) return SharedState{known, std::nullopt};
  }
  auto whole = read(/*keys_only=*/false, deadline);
  if (!whole) return tl::unexpected(std::move(whole.error()));
  SharedState state;
  state.version = version_of(*whole);
  if (state.version.written != 0) {
    state.text = std::move(*whole->mutable_kvs(0)->mutable_value());
    state.version.digest = xxh64(*state.text);
  }
  last_ = state.version;
  last_is_watched_ = watch_ != nullptr;
  return state;
}

Result<RangeResponse> EtcdStore::read(bool keys_only, MonoTime deadline) {
  RangeRequest request;
  request.set_key(key_);
  request.set_keys_only(keys_only);
  auto answer = client_.range(request, deadline);
  if (!answer) return answer;
  const auto& header = answer->header();
  if (header.cluster_id() == 0 || header.revision() <= 0) return malformed("no etcd header");
  if (answer->kvs_size() > 1) return malformed("more keys than were asked for");
  if (answer->kvs_size() == 1) {
    const mvccpb::KeyValue& kv = answer->kvs(0);
    if (kv.key() != key_ || kv.mod_revision() <= 0 || kv.version() <= 0 ||
        kv.mod_revision() > header.revision()) {
      return malformed("an answer that contradicts itself");
    }
  }
  // A watch from a revision that is yet to come again would wait for it in silence.
  if (watch_ && header.revision() + 1 < watched_from_) watch_.reset();
  revision_ = header.revision();
  return answer;
}

tl::expected<SharedVersion, SwapFailure> EtcdStore::swap(const SharedVersion& expected,
                                                         std::string_view text, MonoTime deadline) {
  TxnRequest request;
  compare(request, key_, expected);
  etcdserverpb::PutRequest& put = *request.add_success()->mutable_request_put();
  put.set_key(key_);
  put.set_value(std::string(text));
  auto answer = client_.transact(
      request, std::min(deadline, clock_.now() + Duration(limits::kEtcdCallTimeout)));
  if (!answer) {
    disconnect();
    return tl::unexpected(failed_swap(std::move(answer.error())));
  }
  if (!answer->succeeded()) {
    return tl::unexpected(
        SwapFailure{SwapFailure::Kind::Changed,
                    {ErrorCode::RevisionConflict, "the key was written meanwhile", {}, 0}});
  }
  const auto& header = answer->header();
  // The endpoint is another cluster's since the look: what was compared there says nothing.
  if (header.cluster_id() != expected.history || header.revision() <= expected.written) {
    return tl::unexpected(
        SwapFailure{SwapFailure::Kind::Unknown,
                    malformed("the answer to a write is of another history").value()});
  }
  return SharedVersion{header.cluster_id(), header.revision(),
                       expected.written == 0 ? 1 : expected.writes + 1, xxh64(text)};
}

Result<void> EtcdStore::open_watch(MonoTime deadline) {
  const MonoTime until = std::min(deadline, clock_.now() + Duration(limits::kEtcdCallTimeout));
  auto watch = EtcdWatch::open(client_, key_, "", revision_ + 1, until);
  if (!watch) return tl::unexpected(std::move(watch.error()));
  watch_ = std::move(*watch);
  watched_from_ = revision_ + 1;
  last_is_watched_ = false;
  return {};
}

void EtcdStore::wait(MonoTime deadline) {
  const MonoTime from = std::min(deadline, bucket_.take(clock_.now()));
  if (wait_for(-1, 0, from, clock_, calls_.token()) == Wake::Cancelled) return;
  // A watch that can't be had is no failure: the next look tells whether etcd can.
  const bool watching = watch_ != nullptr || open_watch(deadline).has_value();
  while (watching && clock_.now() < deadline) {
    auto answer = watch_->next(deadline);
    if (!answer) return disconnect();
    if (*answer && ((*answer)->canceled() || (*answer)->compact_revision() != 0)) {
      watch_.reset();
      return;
    }
    if (*answer && !(*answer)->events().empty()) return;
  }
  if (!watching) wait_for(-1, 0, deadline, clock_, calls_.token());
}

}  // namespace rollcall
