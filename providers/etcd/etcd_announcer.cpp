#include "providers/etcd/etcd_announcer.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "core/codec/json_writer.h"
#include "core/codec/node_codec.h"
#include "core/text.h"
#include "providers/common/endpoint_errors.h"
#include "providers/etcd/etcd_calls.h"
#include "providers/etcd/etcd_client.h"
#include "providers/etcd/etcd_member.h"
#include "providers/etcd/limits.h"

namespace rollcall {
namespace {

using etcdserverpb::Compare;
using mvccpb::KeyValue;

// etcd counts in seconds; a lease of less than was asked for would run out between renewals.
std::int64_t whole_seconds(Duration d) {
  return std::chrono::ceil<std::chrono::seconds>(d).count();
}

bool same_address(const ClusterNode& a, const ClusterNode& b) {
  return a.host == b.host && a.port == b.port;
}

class EtcdAnnouncer : public Announcer {
 public:
  EtcdAnnouncer(std::shared_ptr<const EtcdSettings> settings, const AuthRef& auth,
                const Announcement& what, const Clock& clock)
      : settings_(std::move(settings)),
        what_(what),
        key_(settings_->prefix + what.node.id.str()),
        clock_(clock),
        client_({settings_->endpoints, settings_->tls_server_name, auth}, clock, calls_) {}

  const std::string& registration() const override { return key_; }

  Result<Announced> register_node(MonoTime deadline) override {
    JsonWriter writer;
    write_node(what_.node, writer);
    auto value = std::move(writer).finish();
    if (!value) return tl::unexpected(std::move(value.error()));
    return with_endpoints<Announced>(deadline,
                                     [&](MonoTime by) { return register_at_one(*value, by); });
  }

  Result<Standing> renew(MonoTime deadline) override {
    if (lease_ == 0) return Standing::NotKnown;
    return with_endpoints<Standing>(deadline, [&](MonoTime by) { return renew_at_one(by); });
  }

  // Revoking deletes the key; if that has another lease by now, it is somebody else's.
  Result<void> withdraw(MonoTime deadline) override {
    if (lease_ == 0) return {};
    auto done = with_endpoints<bool>(deadline, [&](MonoTime by) -> Result<bool> {
      etcdserverpb::LeaseRevokeRequest request;
      request.set_id(lease_);
      auto revoked = client_.revoke(request, by);
      if (revoked) return true;
      // One that is not there (any more) is an error to etcd.
      const auto alive = lease_lives(by);
      if (alive && !*alive) return true;
      return tl::unexpected(std::move(revoked.error()));
    });
    if (!done) return tl::unexpected(std::move(done.error()));
    lease_ = 0;
    return {};
  }

  void cancel() noexcept override { calls_.cancel(); }

 private:
  // At the endpoint at hand, and after a failure at the others: all are members of one cluster.
  // Each has an equal share of the time that is left.
  template <class T, class Attempt>
  Result<T> with_endpoints(MonoTime deadline, const Attempt& attempt) {
    EndpointErrors errors;
    for (std::size_t left = client_.endpoints(); left > 0;) {
      const MonoTime now = clock_.now();
      const bool connected = client_.channel() != nullptr;
      auto answer = attempt(now + (deadline - now) / static_cast<std::int64_t>(left));
      if (answer) return answer;
      const ErrorCode code = answer.error().code;
      if (code == ErrorCode::DuplicateName) return answer;
      // A channel that was refused waits up to two minutes before it tries again, far beyond a TTL:
      // each call has a new one.
      client_.disconnect();
      // An old connection may be gone since the member restarted: it is asked once more.
      if (connected && code == ErrorCode::BackendUnavailable && !calls_.cancelled()) continue;
      if (client_.endpoints() == 1) return answer;
      errors.add(answer.error());
      if (!may_differ_elsewhere(code)) break;
      client_.next_endpoint();
      --left;
    }
    return fail(errors.code(), errors.detail());
  }

  Result<bool> lease_lives(MonoTime deadline) {
    auto kept = client_.keep_alive(lease_, deadline);
    if (!kept) return tl::unexpected(std::move(kept.error()));
    if (kept->ttl() > 0) return true;
    lease_ = 0;
    return false;
  }

