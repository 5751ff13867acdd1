// FileStream: follows one member file. inotify says when to look, a poll is the fallback, and every
// attestation looks again whatever either says. A file that its writer has not finished is left
// alone for a bounded time; one that can't be read or understood is a FailedAnswer, and the members
// of the last good one stay.
//
// Threads: a ProviderStream's rules.
#pragma once

#include <optional>
#include <string>

#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/common/directory_watch.h"
#include "providers/file/member_file.h"

namespace rollcall {

struct FileSettings {
  std::string path;
  Duration poll{};
  Duration attest{};
};

class FileStream : public ProviderStream {
 public:
  FileStream(const FileSettings& settings, const Clock& clock);
  ProviderEvent next() override;
  void cancel() noexcept override { cancel_.cancel(); }

 private:
  enum class Woken { Changed, Attest, Cancelled };
  // Waits until the file should be looked at, at most a little longer than `attest_at`: a file that
  // is being written then isn't read before it is finished, quiet, or the patience is used up.
  Woken wait_for_change(MonoTime attest_at);
  // What there is to tell; nothing: the members are what was told last, confirmed at times_.
  std::optional<ProviderEvent> look();
  ProviderEvent failed(const ProvisioningError& error);

  const FileSettings settings_;
  const Clock& clock_;
  Cancel cancel_;
  const Io io_;
  const MemberFile file_;
  DirectoryWatch watch_;
  bool told_ = false;           // members were told
  bool failed_ = false;         // the last event was a failure
  FileStamp stamp_;             // of the content that was told last
  bool stamp_is_sure_ = false;  // equal stamps mean equal content (limits::kFileStampGranularity)
  std::uint64_t content_hash_ = 0;
  AnswerTimes times_;
};

// One read of the file, for FileStream and for tools.
Result<ProviderSnapshot> read_member_file(const MemberFile& file, const Io& io);

}  // namespace rollcall
