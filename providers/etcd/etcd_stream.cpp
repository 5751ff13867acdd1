#include "providers/etcd/etcd_stream.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "providers/common/endpoint_errors.h"
#include "providers/etcd/etcd_status.h"
#include "providers/etcd/limits.h"

namespace rollcall {

using etcdserverpb::WatchResponse;

// --- history ----------------------------------------------------------------------------------

EtcdPosition EtcdHistory::known() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

bool EtcdHistory::note(const EtcdPosition& known_before, const EtcdPosition& answer) {
  const std::lock_guard lock(mutex_);
  const bool first = known_before.cluster_id == 0;
  if (!first &&
      (answer.cluster_id != known_before.cluster_id || answer.revision < known_before.revision)) {
    newest_ = answer;
    ++lineage_;
    return false;
  }
  if (newest_.cluster_id == 0) newest_ = answer;
  raise(answer);
  return true;
}

void EtcdHistory::reached(const EtcdPosition& position) {
  const std::lock_guard lock(mutex_);
  raise(position);
}

void EtcdHistory::raise(const EtcdPosition& position) {
  if (position.cluster_id != newest_.cluster_id) return;
  newest_.revision = std::max(newest_.revision, position.revision);
}

void EtcdHistory::broke(const EtcdPosition& answer) {
  const std::lock_guard lock(mutex_);
  newest_ = answer;
  ++lineage_;
}

std::uint64_t EtcdHistory::lineage() const {
  const std::lock_guard lock(mutex_);
  return lineage_;
}

namespace {

std::string why_broken(const EtcdPosition& known, const EtcdPosition& answer) {
  if (answer.cluster_id != known.cluster_id) return "another cluster answers";
  return "the revision fell from " + std::to_string(known.revision) + " to " +
         std::to_string(answer.revision) + ": etcd lost its state or was restored";
}

}  // namespace

bool trusts_progress(std::string_view etcd_version) {
  std::array<int, 3> parts{};
  const char* at = etcd_version.data();
  const char* const end = at + etcd_version.size();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return false;
    const auto [next, error] = std::from_chars(at, end, parts[i]);
    if (error != std::errc()) return false;
    at = next;
  }
  if (at != end) return false;  // a release candidate, or what else there may be
  if (parts[0] == 3 && parts[1] == 4) return parts[2] >= 31;
  if (parts[0] == 3 && parts[1] == 5) return parts[2] >= 13;
  return parts[0] > 3 || (parts[0] == 3 && parts[1] > 5);
}

// --- the stream -------------------------------------------------------------------------------

EtcdStream::EtcdStream(std::shared_ptr<const EtcdSettings> settings, const AuthRef& auth,
                       std::shared_ptr<EtcdHistory> history, const Clock& clock, std::uint64_t seed,
                       std::optional<bool> trust_progress)
    : settings_(std::move(settings)),
      history_(std::move(history)),
      clock_(clock),
      trust_progress_(trust_progress),
      client_({settings_->endpoints, settings_->tls_server_name, auth}, clock, calls_),
      reader_(client_, settings_->prefix, settings_->id),
      bucket_(limits::kEtcdBurst, std::min<Duration>(limits::kEtcdRefill, settings_->attest)),
      jitter_(seed) {
  client_.begin_at(jitter_.below(client_.endpoints()));
}

EtcdStream::~EtcdStream() = default;

ProviderEvent EtcdStream::next() {
  const MonoTime round_ends = clock_.now() + Duration(limits::kEtcdRound);
  EndpointErrors errors;
  for (std::size_t tried = 0; tried < client_.endpoints();) {
    const bool watched = watch_ != nullptr;
    auto event = advance(round_ends);
    if (calls_.cancelled()) break;
    if (event) return std::move(*event);
    watch_.reset();
    check_.reset();
    client_.disconnect();
    if (watched) {
      const Duration spread = std::min<Duration>(limits::kEtcdReadSpread, settings_->attest / 4);
      read_at_ = clock_.now() + jitter_.up_to(spread);
    }
    const ErrorCode code = event.error().code;
    // The member ended the watch, as it does when it restarts: it is asked once more, before that
    // counts as a failure.
    if (watched && code == ErrorCode::BackendUnavailable) continue;
    errors.add(event.error());
    if (!may_differ_elsewhere(code)) break;
    client_.next_endpoint();
    ++tried;
    if (clock_.now() + Duration(limits::kEtcdMinAttempt) > round_ends) break;
  }
  if (calls_.cancelled()) return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
  return FailedAnswer{errors.code(), errors.detail()};
}

