#include "provisioning/registry/state_directory.h"

#include <algorithm>
#include <utility>

#include "core/recovery.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/state_files.h"
#include "provisioning/registry/store_errors.h"

namespace rollcall {
namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

FileHealth absent(std::string_view file) {
  return {std::string(file), FileHealth::State::Absent, "", ""};
}

FileHealth sound(std::string_view file, std::string detail) {
  return {std::string(file), FileHealth::State::Sound, std::move(detail), ""};
}

std::string counted(std::size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

FileHealth providers_health(FileSystem& files, const std::string& directory,
                            std::string_view name) {
  auto set = read_providers_file(files, directory, name, nullptr);
  if (!set) return broken_file(name, set.error());
  if (!*set) return absent(name);
  return sound(name, counted((*set)->providers.size(), "provider") + ", revision " +
                         std::to_string((*set)->revision.value()));
}

FileHealth boot_health(StateFiles& state, std::string_view name) {
  auto boot = state.read_boot(name);
  if (!boot) return broken_file(name, boot.error());
  if (!*boot) return absent(name);
  return sound(name, "boot " + std::to_string(**boot));
}

template <class T>
FileHealth health_of(std::string_view name, bool there, const Result<T>& loaded,
                     const std::string& detail) {
  if (!loaded) return broken_file(name, loaded.error());
  return there ? sound(name, detail) : absent(name);
}

}  // namespace

Result<StateDirectory> StateDirectory::open(FileSystem& files, std::string path,
                                            std::string_view holder) {
  if (auto made = files.make_directory(path); !made) return tl::unexpected(std::move(made.error()));
  auto lock = files.lock(store_path(path, kLockFile), holder);
  if (!lock) return tl::unexpected(std::move(lock.error()));
  // Whoever made the directory, an earlier life or a package, may not have synced its name. Only
  // tried: the parent may be somebody else's, and need not be readable.
  (void)files.sync_directory(parent_of(path));
  return StateDirectory(std::move(path), std::move(*lock));
}

StateDirectory::StateDirectory(std::string path, std::unique_ptr<FileLock> lock)
    : path_(std::move(path)), lock_(std::move(lock)) {}

FileHealth broken_file(std::string_view file, const ProvisioningError& error) {
  // The message ends with the command; a report shows the two apart.
  auto [detail, recovery] = split_recovery(error.message);
  return {std::string(file), FileHealth::State::Broken, std::move(detail), std::move(recovery)};
}

std::string_view to_string(FileHealth::State state) {
  switch (state) {
    case FileHealth::State::Sound:
      return "sound";
    case FileHealth::State::Absent:
      return "absent";
    case FileHealth::State::Broken:
      return "broken";
  }
  return "broken";
}

bool StoreReport::sound() const {
  return std::none_of(files.begin(), files.end(), [](const FileHealth& file) {
    return file.state == FileHealth::State::Broken;
  });
}

Result<StoreReport> verify_store(FileSystem& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names) return tl::unexpected(std::move(names.error()));
  const auto there = [&](std::string_view name) {
    return std::find(names->begin(), names->end(), name) != names->end();
  };
  StateFiles state(files, directory);
  StoreReport report;

  report.files.push_back(providers_health(files, directory, kProvidersFile));
  if (auto present = read_present_providers(files, directory, nullptr); !present) {
    report.files.back() =
        broken_file(kProvidersFile, present.error());  // also: absent, but must not be
  }
  report.files.push_back(providers_health(files, directory, kProvidersPrevious));
  if (there(kFleetFile)) report.files.push_back(providers_health(files, directory, kFleetFile));

  report.files.push_back(boot_health(state, kBootFile));
  report.files.push_back(boot_health(state, kBootCopy));
  FileHealth& boot = report.files[report.files.size() - 2];
  if (boot.state == FileHealth::State::Absent) {
    if (auto first = state.check_first_boot(); !first) boot = broken_file(kBootFile, first.error());
  }

  const auto blocks = state.load_blocks();
  report.files.push_back(health_of(kBlocksFile, there(kBlocksFile), blocks,
                                   blocks ? counted(blocks->size(), "block") : ""));
  const auto holds = state.load_holds();
  report.files.push_back(health_of(kHoldsFile, there(kHoldsFile), holds,
                                   holds ? counted(holds->size(), "held provider") : ""));
  const auto observed = state.load_observed();
  report.files.push_back(
      health_of(kObservedFile, there(kObservedFile), observed,
                observed && *observed ? std::to_string((*observed)->size()) + " observed" : ""));
  const auto topology = state.load_topology();
  std::string detail;
  if (topology && *topology) {
    detail = counted((*topology)->members.size(), "member") + " of provider " +
             (*topology)->provider.str();
  }
  report.files.push_back(health_of(kTopologyFile, there(kTopologyFile), topology, detail));
  return report;
}

}  // namespace rollcall
