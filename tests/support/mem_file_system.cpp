#include "tests/support/mem_file_system.h"

#include <algorithm>
#include <utility>

namespace rollcall::test {
namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_changing(FileCall call) {
  switch (call) {
    case FileCall::WriteSynced:
    case FileCall::Rename:
    case FileCall::SyncDirectory:
    case FileCall::Remove:
    case FileCall::LinkOrCopy:
      return true;
    default:
      return false;
  }
}

tl::unexpected<ProvisioningError> not_found(const std::string& path) {
  return fail(ErrorCode::NotFound, path + ": no such file");
}

}  // namespace

std::string_view to_string(FileCall call) {
  switch (call) {
    case FileCall::Any:
      return "any";
    case FileCall::Read:
      return "read";
    case FileCall::WriteSynced:
      return "write_synced";
    case FileCall::Rename:
      return "rename";
    case FileCall::SyncDirectory:
      return "sync_directory";
    case FileCall::Remove:
      return "remove";
    case FileCall::LinkOrCopy:
      return "link_or_copy";
    case FileCall::MakeDirectory:
      return "make_directory";
    case FileCall::List:
      return "list";
    case FileCall::Lock:
      return "lock";
  }
  return "unknown";
}

class MemFileSystem::Lock : public FileLock {
 public:
  Lock(MemFileSystem& files, std::string path, std::uint64_t life)
      : files_(files), path_(std::move(path)), life_(life) {}
  ~Lock() override { files_.unlock(path_, life_); }

 private:
  MemFileSystem& files_;
  std::string path_;
  std::uint64_t life_;
};

MemFileSystem::MemFileSystem(std::uint64_t seed) : random_(seed) {}
MemFileSystem::~MemFileSystem() = default;

bool MemFileSystem::draw(double probability) {
  return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
}

// Counts the call and decides what becomes of it.
MemFileSystem::Fate MemFileSystem::fate_of(FileCall call) {
  ++counts_[call];
  ++counts_[FileCall::Any];
  if (off_) return Fate::Fail;
  if (is_changing(call)) {
    ++changing_;
    if (cut_at_ && --*cut_at_ == 0) {
      cut_at_.reset();
      off_ = true;
      return Fate::PartlyThenFail;
    }
  }
  if (fail_nth_ && (fail_nth_->first == FileCall::Any || fail_nth_->first == call) &&
      --fail_nth_->second == 0) {
    fail_nth_.reset();
    return draw(0.5) ? Fate::Fail : Fate::PartlyThenFail;
  }
  for (const FileCall planned : {FileCall::Any, call}) {
    const auto found = probability_.find(planned);
    if (found == probability_.end() || !draw(found->second)) continue;
    return draw(0.5) ? Fate::Fail : Fate::PartlyThenFail;
  }
  return Fate::Do;
}

tl::unexpected<ProvisioningError> MemFileSystem::io_error(FileCall call,
                                                          const std::string& path) const {
  const char* reason = off_ ? "the power is off" : "injected failure";
  return fail(ErrorCode::StoreIo, path + ": " + std::string(to_string(call)) + ": " + reason);
}

bool MemFileSystem::directory_exists(const std::string& path) const {
  return path == "/" || path == "." || directories_.contains(path);
}

void MemFileSystem::apply(const Step& step, std::map<std::string, FilePtr>& names) {
  if (step.gone) names.erase(*step.gone);
  if (step.name) names[*step.name] = step.file;
}

Result<std::string> MemFileSystem::read(const std::string& path, std::size_t max_bytes) {
  const std::lock_guard guard(mutex_);
  if (fate_of(FileCall::Read) != Fate::Do) return io_error(FileCall::Read, path);
  const auto found = names_.find(path);
  if (found == names_.end()) return not_found(path);
  if (found->second->now.size() > max_bytes) {
    return fail(ErrorCode::LimitExceeded,
                path + ": more than " + std::to_string(max_bytes) + " bytes");
  }
  return found->second->now;
}

// The fsync failed, or the power went: readers see all or a piece; the disk holds anything.
void MemFileSystem::write_partly(const std::string& path, std::string_view data) {
  FilePtr& file = names_[path];
  if (!file) {
    file = std::make_shared<File>();
    steps_.push_back({parent_of(path), std::nullopt, path, file, false});
  }
  file->now =
      draw(0.5) ? std::string(data) : std::string(data.substr(0, random_() % (data.size() + 1)));
  file->in_doubt = true;
}

