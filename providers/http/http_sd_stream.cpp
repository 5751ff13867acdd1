#include "providers/http/http_sd_stream.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/codec/canonical.h"
#include "providers/common/endpoint_errors.h"
#include "providers/http/limits.h"

namespace rollcall {
namespace {

std::string index_of(const std::string& etag, std::uint64_t body) {
  if (!etag.empty()) return etag;
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), body, 16).ptr;
  return "xxh64:" + std::string(digits.data(), end);
}

}  // namespace

HttpSdStream::HttpSdStream(std::shared_ptr<const HttpSdSettings> settings, const AuthRef& auth,
                           std::uint64_t seed, const Clock& clock)
    : settings_(std::move(settings)),
      clock_(clock),
      io_{clock_, cancel_},
      client_(*settings_, auth, io_),
      bucket_(limits::kHttpSdBurst, std::min<Duration>(limits::kHttpSdRefill, settings_->refresh)),
      jitter_(seed),
      ask_at_(clock_.now()) {}

ProviderEvent HttpSdStream::next() {
  const MonoTime from = std::max(ask_at_, bucket_.take(clock_.now()));
  if (wait_for(-1, 0, from, clock_, cancel_) == Wake::Cancelled) {
    return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
  }
  return ask_all();
}

ProviderEvent HttpSdStream::ask_all() {
  const MonoTime began = clock_.now();
  const MonoTime round_ends = began + std::max<Duration>(limits::kHttpSdRound, settings_->timeout);
  EndpointErrors errors;
  for (std::size_t tried = 0; tried < client_.urls(); ++tried) {
    const MonoTime now = clock_.now();
    if (tried > 0 && now + Duration(limits::kHttpSdMinAttempt) > round_ends) break;
    auto event = ask(std::min(now + settings_->timeout, round_ends));
    if (event) return std::move(*event);
    const ErrorCode code = event.error().code;
    if (cancel_.cancelled() || code == ErrorCode::ShuttingDown) {
      return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
    }
    errors.add(event.error());
    etag_.clear();  // whoever answers next has to say it whole
    if (!may_differ_elsewhere(code)) break;
    client_.next_url();
  }
  return FailedAnswer{errors.code(), errors.detail()};
}

Result<ProviderEvent> HttpSdStream::ask(MonoTime deadline) {
  const bool whole = not_modified_ >= limits::kHttpSdMaxNotModified;
  auto reply = client_.ask(whole ? std::string() : etag_, deadline);
  if (!reply) return tl::unexpected(std::move(reply.error()));
  return digest(std::move(*reply));
}

Result<ProviderEvent> HttpSdStream::digest(HttpSdReply reply) {
  if (reply.verdict == HttpSdVerdict::NotModified) {
    ++not_modified_;
    return confirmed(UnchangedAnswer{reply.times}, reply.times);
  }
  const std::uint64_t body = xxh64(reply.body);
  const bool same_body = told_ && body == told_body_;
  ProviderSnapshot answer;
  std::uint64_t sum = told_members_;
  if (!same_body) {
    auto members = parse_http_sd(reply.body, *settings_);
    if (!members) return tl::unexpected(client_.told(std::move(members.error())));
    answer.members = std::move(*members);
    sum = 0;
    for (const ClusterNode& member : answer.members) sum += member_hash(member, false);
  }
  const bool same =
      same_body || (told_ && sum == told_members_ && answer.members.size() == told_count_);
  etag_ = std::move(reply.etag);
  not_modified_ = 0;
  told_body_ = body;
  if (same) return confirmed(UnchangedAnswer{reply.times}, reply.times);
  told_ = true;
  told_members_ = sum;
  told_count_ = answer.members.size();
  answer.backend_index = index_of(reply.shown_etag, body);
  answer.times = reply.times;
  const AnswerTimes times = reply.times;
  return confirmed(std::move(answer), times);
}

ProviderEvent HttpSdStream::confirmed(ProviderEvent event, const AnswerTimes& times) {
  ask_at_ = times.complete + jitter_.lengthened(settings_->refresh, limits::kHttpSdRefreshJitter);
  return event;
}

}  // namespace rollcall
