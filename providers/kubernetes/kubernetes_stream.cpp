#include "providers/kubernetes/kubernetes_stream.h"

#include <algorithm>
#include <utility>

#include "core/codec/large_json.h"
#include "providers/common/endpoint_errors.h"
#include "providers/kubernetes/limits.h"

namespace rollcall {
namespace {

// What was said about the view is no longer to be built on.
bool spoils_the_view(ErrorCode code) {
  return code == ErrorCode::MalformedResponse || code == ErrorCode::LimitExceeded ||
         code == ErrorCode::IndexRollback;
}

}  // namespace

bool KubernetesHistory::note(const std::string& version) {
  const std::lock_guard lock(mutex_);
  const auto order = compare_versions(version, newest_);
  const bool fell = order && *order < 0;
  if (fell) ++lineage_;
  newest_ = version;
  return !fell;
}

void KubernetesHistory::broke() {
  const std::lock_guard lock(mutex_);
  ++lineage_;
}

void KubernetesHistory::advance(const std::string& version) {
  const std::lock_guard lock(mutex_);
  const auto order = compare_versions(version, newest_);
  if (order && *order > 0) newest_ = version;
}

bool KubernetesHistory::identify(const std::string& cluster) {
  if (cluster.empty()) return true;
  const std::lock_guard lock(mutex_);
  const bool known = !cluster_.empty();
  if (cluster == cluster_) return true;
  cluster_ = cluster;
  if (!known) return true;
  ++lineage_;
  newest_.clear();  // another cluster counts by itself
  return false;
}

std::uint64_t KubernetesHistory::lineage() const {
  const std::lock_guard lock(mutex_);
  return lineage_;
}

KubernetesStream::KubernetesStream(std::shared_ptr<const KubernetesSettings> settings,
                                   PodSurroundings pod, std::shared_ptr<KubernetesHistory> history,
                                   const Clock& clock, std::uint64_t seed)
    : history_(std::move(history)),
      clock_(clock),
      io_{clock_, cancel_},
      attest_every_(settings->attest),
      client_(std::move(settings), std::move(pod), io_),
      bucket_(limits::kKubernetesOpenBurst, limits::kKubernetesOpenRefill),
      random_(seed) {}

std::int64_t KubernetesStream::random_between(std::int64_t min, std::int64_t max) {
  return min + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(max - min + 1));
}

ProviderEvent KubernetesStream::next() {
  const MonoTime round_ends = clock_.now() + Duration(limits::kKubernetesRound);
  EndpointErrors errors;
  for (std::size_t tried = 1;; ++tried) {
    auto event = attempt(round_ends);
    if (event) return std::move(*event);
    const ErrorCode code = event.error().code;
    if (cancel_.cancelled() || code == ErrorCode::ShuttingDown) {
      return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
    }
    errors.add(event.error());
    // All connections begin anew, and nothing counts before a read has proven it.
    client_.next_endpoint();
    received_.clear();
    attest_at_ = clock_.now();
    if (spoils_the_view(code)) listed_ = false;
    if (code == ErrorCode::IndexRollback) has_base_ = false;
    const bool hopeless = !may_differ_elsewhere(code);
    const bool late = clock_.now() + Duration(limits::kKubernetesMinAttempt) > round_ends;
    if (hopeless || late || tried >= client_.endpoints()) break;
  }
  return FailedAnswer{errors.code(), errors.detail()};
}

Result<ProviderEvent> KubernetesStream::attempt(MonoTime deadline) {
  while (true) {
    auto said = step(deadline);
    if (!said && said.error().code == ErrorCode::OutOfOrder) {
      listed_ = false;  // what we would go on from is gone: list again
    } else if (!said) {
      return tl::unexpected(std::move(said.error()));
    } else if (*said) {
      return std::move(**said);
    }
    if (clock_.now() >= deadline) {
      return fail(ErrorCode::Timeout, "neither list nor watch came to anything");
    }
  }
}

KubernetesStream::Said KubernetesStream::step(MonoTime deadline) {
  if (!listed_) return relist(deadline);
  if (!client_.watching()) {
    if (auto opened = open_watch(deadline); !opened) {
      return tl::unexpected(std::move(opened.error()));
    }
  }
  return follow(deadline);
}

