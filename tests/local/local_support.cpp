#include "tests/local/local_support.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

namespace rollcall::test {

Result<void> FaultyFiles::fate(FileCall call) const {
  if (failing_.load() != static_cast<int>(call)) return {};
  return rollcall::fail(ErrorCode::StoreIo, "made to fail: " + std::string(to_string(call)));
}

Result<std::string> FaultyFiles::read(const std::string& path, std::size_t max_bytes) {
  if (auto ok = fate(FileCall::Read); !ok) return tl::unexpected(ok.error());
  return real_.read(path, max_bytes);
}
Result<void> FaultyFiles::write_synced(const std::string& path, std::string_view data) {
  if (auto ok = fate(FileCall::WriteSynced); !ok) return ok;
  return real_.write_synced(path, data);
}
Result<void> FaultyFiles::rename(const std::string& from, const std::string& to) {
  if (auto ok = fate(FileCall::Rename); !ok) return ok;
  return real_.rename(from, to);
}
Result<void> FaultyFiles::sync_directory(const std::string& directory) {
  if (auto ok = fate(FileCall::SyncDirectory); !ok) return ok;
  return real_.sync_directory(directory);
}
Result<void> FaultyFiles::remove(const std::string& path) { return real_.remove(path); }
Result<void> FaultyFiles::link_or_copy(const std::string& from, const std::string& to) {
  return real_.link_or_copy(from, to);
}
Result<void> FaultyFiles::make_directory(const std::string& path) {
  if (auto ok = fate(FileCall::MakeDirectory); !ok) return ok;
  return real_.make_directory(path);
}
Result<std::vector<std::string>> FaultyFiles::list(const std::string& directory) {
  return real_.list(directory);
}
Result<std::unique_ptr<FileLock>> FaultyFiles::lock(const std::string& path,
                                                    std::string_view holder) {
  return real_.lock(path, holder);
}

Registration registration(const std::string& id) {
  Registration r;
  r.node.id = NodeId(id);
  r.socket = "/run/" + id + ".sock";
  r.version = "1.2.3";
  return r;
}

std::vector<std::string> ids(const std::vector<LocalEntry>& entries) {
  std::vector<std::string> all;
  for (const LocalEntry& entry : entries) all.push_back(entry.node.id.str());
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<std::string> ids(const Listing& listing) {
  std::vector<LocalEntry> entries;
  for (const ListedEntry& listed : listing.entries) entries.push_back(listed.entry);
  return ids(entries);
}

Process idle_process() {
  auto process = Process::start({.argv = {"/bin/sleep", "100000"},
                                 .environment = {},
                                 .output = {},
                                 .input = {},
                                 .directory = {}});
  EXPECT_TRUE(process) << process.error();
  return std::move(*process);
}

void kill_and_leave_unreaped(Process& process) {
  ASSERT_TRUE(process.signal(SIGKILL));
  siginfo_t info{};
  ASSERT_EQ(0, ::waitid(P_PID, static_cast<id_t>(process.pid()), &info, WEXITED | WNOWAIT));
}

LocalEntry RegistryTest::enrol(const std::string& id, std::int64_t pid) {
  auto entry = registry().register_process(registration(id), pid);
  EXPECT_TRUE(entry) << entry.error().message;
  return entry ? *entry : LocalEntry{};
}

void RegistryTest::plant(const LocalEntry& entry) {
  const auto lock = RegistryLock::acquire(lock_, clock_, {});
  ASSERT_TRUE(lock) << lock.error().message;
  auto content = load_registry(files_, directory_);
  ASSERT_TRUE(content) << content.error().message;
  content->entries.push_back(entry);
  ++content->revision;
  const auto saved = save_registry(files_, directory_, *content);
  ASSERT_TRUE(saved) << saved.error().message;
}

Listing RegistryTest::listing() {
  auto all = registry().list();
  EXPECT_TRUE(all) << all.error().message;
  return all ? *all : Listing{};
}

}  // namespace rollcall::test
