// EtcdStore: one key of etcd as a SharedDocument, for the registry of a fleet.
//
// What is there is what a linearizable read says. A watch of the key is only what wakes the reader
// early: whatever may be wrong with one (a compacted revision, one that is never reached, a silent
// server) is made good by the next look. A write is a transaction that compares the key's
// mod_revision and version, or that there is none.
//
// The value is left out of an answer only while a watch that is older than the last look has not
// broken: whatever puts back the state of a store breaks its connections, and then the numbers may
// come again with another value.
//
// Several endpoints are tried in turn within the deadline; the most specific failure is reported.
//
// Threads: a SharedDocument's rules.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "core/shared_document.h"
#include "providers/common/rate_limit.h"
#include "providers/etcd/etcd_calls.h"
#include "providers/etcd/etcd_client.h"
#include "providers/etcd/etcd_watch.h"

namespace rollcall {

struct EtcdStoreTarget {
  std::vector<std::string> endpoints;  // as an operator writes them; checked before
  AuthRef auth;                        // token_file: "user:password"
  std::string tls_server_name;         // empty: the endpoint's host
  std::string key;
};

class EtcdStore final : public SharedDocument {
 public:
  EtcdStore(const EtcdStoreTarget& target, const Clock& clock);
  ~EtcdStore() override;

  Result<SharedState> look(const SharedVersion& known, MonoTime deadline) override;
  tl::expected<SharedVersion, SwapFailure> swap(const SharedVersion& expected,
                                                std::string_view text, MonoTime deadline) override;
  void wait(MonoTime deadline) override;
  void cancel() noexcept override { calls_.cancel(); }

 private:
  Result<SharedState> ask(const SharedVersion& known, MonoTime deadline);
  Result<etcdserverpb::RangeResponse> read(bool keys_only, MonoTime deadline);
  Result<void> open_watch(MonoTime deadline);
  void disconnect();  // the next call connects anew
  tl::unexpected<ProvisioningError> malformed(const std::string& why) const;

  const std::string key_;
  const Clock& clock_;
  EtcdCalls calls_;
  EtcdClient client_;
  TokenBucket bucket_;  // of wake-ups

  std::int64_t revision_ = 0;     // of etcd, at the last look
  SharedVersion last_;            // as the last whole look saw it
  bool last_is_watched_ = false;  // that look came after watch_ began
  std::unique_ptr<EtcdWatch> watch_;
  std::int64_t watched_from_ = 0;
};

}  // namespace rollcall