Result<ProviderEvent> EtcdStream::advance(MonoTime deadline) {
  if (!watch_ || doubt_) return synchronise(deadline);
  return follow(deadline);
}

AnswerTimes EtcdStream::times_since(MonoTime read_began) const {
  return {read_began, clock_.now(), clock_.wall_now()};
}

tl::unexpected<ProvisioningError> EtcdStream::rollback(const std::string& why) {
  view_.reset();
  return fail(ErrorCode::IndexRollback, client_.endpoint() + ": " + why);
}

Result<ProviderEvent> EtcdStream::synchronise(MonoTime deadline) {
  const MonoTime from = std::max(bucket_.take(clock_.now()), read_at_);
  if (wait_for(-1, 0, from, clock_, calls_.token()) == Wake::Cancelled) {
    return fail(ErrorCode::ShuttingDown, "cancelled");
  }
  watch_.reset();
  check_.reset();
  const EtcdPosition known = history_->known();
  auto snapshot = reader_.read(deadline);
  if (!snapshot) return tl::unexpected(std::move(snapshot.error()));
  if (!history_->note(known, snapshot->at)) {
    return rollback(why_broken(known, snapshot->at));
  }
  if (view_ && at_.cluster_id == snapshot->at.cluster_id &&
      !view_->continues_in(snapshot->view, at_.revision)) {
    history_->broke(snapshot->at);
    return rollback("keys have another past than before: etcd was restored");
  }
  view_ = std::move(snapshot->view);
  at_ = snapshot->at;
  in_step_ = false;
  if (auto opened = open_watch(deadline); !opened) {
    return tl::unexpected(std::move(opened.error()));
  }
  doubt_ = false;
  next_check_ = clock_.now() + settings_->attest;
  return tell_whole(times_since(snapshot->read_began));
}

Result<void> EtcdStream::open_watch(MonoTime deadline) {
  const MonoTime until = std::min(deadline, clock_.now() + Duration(limits::kEtcdCallTimeout));
  if (trust_progress_) {
    progress_is_proof_ = *trust_progress_;
  } else {
    const auto status = client_.status(until);
    progress_is_proof_ = status && trusts_progress(status->version());
  }
  auto watch =
      EtcdWatch::open(client_, reader_.prefix(), reader_.prefix_end(), at_.revision + 1, until);
  if (!watch) return tl::unexpected(std::move(watch.error()));
  auto answer = (*watch)->next(until);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  if (!*answer) return fail(ErrorCode::Timeout, client_.endpoint() + ": no answer to a watch");
  const WatchResponse& created = **answer;
  if (!created.created()) {
    return fail(ErrorCode::MalformedResponse,
                client_.endpoint() + ": a watch begins with an answer that does not create it");
  }
  if (created.canceled()) {
    return tl::unexpected(client_.reported(etcd_watch_error(created.cancel_reason())));
  }
  watch_ = std::move(*watch);
  return {};
}

Result<ProviderEvent> EtcdStream::follow(MonoTime deadline) {
  while (!doubt_) {
    if (!check_ && clock_.now() >= next_check_) {
      if (auto begun = begin_check(deadline); !begun) {
        return tl::unexpected(std::move(begun.error()));
      }
    }
    if (check_) {
      auto attested = pursue_check(deadline);
      if (!attested) return tl::unexpected(std::move(attested.error()));
      if (*attested) return std::move(**attested);
    }
    if (doubt_) break;
    auto response =
        watch_->next(check_ ? std::min(check_->prove_at, check_->give_up) : next_check_);
    if (!response) return tl::unexpected(std::move(response.error()));
    if (!*response) continue;
    auto news = digest(**response);
    if (!news) return tl::unexpected(std::move(news.error()));
    if (*news) return std::move(**news);
  }
  return synchronise(deadline);
}

EtcdStream::Maybe EtcdStream::digest(const WatchResponse& response) {
  const auto& header = response.header();
  if (response.compact_revision() != 0 || header.cluster_id() != at_.cluster_id) {
    doubt_ = true;
    return std::optional<ProviderEvent>{};
  }
  if (response.canceled()) {
    return tl::unexpected(client_.reported(etcd_watch_error(response.cancel_reason())));
  }
  if (!response.events().empty()) return apply(response);
  if (!response.created() && progress_is_proof_ && header.revision() > at_.revision) {
    reach(header.revision());
  }
  return std::optional<ProviderEvent>{};
}

