// ConsulStream: follows the instances of a service with blocking queries. One next() is one round:
// the current endpoint is asked, and, if it fails, the others in turn, within a time that lets a
// failure be told before silence would be taken for one.
//
// The index rules (PROTOCOLS "Consul"): content is compared, for returning does not mean that
// something changed; an index below the endpoint's last one is INDEX_ROLLBACK and begins a new
// lineage; after any failure, and at another endpoint, the first question does not block.
// Without a token an answer that is empty, or takes away members that were told of before, may be
// one that Consul filtered without a word: it counts only once it is proven (ConsulClient::prove).
//
// Threads: a ProviderStream's rules.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/common/rate_limit.h"
#include "providers/consul/consul_client.h"
#include "providers/consul/consul_settings.h"

namespace rollcall {

// What a provider knows of its endpoints' histories, and whom it told of last. It outlives a
// stream, so that a state that was lost while nobody watched is noticed by the next one.
class ConsulHistory {
 public:
  explicit ConsulHistory(std::size_t endpoints) : last_(endpoints, 0) {}

  // Notes the index of a confirmed answer. False: it is below the last one; then a new lineage has
  // begun and the endpoint's index is forgotten.
  bool note(std::size_t endpoint, std::uint64_t index);
  std::uint64_t lineage() const;

  void told(const std::vector<ClusterNode>& members);
  // Whether members that were told of last are not among these.
  bool takes_away(const std::vector<ClusterNode>& members) const;

 private:
  mutable std::mutex mutex_;         // guards all; two streams may overlap for a moment
  std::vector<std::uint64_t> last_;  // 0: none
  std::uint64_t lineage_ = 0;
  std::vector<std::uint64_t> told_;  // XXH64 of their ids, sorted
};

// Whether these members of a reply have to be proven first.
bool is_doubtful(const ConsulReply& reply, const std::vector<ClusterNode>& members,
                 const ConsulHistory& history);

class ConsulStream : public ProviderStream {
 public:
  ConsulStream(std::shared_ptr<const ConsulSettings> settings, const AuthRef& auth,
               std::shared_ptr<ConsulHistory> history, const Clock& clock);
  ProviderEvent next() override;
  void cancel() noexcept override { cancel_.cancel(); }

 private:
  // Waits for the bucket, asks, and turns the reply into an event.
  Result<ProviderEvent> ask(MonoTime deadline);
  Result<ProviderEvent> digest(ConsulReply reply, MonoTime deadline);

  const std::shared_ptr<const ConsulSettings> settings_;
  const std::shared_ptr<ConsulHistory> history_;
  const Clock& clock_;
  Cancel cancel_;
  const Io io_;
  ConsulClient client_;
  TokenBucket bucket_;
  std::uint64_t index_ = 0;  // to wait for a change after; 0: the next question does not block

  // What was told last; the lineage of none is none.
  std::optional<std::uint64_t> told_lineage_;
  std::uint64_t told_body_ = 0;     // XXH64 of the body: equal ones aren't even parsed
  std::uint64_t told_members_ = 0;  // sum of the members' hashes: indexes and check outputs differ
  std::size_t told_count_ = 0;
};

}  // namespace rollcall
