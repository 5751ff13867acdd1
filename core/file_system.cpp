#include "core/file_system.h"

namespace rollcall {

tl::expected<void, WriteOutcome> write_atomically(FileSystem& files, const std::string& directory,
                                                  const std::string& name, std::string_view data) {
  const std::string path = directory + "/" + name;
  const std::string temporary = path + ".tmp";
  if (auto written = files.write_synced(temporary, data); !written) {
    // What is left of it is harmless (the next write truncates it); removing it is a courtesy.
    (void)files.remove(temporary);
    return tl::unexpected<WriteOutcome>({false, std::move(written.error())});
  }
  if (auto renamed = files.rename(temporary, path); !renamed) {
    (void)files.remove(temporary);
    return tl::unexpected<WriteOutcome>({false, std::move(renamed.error())});
  }
  if (auto synced = files.sync_directory(directory); !synced) {
    WriteOutcome outcome{true, std::move(synced.error())};
    outcome.error.code = ErrorCode::StoreIo;
    outcome.error.message += " (unknown: whether the new " + name + " survives a power cut)";
    return tl::unexpected<WriteOutcome>(std::move(outcome));
  }
  return {};
}

}  // namespace rollcall