Result<void> MemFileSystem::write_synced(const std::string& path, std::string_view data) {
  const std::lock_guard guard(mutex_);
  const Fate fate = fate_of(FileCall::WriteSynced);
  if (fate == Fate::Fail || !directory_exists(parent_of(path))) {
    return io_error(FileCall::WriteSynced, path);
  }
  if (fate == Fate::PartlyThenFail) {
    write_partly(path, data);
    return io_error(FileCall::WriteSynced, path);
  }
  FilePtr& file = names_[path];
  if (!file) {
    file = std::make_shared<File>();
    steps_.push_back({parent_of(path), std::nullopt, path, file, false});
  }
  file->now = data;
  file->durable = data;
  file->in_doubt = false;
  return {};
}

Result<void> MemFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(mutex_);
  const Fate fate = fate_of(FileCall::Rename);
  const auto found = names_.find(from);
  const bool done = fate == Fate::Do || (fate == Fate::PartlyThenFail && off_ && draw(0.5));
  if (done && found != names_.end() && directory_exists(parent_of(to))) {
    const Step step{parent_of(to), from, to, found->second, false};
    apply(step, names_);
    steps_.push_back(step);
    if (fate == Fate::Do) return {};
  }
  if (fate == Fate::Do && found == names_.end()) return not_found(from);
  return io_error(FileCall::Rename, from);
}

// From now on `step` survives; what was in doubt about its names before is settled by it.
void MemFileSystem::make_durable(const Step& step) {
  apply(step, durable_);
  std::erase_if(steps_, [&](const Step& other) {
    const auto touches = [&](const std::optional<std::string>& name) {
      return name && (name == step.name || name == step.gone);
    };
    return other.tainted && (touches(other.name) || touches(other.gone));
  });
}

Result<void> MemFileSystem::sync_directory(const std::string& directory) {
  const std::lock_guard guard(mutex_);
  const Fate fate = fate_of(FileCall::SyncDirectory);
  if (fate != Fate::Do || !directory_exists(directory)) {
    for (Step& step : steps_) {
      if (step.directory == directory && !off_) step.tainted = true;
    }
    return io_error(FileCall::SyncDirectory, directory);
  }
  std::vector<Step> safe;
  std::vector<Step> waiting;
  for (Step& step : steps_) {
    (step.directory == directory && !step.tainted ? safe : waiting).push_back(std::move(step));
  }
  steps_ = std::move(waiting);
  for (const Step& step : safe) make_durable(step);
  return {};
}

Result<void> MemFileSystem::remove(const std::string& path) {
  const std::lock_guard guard(mutex_);
  const Fate fate = fate_of(FileCall::Remove);
  const bool done = fate == Fate::Do || (fate == Fate::PartlyThenFail && off_ && draw(0.5));
  if (done && names_.contains(path)) {
    const Step step{parent_of(path), path, std::nullopt, nullptr, false};
    apply(step, names_);
    steps_.push_back(step);
  }
  if (fate != Fate::Do) return io_error(FileCall::Remove, path);
  return {};
}

Result<void> MemFileSystem::link_or_copy(const std::string& from, const std::string& to) {
  const std::lock_guard guard(mutex_);
  const Fate fate = fate_of(FileCall::LinkOrCopy);
  const auto found = names_.find(from);
  const bool done = fate == Fate::Do || (fate == Fate::PartlyThenFail && off_ && draw(0.5));
  if (done && found != names_.end() && directory_exists(parent_of(to))) {
    const Step step{parent_of(to), std::nullopt, to, found->second, false};
    apply(step, names_);
    steps_.push_back(step);
    if (fate == Fate::Do) return {};
  }
  if (fate == Fate::Do && found == names_.end()) return not_found(from);
  return io_error(FileCall::LinkOrCopy, from);
}

Result<void> MemFileSystem::make_directory(const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (fate_of(FileCall::MakeDirectory) != Fate::Do) return io_error(FileCall::MakeDirectory, path);
  for (std::string at = path; !directory_exists(at); at = parent_of(at)) directories_.insert(at);
  return {};
}

