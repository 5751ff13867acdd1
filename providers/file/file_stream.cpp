#include "providers/file/file_stream.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/codec/canonical.h"
#include "core/text.h"
#include "providers/common/limits.h"
#include "providers/file/limits.h"

namespace rollcall {
namespace {

// A file has no index; what identifies its content to a person is its hash.
std::string file_index(std::uint64_t hash) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), hash, 16).ptr;
  return "xxh64:" + std::string(digits.data(), end);
}

}  // namespace

FileStream::FileStream(const FileSettings& settings, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      io_{clock_, cancel_},
      file_(settings.path),
      watch_(settings.path) {}

ProviderEvent FileStream::next() {
  const MonoTime attest_at = clock_.now() + settings_.attest;
  if (!told_ || failed_) {
    watch_.refresh();  // before the first look, so that no change falls between the two
    (void)watch_.drain();
    file_.settle(io_);
    if (cancel_.cancelled()) return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
    auto event = look();
    return event ? std::move(*event) : ProviderEvent(UnchangedAnswer{times_});
  }
  while (true) {
    const Woken woken = wait_for_change(attest_at);
    if (woken == Woken::Cancelled) return Terminated{true, ErrorCode::ShuttingDown, "cancelled"};
    if (auto event = look()) return std::move(*event);
    if (woken == Woken::Attest) return UnchangedAnswer{times_};
  }
}

FileStream::Woken FileStream::wait_for_change(MonoTime attest_at) {
  MonoTime poll_at = clock_.now() + settings_.poll;
  bool unfinished = false;  // somebody writes it, or it is gone and may be about to come back
  MonoTime quiet_at{};
  MonoTime give_up_at{};
  while (true) {
    const MonoTime until =
        unfinished ? std::min(quiet_at, give_up_at) : std::min(attest_at, poll_at);
    const Wake wake = wait_for(watch_.fd(), POLLIN, until, clock_, cancel_);
    if (wake == Wake::Cancelled) return Woken::Cancelled;
    const MonoTime now = clock_.now();
    if (wake == Wake::Ready) {
      const DirectoryWatch::Seen seen = watch_.drain();
      if (!seen.changed) continue;
      watch_.refresh();
      const FileStamp stamp = file_.stamp();
      if (seen.finished && stamp.size >= 0) return Woken::Changed;
      if (seen.writing || stamp.size < 0) {
        if (!unfinished) give_up_at = now + Duration(limits::kFileSettleMax);
        unfinished = true;
        quiet_at = now + Duration(limits::kFileQuiet);
      } else if (!unfinished && stamp != stamp_) {
        return Woken::Changed;  // a link was swapped, its target is complete
      }
      continue;
    }
    if (unfinished) return Woken::Changed;
    if (now >= attest_at) return Woken::Attest;
    poll_at = now + settings_.poll;
    watch_.refresh();
    if (file_.stamp() != stamp_) {
      file_.settle(io_);
      return cancel_.cancelled() ? Woken::Cancelled : Woken::Changed;
    }
  }
}

std::optional<ProviderEvent> FileStream::look() {
  AnswerTimes times;
  times.read_began = clock_.now();
  const auto confirmed = [&] {
    times.complete = clock_.now();
    times.observed_at = clock_.wall_now();
    times_ = times;
    failed_ = false;
  };
  if (told_ && stamp_is_sure_ && file_.stamp() == stamp_) {
    confirmed();
    return std::nullopt;
  }
  auto content = file_.read(io_);
  if (!content) return failed(content.error());
  const std::uint64_t hash = xxh64(content->text);
  const bool same = told_ && hash == content_hash_;
  ProviderSnapshot answer;
  if (!same) {
    auto members = parse_member_file(settings_.path, content->text);
    if (!members) return failed(members.error());
    answer.members = std::move(*members);
  }
  stamp_ = content->stamp;
  stamp_is_sure_ = content->stamp_is_sure;
  content_hash_ = hash;
  told_ = true;
  confirmed();
  if (same) return std::nullopt;
  answer.backend_index = file_index(hash);
  answer.times = times_;
  return answer;
}

ProviderEvent FileStream::failed(const ProvisioningError& error) {
  failed_ = true;
  return FailedAnswer{error.code,
                      std::string(utf8_prefix(error.message, limits::kMaxFailureDetailBytes))};
}

Result<ProviderSnapshot> read_member_file(const MemberFile& file, const Io& io) {
  ProviderSnapshot answer;
  answer.times.read_began = io.clock.now();
  file.settle(io);
  auto content = file.read(io);
  if (!content) return tl::unexpected(std::move(content.error()));
  auto members = parse_member_file(file.path(), content->text);
  if (!members) return tl::unexpected(std::move(members.error()));
  answer.members = std::move(*members);
  answer.backend_index = file_index(xxh64(content->text));
  answer.times.complete = io.clock.now();
  answer.times.observed_at = io.clock.wall_now();
  return answer;
}

}  // namespace rollcall
