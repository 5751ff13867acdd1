// MemberFile: reads a member list from a file, whole and consistently, and says why it can't.
//
// Threads: belongs to one.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "core/time.h"
#include "providers/common/cancel.h"

namespace rollcall {

// What tells one state of a file from another without reading it.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = -1;  // -1: there is no file
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

struct MemberFileContent {
  std::string text;
  FileStamp stamp;
  // Whether an equal stamp will mean equal content: not if it was changed just before it was read.
  bool stamp_is_sure = false;
};

class MemberFile {
 public:
  explicit MemberFile(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  FileStamp stamp() const;  // follows symbolic links
  // Waits, at most limits::kFileSettleMax, until two looks agree and the file isn't brand new.
  void settle(const Io& io) const;
  // BACKEND_UNAVAILABLE (absent, keeps changing), PERMISSION_DENIED, INVALID_CONFIG (no regular
  // file), LIMIT_EXCEEDED (larger than limits::kMaxMemberFileBytes).
  Result<MemberFileContent> read(const Io& io) const;

 private:
  tl::unexpected<ProvisioningError> error(ErrorCode code, const std::string& why) const;
  Result<MemberFileContent> read_once() const;

  std::string path_;
};

// MALFORMED_RESPONSE naming file, line and every problem that fits into a FailedAnswer. An empty
// list is an answer; an empty file isn't.
Result<std::vector<ClusterNode>> parse_member_file(const std::string& path,
                                                   const std::string& text);

}  // namespace rollcall
