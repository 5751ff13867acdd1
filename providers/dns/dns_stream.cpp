#include "providers/dns/dns_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/codec/canonical.h"
#include "providers/dns/limits.h"

namespace rollcall {

Duration dns_interval(const DnsSettings& settings, std::chrono::seconds ttl) {
  return std::clamp<Duration>(ttl, settings.min_ttl, settings.max_ttl);
}

DnsStream::DnsStream(std::shared_ptr<const DnsSettings> settings, std::uint64_t seed,
                     const Clock& clock)
    : settings_(std::move(settings)),
      clock_(clock),
      io_{clock_, cancel_},
      bucket_(limits::kDnsBurst, std::min<Duration>(limits::kDnsRefill, settings_->min_ttl)),
      jitter_(seed),
      ask_at_(clock_.now()) {}

ProviderEvent DnsStream::next() {
  const MonoTime from = std::max(ask_at_, bucket_.take(clock_.now()));
  if (wait_for(-1, 0, from, clock_, cancel_) == Wake::Cancelled) {
    return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
  }
  auto reply = look_up_anywhere(*settings_, server_, MonoTime::max(), io_);
  if (reply) return digest(std::move(*reply));
  if (cancel_.cancelled() || reply.error().code == ErrorCode::ShuttingDown) {
    return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
  }
  return FailedAnswer{reply.error().code, std::move(reply.error().message)};
}

ProviderEvent DnsStream::digest(DnsReply reply) {
  std::uint64_t sum = 0;
  for (const ClusterNode& member : reply.members.members) sum += member_hash(member, false);
  const std::size_t count = reply.members.members.size();
  const Duration interval = dns_interval(*settings_, reply.members.ttl);
  ask_at_ = reply.times.complete + jitter_.lengthened(interval, limits::kDnsJitter);
  if (told_ && sum == told_members_ && count == told_count_) return UnchangedAnswer{reply.times};
  told_ = true;
  told_members_ = sum;
  told_count_ = count;
  ProviderSnapshot answer;
  answer.members = std::move(reply.members.members);
  answer.backend_index = "ttl=" + std::to_string(reply.members.ttl.count());
  answer.times = reply.times;
  return answer;
}

}  // namespace rollcall
