#include "providers/consul/consul_stream.h"

#include <algorithm>
#include <utility>

#include "core/codec/canonical.h"
#include "providers/common/endpoint_errors.h"
#include "providers/consul/consul_answer.h"
#include "providers/consul/limits.h"

namespace rollcall {

bool ConsulHistory::note(std::size_t endpoint, std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  if (index >= last_[endpoint]) {
    last_[endpoint] = index;
    return true;
  }
  last_[endpoint] = 0;
  ++lineage_;
  return false;
}

std::uint64_t ConsulHistory::lineage() const {
  const std::lock_guard lock(mutex_);
  return lineage_;
}

namespace {

std::vector<std::uint64_t> ids_of(const std::vector<ClusterNode>& members) {
  std::vector<std::uint64_t> ids;
  ids.reserve(members.size());
  for (const ClusterNode& member : members) ids.push_back(xxh64(member.id.str()));
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

void ConsulHistory::told(const std::vector<ClusterNode>& members) {
  auto ids = ids_of(members);
  const std::lock_guard lock(mutex_);
  told_ = std::move(ids);
}

bool ConsulHistory::takes_away(const std::vector<ClusterNode>& members) const {
  const auto ids = ids_of(members);
  const std::lock_guard lock(mutex_);
  return !std::includes(ids.begin(), ids.end(), told_.begin(), told_.end());
}

bool is_doubtful(const ConsulReply& reply, const std::vector<ClusterNode>& members,
                 const ConsulHistory& history) {
  return reply.masked && (members.empty() || history.takes_away(members));
}

ConsulStream::ConsulStream(std::shared_ptr<const ConsulSettings> settings, const AuthRef& auth,
                           std::shared_ptr<ConsulHistory> history, const Clock& clock)
    : settings_(std::move(settings)),
      history_(std::move(history)),
      clock_(clock),
      io_{clock_, cancel_},
      client_(*settings_, auth, io_),
      bucket_(limits::kConsulBurst, std::min<Duration>(limits::kConsulRefill, settings_->wait)) {}

ProviderEvent ConsulStream::next() {
  const MonoTime round_ends = clock_.now() + Duration(limits::kConsulRound);
  EndpointErrors errors;
  for (std::size_t tried = 0; tried < client_.endpoints();) {
    const bool lost_connection_hides = index_ != 0 && client_.connected();
    auto event = ask(round_ends);
    if (event) return std::move(*event);
    index_ = 0;
    const ErrorCode code = event.error().code;
    if (cancel_.cancelled() || code == ErrorCode::ShuttingDown) {
      return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
    }
    // The agent closed the connection during the wait, as it does when it restarts: it is asked
    // once more, for an answer at once, before it counts as failed.
    if (lost_connection_hides && code == ErrorCode::BackendUnavailable) continue;
    errors.add(event.error());
    if (!may_differ_elsewhere(code)) break;
    client_.next_endpoint();
    ++tried;
    if (clock_.now() + Duration(limits::kConsulMinAttempt) > round_ends) break;
  }
  return FailedAnswer{errors.code(), errors.detail()};
}

Result<ProviderEvent> ConsulStream::ask(MonoTime deadline) {
  const MonoTime from = bucket_.take(clock_.now());
  if (wait_for(-1, 0, from, clock_, cancel_) == Wake::Cancelled) {
    return fail(ErrorCode::ShuttingDown, "cancelled");
  }
  auto reply = client_.ask(index_, deadline);
  if (!reply) return tl::unexpected(std::move(reply.error()));
  return digest(std::move(*reply), deadline);
}

Result<ProviderEvent> ConsulStream::digest(ConsulReply reply, MonoTime deadline) {
  const std::uint64_t body = xxh64(reply.body);
  const bool same_body = told_lineage_ == history_->lineage() && body == told_body_;
  ProviderSnapshot answer;
  std::uint64_t sum = told_members_;
  if (!same_body) {
    auto members = parse_members(reply.body, *settings_);
    if (!members) return tl::unexpected(std::move(members.error()));
    answer.members = std::move(*members);
    sum = 0;
    for (const ClusterNode& member : answer.members) sum += member_hash(member, false);
  }
  // The same members as before take nobody away; that there are none is proven every time.
  const bool doubtful =
      same_body ? reply.masked && told_count_ == 0 : is_doubtful(reply, answer.members, *history_);
  if (doubtful) {
    auto proven = client_.prove(std::move(reply), deadline);
    if (!proven) return tl::unexpected(std::move(proven.error()));
    return digest(std::move(*proven), deadline);
  }
  // Only now: an answer that can't be understood is no evidence about the history.
  if (!history_->note(client_.endpoint(), reply.index)) {
    return fail(ErrorCode::IndexRollback, settings_->endpoints[client_.endpoint()].text +
                                              ": the index fell to " + std::to_string(reply.index) +
                                              ": Consul lost its state or was restored");
  }
  index_ = reply.index;
  const bool same = same_body || (told_lineage_ == history_->lineage() && sum == told_members_ &&
                                  answer.members.size() == told_count_);
  told_body_ = body;
  if (same) return UnchangedAnswer{reply.times};
  told_lineage_ = history_->lineage();
  told_members_ = sum;
  told_count_ = answer.members.size();
  history_->told(answer.members);
  answer.backend_index = std::to_string(reply.index);
  answer.lineage = history_->lineage();
  answer.times = reply.times;
  return answer;
}

}  // namespace rollcall