  // The key as it is now; nothing: there is none.
  Result<std::optional<KeyValue>> read(MonoTime deadline) {
    etcdserverpb::RangeRequest request;
    request.set_key(key_);
    auto answer = client_.range(request, deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    if (answer->kvs_size() == 0) return std::optional<KeyValue>();
    return std::optional<KeyValue>(answer->kvs(0));
  }

  Result<Announced> register_at_one(const std::string& value, MonoTime deadline) {
    // A lease from before, which may have run out since.
    if (lease_ != 0) {
      if (auto lives = lease_lives(deadline); !lives) {
        return tl::unexpected(std::move(lives.error()));
      }
    }
    if (lease_ == 0) {
      etcdserverpb::LeaseGrantRequest request;
      request.set_ttl(whole_seconds(what_.ttl));
      auto lease = client_.grant(request, deadline);
      if (!lease) return tl::unexpected(std::move(lease.error()));
      lease_ = lease->id();
      ttl_ = std::chrono::seconds(lease->ttl());
    }
    auto known = read(deadline);
    if (!known) return tl::unexpected(std::move(known.error()));
    if (auto free = may_take(*known); !free) return tl::unexpected(std::move(free.error()));
    if (auto put = put_if_unchanged(value, *known, deadline); !put) {
      return tl::unexpected(std::move(put.error()));
    }
    return Announced{ttl_, what_.node.id};
  }

  // What an earlier life of this sidecar left under its address, or nobody's.
  Result<void> may_take(const std::optional<KeyValue>& known) const {
    if (!known || known->lease() == lease_) return {};
    const auto member = parse_etcd_member(what_.node.id.str(), known->value(), settings_->id);
    if (member && same_address(*member, what_.node)) return {};
    const std::string who =
        member ? printable(member->host, limits::kMaxHostBytes) + ":" + std::to_string(member->port)
               : std::string("a value that is no member");
    return fail(ErrorCode::DuplicateName,
                "the key " + printable(key_, limits::kMaxNodeIdBytes) + " holds " + who +
                    (known->lease() == 0 ? ", and has no lease: delete it, or choose another "
                                           "announce.node_id"
                                         : ": choose another announce.node_id, or wait until the "
                                           "lease of that one has run out"));
  }

  Result<void> put_if_unchanged(const std::string& value, const std::optional<KeyValue>& known,
                                MonoTime deadline) {
    if (known && known->lease() == lease_ && known->value() == value) return {};
    etcdserverpb::TxnRequest request;
    Compare& compare = *request.add_compare();
    compare.set_key(key_);
    compare.set_target(Compare::MOD);
    compare.set_mod_revision(known ? known->mod_revision() : 0);  // 0: there is no such key
    etcdserverpb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(key_);
    put.set_value(value);
    put.set_lease(lease_);
    auto answer = client_.transact(request, deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    if (answer->succeeded()) return {};
    return fail(ErrorCode::BackendUnavailable,
                client_.endpoint() + ": the key was written by somebody else at this moment");
  }

  Result<Standing> renew_at_one(MonoTime deadline) {
    auto lives = lease_lives(deadline);
    if (!lives) return tl::unexpected(std::move(lives.error()));
    if (!*lives) return Standing::NotKnown;
    auto known = read(deadline);
    if (!known) return tl::unexpected(std::move(known.error()));
    const bool ours = *known && (*known)->lease() == lease_;
    return ours ? Standing::Known : Standing::NotKnown;
  }

  const std::shared_ptr<const EtcdSettings> settings_;
  const Announcement what_;
  const std::string key_;
  const Clock& clock_;
  EtcdCalls calls_;
  EtcdClient client_;
  std::int64_t lease_ = 0;  // 0: none
  Duration ttl_{};          // of the lease, as etcd has it
};

}  // namespace

std::unique_ptr<Announcer> make_etcd_announcer(std::shared_ptr<const EtcdSettings> settings,
                                               const AuthRef& auth, const Announcement& what,
                                               const Clock& clock) {
  return std::make_unique<EtcdAnnouncer>(std::move(settings), auth, what, clock);
}

}  // namespace rollcall