// Lists and watches are not opened in a busy loop, and not by all sidecars at once.
Result<void> KubernetesStream::pause_before_opening() {
  const MonoTime from = std::max(bucket_.take(clock_.now()), open_not_before_);
  if (wait_for(-1, 0, from, clock_, cancel_) == Wake::Cancelled) {
    return fail(ErrorCode::ShuttingDown, "cancelled");
  }
  return {};
}

Result<void> KubernetesStream::identify(MonoTime deadline) {
  auto cluster = client_.cluster_identity(
      std::min(clock_.now() + Duration(limits::kKubernetesReadTimeout), deadline));
  if (!cluster) return tl::unexpected(std::move(cluster.error()));
  if (history_->identify(*cluster)) return {};
  return fail(ErrorCode::IndexRollback, "this is another cluster (the uid of kube-system differs)");
}

Result<void> KubernetesStream::same_history(const std::string& version, bool view_is_newer) {
  if (!history_->note(version)) {
    return fail(ErrorCode::IndexRollback, "the resource version fell to " + version +
                                              ": the cluster's state was lost or restored");
  }
  if (view_is_newer && has_base_) {
    history_->broke();
    return fail(ErrorCode::IndexRollback, "a slice became older: the cluster's state was restored");
  }
  return {};
}

KubernetesStream::Said KubernetesStream::relist(MonoTime deadline) {
  client_.close();
  received_.clear();
  if (auto ok = pause_before_opening(); !ok) return tl::unexpected(std::move(ok.error()));
  if (auto ok = identify(deadline); !ok) return tl::unexpected(std::move(ok.error()));
  const MonoTime list_by = clock_.now() + Duration(limits::kKubernetesListTimeout);
  auto list = client_.list(std::min(list_by, deadline));
  if (!list) return tl::unexpected(std::move(list.error()));
  if (auto ok = same_history(list->version, view_.is_newer_than(list->slices)); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  if (auto ok = view_.assign(std::move(list->slices)); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  auto change = view_.take_change();
  if (!change) return tl::unexpected(std::move(change.error()));
  listed_ = true;
  has_base_ = true;
  version_ = list->version;
  events_ = 0;
  ahead_version_.clear();
  attest_at_ = clock_.now() + attest_every_;
  const std::uint64_t lineage = history_->lineage();
  if (change->empty() && told_lineage_ == lineage) return UnchangedAnswer{list->times};
  told_lineage_ = lineage;
  return ProviderSnapshot{view_.members(), version_, lineage, list->times};
}

Result<void> KubernetesStream::open_watch(MonoTime deadline) {
  if (auto ok = pause_before_opening(); !ok) return ok;
  if (auto ok = identify(deadline); !ok) return ok;
  received_.clear();
  brought_anything_ = false;
  const std::int64_t seconds =
      random_between(limits::kKubernetesWatchMinS, limits::kKubernetesWatchMaxS);
  const MonoTime open_by = clock_.now() + Duration(limits::kKubernetesReadTimeout);
  auto opened = client_.watch(version_, seconds, std::min(open_by, deadline));
  opened_at_ = clock_.now();
  return opened;
}

KubernetesStream::Said KubernetesStream::follow(MonoTime deadline) {
  if (clock_.now() >= attest_at_) return attest(deadline);
  if (auto ok = read_watch(std::min(attest_at_, deadline)); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  return tell_change();
}

KubernetesStream::Said KubernetesStream::tell_change() {
  events_ = 0;
  if (!view_.touched()) return std::nullopt;
  auto change = view_.take_change();
  if (!change) return tl::unexpected(std::move(change.error()));
  if (change->empty()) return std::nullopt;
  const AnswerTimes times{first_event_at_, clock_.now(), clock_.wall_now()};
  return ChangeAnswer{std::move(change->upserts), std::move(change->removals), version_, times};
}

Result<void> KubernetesStream::read_watch(MonoTime deadline) {
  while (client_.watching() && clock_.now() < deadline) {
    auto came = receive(deadline);
    if (!came) return tl::unexpected(std::move(came.error()));
    if (view_.touched()) return gather();
  }
  return {};
}

// What follows at once goes into the same answer.
Result<void> KubernetesStream::gather() {
  const MonoTime end = clock_.now() + Duration(limits::kKubernetesGather);
  while (client_.watching() && events_ < limits::kKubernetesGatherEvents) {
    const MonoTime now = clock_.now();
    if (now >= end) break;
    auto came = receive(std::min(now + Duration(limits::kKubernetesQuiet), end));
    if (!came) return tl::unexpected(std::move(came.error()));
    if (!*came) break;
  }
  return {};
}

Result<bool> KubernetesStream::receive(MonoTime deadline) {
  auto size = client_.read_watch(received_, deadline);
  if (!size) {
    if (size.error().code == ErrorCode::ShuttingDown ||
        size.error().code == ErrorCode::MalformedResponse) {
      return tl::unexpected(std::move(size.error()));
    }
    if (client_.watching()) return false;  // nothing came by the deadline
  }
  if (!size || *size == 0) {
    if (auto ok = watch_ended(); !ok) return tl::unexpected(std::move(ok.error()));
    return false;
  }
  if (auto ok = take_lines(); !ok) return tl::unexpected(std::move(ok.error()));
  return true;
}

// A watch ends when its time is up and when its server restarts; both are quite normal.
Result<void> KubernetesStream::watch_ended() {
  received_.clear();
  const MonoTime now = clock_.now();
  if (now - opened_at_ < Duration(limits::kKubernetesShortWatch) && !brought_anything_) {
    return fail(ErrorCode::BackendUnavailable, "the watch was closed as soon as it was opened");
  }
  const std::int64_t spread_ms = limits::kKubernetesReopenSpread.count();
  open_not_before_ = now + std::chrono::milliseconds(random_between(0, spread_ms));
  return {};
}

Result<void> KubernetesStream::take_lines() {
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = received_.find('\n', begin)) != std::string::npos;) {
    std::string line;
    line.reserve(end - begin + LargeJson::kPadding + 1);
    line.assign(received_, begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    if (auto ok = take(line); !ok) return ok;
  }
  received_.erase(0, begin);
  if (received_.size() > limits::kKubernetesEventBytes) {
    return fail(ErrorCode::LimitExceeded, "a watch event above the limit of " +
                                              std::to_string(limits::kKubernetesEventBytes) +
                                              " bytes");
  }
  return {};
}

Result<void> KubernetesStream::take(const std::string& line) {
  auto event = parse_event(line, client_.settings());
  if (!event) return tl::unexpected(std::move(event.error()));
  brought_anything_ = true;
  version_ = event->slice.version;
  history_->advance(version_);
  if (event->type == WatchEvent::Type::Bookmark) return {};
  if (events_++ == 0) first_event_at_ = clock_.now();
  if (event->type == WatchEvent::Type::Deleted) {
    view_.remove(event->slice.name);
  } else {
    view_.upsert(std::move(event->slice));
  }
  return {};
}

KubernetesStream::Said KubernetesStream::attest(MonoTime deadline) {
  const MonoTime read_by = clock_.now() + Duration(limits::kKubernetesReadTimeout);
  auto proof = client_.head(std::min(read_by, deadline));
  if (!proof) return tl::unexpected(std::move(proof.error()));
  const SliceHead& head = proof->head;
  // While the read was under way the watch may have brought what is newer than it: that is seen
  // when the view is newer than the *list*.
  const auto order = compare_versions(version_, head.version);
  const bool contradicts = order && *order <= 0 && view_.is_newer_than(head);
  if (auto ok = same_history(head.version, contradicts); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  if (auto ok = catch_up(head); !ok) return tl::unexpected(std::move(ok.error()));
  if (!view_.covers(head, version_) || watch_is_stuck(head)) {
    listed_ = false;
    return std::nullopt;
  }
  attest_at_ = clock_.now() + attest_every_;
  auto said = tell_change();
  if (said && !*said) return UnchangedAnswer{proof->times};
  return said;
}

// What the read shows has happened: the watch must bring it within moments.
Result<void> KubernetesStream::catch_up(const SliceHead& head) {
  const MonoTime until = clock_.now() + Duration(limits::kKubernetesCatchUp);
  while (!view_.covers(head, version_) && client_.watching() && clock_.now() < until) {
    if (auto ok = read_watch(until); !ok) return ok;
  }
  return {};
}

bool KubernetesStream::watch_is_stuck(const SliceHead& head) {
  const auto behind = [&](const std::string& version) {
    const auto order = compare_versions(version_, version);
    return order && *order < 0;
  };
  if (!behind(head.version)) {
    ahead_version_.clear();
    return false;
  }
  if (ahead_version_.empty() || !behind(ahead_version_)) {
    ahead_version_ = head.version;
    ahead_since_ = clock_.now();
    return false;
  }
  return clock_.now() - ahead_since_ >= Duration(limits::kKubernetesWatchStale);
}

}  // namespace rollcall
