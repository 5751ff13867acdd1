// `rollcall store verify DIR`: reads a state directory with the loader that rollcalld starts with.
#include <utility>

#include "core/codec/json_writer.h"
#include "core/limits.h"
#include "deploy/rollcall/commands.h"
#include "deploy/rollcall/table.h"
#include "deploy/rollcall/text.h"
#include "providers/in_memory/bucket_file.h"
#include "provisioning/registry/posix_file_system.h"
#include "provisioning/registry/state_directory.h"

namespace rollcall::cli {
namespace {

constexpr std::string_view kMembers = "members";  // in the state directory, a folder a provider

// The members of one in-memory provider: a line for all of them, or one for each broken file.
void verify_provider_members(FileSystem& files, const std::string& directory,
                             const std::string& provider, StoreReport& report) {
  const std::string name = std::string(kMembers) + "/" + provider;
  std::uint64_t members = 0;
  bool sound = true;
  const auto broken = [&](const std::string& file, const ProvisioningError& error) {
    sound = false;
    report.files.push_back(broken_file(name + "/" + file, error));
  };
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const std::string file = bucket_file_name(i);
    const std::string path = directory + "/" + name + "/" + file;
    const auto text = files.read(path, kMaxBucketFileBytes);
    if (!text && text.error().code == ErrorCode::NotFound) continue;
    if (!text) {
      broken(file, text.error());
      continue;
    }
    const auto bucket = decode_bucket(*text, path, i);
    if (bucket) {
      members += bucket->members.size();
    } else {
      broken(file, bucket.error());
    }
  }
  if (members >
      limits::kMaxMembers) {  // each may be sound, and rollcalld refuses them all the same
    report.files.push_back({name, FileHealth::State::Broken,
                            count_text(members, "member") + ", above the limit of " +
                                std::to_string(limits::kMaxMembers),
                            ""});
  } else if (sound) {
    report.files.push_back({name, FileHealth::State::Sound, count_text(members, "member"), ""});
  }
}

Result<StoreReport> verify_all(FileSystem& files, const std::string& directory) {
  auto report = rollcall::verify_store(files, directory);
  if (!report) return report;
  const auto providers = files.list(directory + "/" + std::string(kMembers));
  if (!providers) {
    if (providers.error().code == ErrorCode::NotFound) return report;
    return tl::unexpected(providers.error());
  }
  for (const auto& provider : *providers) {
    verify_provider_members(files, directory, provider, *report);
  }
  return report;
}

std::string report_text(const StoreReport& report, const std::string& directory) {
  Table table({"FILE", "STATE", "DETAIL"});
  std::string recovery;
  for (const FileHealth& file : report.files) {
    table.row({shown(file.file), std::string(to_string(file.state)), shown(file.detail, 512)});
    if (file.state == FileHealth::State::Broken && !file.recovery.empty()) {
      recovery += "  " + shown(file.recovery, 1'024) + "\n";
    }
  }
  if (report.sound()) return table.text() + "\n" + shown(directory) + " is sound.\n";
  return table.text() + "\n" + shown(directory) +
         " is broken: rollcalld does not start on it, or goes without those members." +
         (recovery.empty() ? "\n" : " While it is stopped:\n" + recovery);
}

Result<std::string> report_json(const StoreReport& report, const std::string& directory) {
  JsonWriter writer(2);
  writer.begin_object().field("directory", directory).field("sound", report.sound());
  writer.key("files").begin_array();
  for (const FileHealth& file : report.files) {
    writer.begin_object()
        .field("file", file.file)
        .field("state", to_string(file.state))
        .field("detail", file.detail)
        .field("recovery", file.recovery)
        .end_object();
  }
  writer.end_array().end_object();
  return std::move(writer).finish();
}

}  // namespace

ExitCode verify_store(const Terminal& terminal, const std::string& directory) {
  PosixFileSystem files;
  const auto report = verify_all(files, directory);
  if (!report) return terminal.fail(report.error(), ExitCode::BrokenStore);
  const ExitCode printed =
      terminal.print(terminal.json ? report_json(*report, directory)
                                   : Result<std::string>(report_text(*report, directory)));
  if (printed != ExitCode::Ok) return printed;
  return report->sound() ? ExitCode::Ok : ExitCode::BrokenStore;
}

}  // namespace rollcall::cli