Result<std::vector<std::string>> MemFileSystem::list(const std::string& directory) {
  const std::lock_guard guard(mutex_);
  if (fate_of(FileCall::List) != Fate::Do) return io_error(FileCall::List, directory);
  if (!directory_exists(directory)) return not_found(directory);
  std::set<std::string> found;
  const auto add = [&](const std::string& path) {
    if (parent_of(path) == directory) found.insert(path.substr(path.rfind('/') + 1));
  };
  for (const auto& [path, file] : names_) add(path);
  for (const std::string& path : directories_) add(path);
  return std::vector<std::string>(found.begin(), found.end());
}

Result<std::unique_ptr<FileLock>> MemFileSystem::lock(const std::string& path,
                                                      std::string_view holder) {
  const std::lock_guard guard(mutex_);
  if (fate_of(FileCall::Lock) != Fate::Do || !directory_exists(parent_of(path))) {
    return io_error(FileCall::Lock, path);
  }
  const auto [held, added] = locks_.emplace(path, holder);
  if (!added) return fail(ErrorCode::StoreLocked, path + ": held by " + held->second);
  auto file = std::make_shared<File>();
  file->now = file->durable = holder;
  names_[path] = durable_[path] = file;
  return std::make_unique<Lock>(*this, path, life_);
}

void MemFileSystem::unlock(const std::string& path, std::uint64_t life) {
  const std::lock_guard guard(mutex_);
  if (life == life_) locks_.erase(path);
}

void MemFileSystem::fail_nth(FileCall call, std::uint64_t n) {
  const std::lock_guard guard(mutex_);
  fail_nth_ = {call, n};
}

void MemFileSystem::fail_with_probability(FileCall call, double probability) {
  const std::lock_guard guard(mutex_);
  probability_[call] = probability;
}

void MemFileSystem::cut_power_at(std::uint64_t n) {
  const std::lock_guard guard(mutex_);
  cut_at_ = n;
}

bool MemFileSystem::power_is_off() const {
  const std::lock_guard guard(mutex_);
  return off_;
}

void MemFileSystem::stop_failing() {
  const std::lock_guard guard(mutex_);
  fail_nth_.reset();
  probability_.clear();
  cut_at_.reset();
}

void MemFileSystem::process_death() {
  const std::lock_guard guard(mutex_);
  locks_.clear();
  ++life_;
}

void MemFileSystem::power_cut() {
  const std::lock_guard guard(mutex_);
  names_ = durable_;
  for (const Step& step : steps_) {
    if (draw(0.5)) apply(step, names_);
  }
  steps_.clear();
  for (auto& [path, file] : names_) {
    if (file->in_doubt) {
      const std::string pieces[] = {file->durable, "", file->now,
                                    file->now.substr(0, random_() % (file->now.size() + 1))};
      file->durable = pieces[random_() % std::size(pieces)];
      file->in_doubt = false;
    }
    file->now = file->durable;
  }
  durable_ = names_;
  locks_.clear();
  ++life_;
  fail_nth_.reset();
  probability_.clear();
  cut_at_.reset();
  off_ = false;
}

std::uint64_t MemFileSystem::calls(FileCall call) const {
  const std::lock_guard guard(mutex_);
  const auto found = counts_.find(call);
  return found == counts_.end() ? 0 : found->second;
}

std::uint64_t MemFileSystem::changing_calls() const {
  const std::lock_guard guard(mutex_);
  return changing_;
}

std::optional<std::string> MemFileSystem::content(const std::string& path) const {
  const std::lock_guard guard(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return std::nullopt;
  return found->second->now;
}

void MemFileSystem::put(const std::string& path, std::string_view data) {
  const std::lock_guard guard(mutex_);
  for (std::string at = parent_of(path); !directory_exists(at); at = parent_of(at)) {
    directories_.insert(at);
  }
  auto file = std::make_shared<File>();
  file->now = file->durable = data;
  names_[path] = durable_[path] = file;
}

std::vector<std::string> MemFileSystem::paths() const {
  const std::lock_guard guard(mutex_);
  std::vector<std::string> out;
  for (const auto& [path, file] : names_) out.push_back(path);
  return out;
}

}  // namespace rollcall::test
