// StateDirectory: the directory with a sidecar's durable state (SPEC 7), created 0700 and held by
// an advisory lock on a file of its own for as long as this object lives.
//
// Threads: open() once, then a value that is only moved.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file_system.h"

namespace rollcall {

inline constexpr std::string_view kLockFile = "lock";

class StateDirectory {
 public:
  // `holder` is what a second process is told: "rollcalld, pid 4711, cluster prod". STORE_LOCKED
  // repeats what the holder wrote. STORE_IO.
  static Result<StateDirectory> open(FileSystem& files, std::string path, std::string_view holder);

  const std::string& path() const { return path_; }

 private:
  StateDirectory(std::string path, std::unique_ptr<FileLock> lock);
  std::string path_;
  std::unique_ptr<FileLock> lock_;
};

// One line of `rollcall store verify DIR`.
struct FileHealth {
  std::string file;
  enum class State : std::uint8_t { Sound, Absent, Broken } state = State::Sound;
  std::string detail;    // what it holds ("3 providers, revision 7"), or what is wrong
  std::string recovery;  // of a broken one: the command to run while rollcalld is stopped
};
std::string_view to_string(FileHealth::State state);  // "sound", "absent", "broken"
// A broken one, the command taken out of the error's message (core/recovery.h).
FileHealth broken_file(std::string_view file, const ProvisioningError& error);

struct StoreReport {
  std::vector<FileHealth> files;
  bool sound() const;
};

// Reads every state file of the registry; changes nothing, needs no lock (files are replaced
// atomically, so a running sidecar does not disturb it). STORE_IO if the directory can't be read.
// What is below members/ is the in-memory kind's own, and `rollcall store verify` asks that as
// well.
Result<StoreReport> verify_store(FileSystem& files, const std::string& directory);

}  // namespace rollcall
