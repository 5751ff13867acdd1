// DnsStream: asks again when the TTL of the last answer is over, within the bounds of the settings
// and lengthened at random, so that a fleet does not ask in step. One next() is one look-up, at any
// of the servers, after that time if the last one was answered.
//
// Threads: a ProviderStream's rules.
#pragma once

#include <cstdint>
#include <memory>

#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/common/jitter.h"
#include "providers/common/rate_limit.h"
#include "providers/dns/dns_client.h"
#include "providers/dns/dns_settings.h"

namespace rollcall {

class DnsStream : public ProviderStream {
 public:
  DnsStream(std::shared_ptr<const DnsSettings> settings, std::uint64_t seed, const Clock& clock);
  ProviderEvent next() override;
  void cancel() noexcept override { cancel_.cancel(); }

 private:
  ProviderEvent digest(DnsReply reply);

  const std::shared_ptr<const DnsSettings> settings_;
  const Clock& clock_;
  Cancel cancel_;
  const Io io_;
  TokenBucket bucket_;
  Jitter jitter_;
  MonoTime ask_at_;         // not before
  std::size_t server_ = 0;  // that answered last

  // What was told last.
  bool told_ = false;
  std::uint64_t told_members_ = 0;  // sum of the members' hashes: servers turn records round
  std::size_t told_count_ = 0;
};

// How long an answer holds: its TTL within the settings' bounds.
Duration dns_interval(const DnsSettings& settings, std::chrono::seconds ttl);

}  // namespace rollcall
