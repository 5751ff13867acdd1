#include "providers/file/member_file.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/codec/node_codec.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/common/limits.h"
#include "providers/common/unique_fd.h"
#include "providers/file/limits.h"

namespace rollcall {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

FileStamp stamp_of(const struct stat& s) {
  return {s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec * kSecond + s.st_mtim.tv_nsec,
          s.st_ctim.tv_sec * kSecond + s.st_ctim.tv_nsec};
}

// The clock that files are stamped with. Only compared with stamps: no decision on time is taken
// from it, a clock that jumps makes us wait a little longer or shorter.
std::int64_t stamp_clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// "…line 12…" in an error of the readers; 0: none.
std::size_t line_in(std::string_view text) {
  const std::size_t at = text.find("line ");
  std::size_t line = 0;
  if (at == std::string_view::npos) return 0;
  for (std::size_t i = at + 5; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    line = line * 10 + static_cast<std::size_t>(text[i] - '0');
  }
  return line;
}

std::string describe(const std::string& path, const ProvisioningError& error) {
  std::string text = path;
  std::size_t line = line_in(error.message);
  for (std::size_t i = 0; line == 0 && i < error.problems.size(); ++i) {
    line = line_in(error.problems[i].expected);
  }
  if (line != 0) text += ":" + std::to_string(line);
  text += ": " + error.message;
  // The message reads alone and holds the first problem; the others follow as far as they fit.
  std::size_t told = 1;
  for (; told < error.problems.size(); ++told) {
    const Problem& p = error.problems[told];
    const std::string next = "; " + p.field + ": " + p.expected + ", found " + p.value;
    if (text.size() + next.size() + 40 > limits::kMaxFailureDetailBytes) break;
    text += next;
  }
  if (error.total_problems > told) {
    text += "; and " + std::to_string(error.total_problems - told) + " problems more";
  }
  return std::string(utf8_prefix(text, limits::kMaxFailureDetailBytes));
}

}  // namespace

tl::unexpected<ProvisioningError> MemberFile::error(ErrorCode code, const std::string& why) const {
  return fail(code, path_ + ": " + why);
}

FileStamp MemberFile::stamp() const {
  struct stat s {};
  return ::stat(path_.c_str(), &s) == 0 ? stamp_of(s) : FileStamp{};
}

void MemberFile::settle(const Io& io) const {
  const MonoTime until = io.clock.now() + Duration(limits::kFileSettleMax);
  FileStamp before = stamp();
  while (before.size >= 0 && io.clock.now() < until && !io.cancel.cancelled()) {
    const std::int64_t age = stamp_clock_ns() - std::max(before.modified_ns, before.changed_ns);
    const bool fresh = age >= 0 && age < Duration(limits::kFileSettlePoll).count();
    if (!fresh) return;
    wait_for(-1, 0, std::min(until, io.clock.now() + Duration(limits::kFileSettlePoll)), io.clock,
             io.cancel);
    before = stamp();
  }
}

Result<MemberFileContent> MemberFile::read_once() const {
  // O_NONBLOCK: opening a FIFO must not wait for its writer.
  const UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    const int why = errno;
    const bool denied = why == EACCES || why == EPERM;
    return error(denied ? ErrorCode::PermissionDenied : ErrorCode::BackendUnavailable,
                 std::generic_category().message(why));
  }
  struct stat before {};
  if (::fstat(file.get(), &before) != 0 || !S_ISREG(before.st_mode)) {
    return error(ErrorCode::InvalidConfig, "is not a regular file");
  }
  MemberFileContent content;
  content.stamp = stamp_of(before);
  const auto size = static_cast<std::uint64_t>(before.st_size);
  if (size > limits::kMaxMemberFileBytes) {
    return error(ErrorCode::LimitExceeded, std::to_string(size) + " bytes are above the limit of " +
                                               std::to_string(limits::kMaxMemberFileBytes));
  }
  content.text.resize(static_cast<std::size_t>(size));
  std::size_t done = 0;
  while (done < content.text.size()) {
    const ssize_t n = ::read(file.get(), content.text.data() + done, content.text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(ErrorCode::BackendUnavailable, std::generic_category().message(errno));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  content.text.resize(done);
  struct stat after {};
  if (::fstat(file.get(), &after) != 0 || stamp_of(after) != content.stamp) {
    content.stamp.size = -1;  // it changed under our hands: no state that ever was
  }
  const std::int64_t age =
      stamp_clock_ns() - std::max(content.stamp.modified_ns, content.stamp.changed_ns);
  content.stamp_is_sure = age > Duration(limits::kFileStampGranularity).count();
  return content;
}

Result<MemberFileContent> MemberFile::read(const Io& io) const {
  for (int attempt = 0; attempt < limits::kFileReadAttempts; ++attempt) {
    auto content = read_once();
    if (!content || content->stamp.size >= 0) return content;
    wait_for(-1, 0, io.clock.now() + Duration(limits::kFileSettlePoll), io.clock, io.cancel);
    if (io.cancel.cancelled()) return fail(ErrorCode::ShuttingDown, "cancelled");
  }
  return error(ErrorCode::BackendUnavailable, "keeps changing while it is read");
}

Result<std::vector<ClusterNode>> parse_member_file(const std::string& path,
                                                   const std::string& text) {
  if (text.empty()) {
    return fail(ErrorCode::MalformedResponse,
                path + ": the file is empty; a list without members is written as []");
  }
  ReadLimits read_limits;
  read_limits.max_bytes = limits::kMaxMemberFileBytes;
  read_limits.code = ErrorCode::MalformedResponse;
  auto nodes = parse_node_list(text, read_limits);
  if (!nodes) return fail(nodes.error().code, describe(path, nodes.error()));
  return nodes;
}

}  // namespace rollcall