EtcdStream::Maybe EtcdStream::apply(const WatchResponse& response) {
  std::int64_t newest = at_.revision;
  for (const mvccpb::Event& event : response.events()) {
    const mvccpb::KeyValue& kv = event.kv();
    if (!kv.key().starts_with(reader_.prefix())) {
      return fail(ErrorCode::MalformedResponse,
                  client_.endpoint() + ": the watch tells of a key that is not watched");
    }
    // Older ones are in the view already: a proof, or a server that repeats itself, was faster.
    if (kv.mod_revision() <= at_.revision) continue;
    newest = std::max(newest, kv.mod_revision());
    if (event.type() == mvccpb::Event::DELETE) {
      view_->remove(kv.key());
    } else {
      view_->put(kv.key(), kv.value(), kv.mod_revision());
    }
  }
  reach(newest);
  return tell_difference();
}

void EtcdStream::reach(std::int64_t revision) {
  at_.revision = std::max(at_.revision, revision);
  history_->reached(at_);
}

// Asks a quorum where it is.
Result<void> EtcdStream::begin_check(MonoTime deadline) {
  const MonoTime began = clock_.now();
  const EtcdPosition known = history_->known();
  auto answer =
      reader_.ask_position(std::min(deadline, began + Duration(limits::kEtcdCallTimeout)));
  if (!answer) return tl::unexpected(std::move(answer.error()));
  if (!history_->note(known, *answer)) return rollback(why_broken(known, *answer));
  if (answer->cluster_id != at_.cluster_id || answer->revision < at_.revision) {
    doubt_ = true;  // another stream has noted the break
    return {};
  }
  const MonoTime now = clock_.now();
  check_ = Check{answer->revision, began, now + Duration(limits::kEtcdCatchUp), now};
  if (progress_is_proof_ && answer->revision > at_.revision) {
    watch_->request_progress();
    check_->prove_at = now + Duration(limits::kEtcdProofEvery);
  }
  return {};
}

EtcdStream::Maybe EtcdStream::pursue_check(MonoTime deadline) {
  const MonoTime now = clock_.now();
  if (at_.revision < check_->revision && now >= check_->give_up) {
    doubt_ = true;
    return std::optional<ProviderEvent>{};
  }
  if (at_.revision < check_->revision && now >= check_->prove_at) {
    auto proof = reader_.prove(view_->keys(), at_.revision,
                               std::min(deadline, now + Duration(limits::kEtcdCallTimeout)));
    if (!proof) return tl::unexpected(std::move(proof.error()));
    if (proof->at.cluster_id != at_.cluster_id || proof->at.revision < check_->revision) {
      doubt_ = true;
      return std::optional<ProviderEvent>{};
    }
    if (proof->complete) reach(proof->at.revision);
    check_->prove_at = clock_.now() + Duration(limits::kEtcdProofEvery);
  }
  if (at_.revision < check_->revision) return std::optional<ProviderEvent>{};
  const AnswerTimes times = times_since(check_->began);
  check_.reset();
  next_check_ = clock_.now() + settings_->attest;
  return tell_whole(times);
}

// The view as it stands, whatever was told before: a failure, what is new, or that nothing is.
ProviderEvent EtcdStream::tell_whole(const AnswerTimes& times) {
  if (auto fault = view_->fault()) {
    in_step_ = false;
    EndpointErrors errors;
    errors.add(*fault);
    return FailedAnswer{errors.code(), errors.detail()};
  }
  const bool same = told_lineage_ == history_->lineage() && told_digest_ == view_->digest() &&
                    told_count_ == view_->keys();
  in_step_ = true;
  if (same) return UnchangedAnswer{times};
  told_lineage_ = history_->lineage();
  told_digest_ = view_->digest();
  told_count_ = view_->keys();
  return ProviderSnapshot{view_->members(), std::to_string(at_.revision), *told_lineage_, times};
}

// After a change of the view.
std::optional<ProviderEvent> EtcdStream::tell_difference() {
  EtcdView::Difference difference = view_->take_difference();
  const bool faulty = view_->faulty();
  if (faulty && !in_step_) return std::nullopt;  // told already; the next check tells again
  if (faulty || !in_step_) return tell_whole(times_since(clock_.now()));
  if (difference.empty()) return std::nullopt;
  told_digest_ = view_->digest();
  told_count_ = view_->keys();
  return ChangeAnswer{std::move(difference.upserts), std::move(difference.removals),
                      std::to_string(at_.revision), times_since(clock_.now())};
}

}  // namespace rollcall
