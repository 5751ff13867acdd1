// `rollcall store verify DIR`: reads a state directory with the loader that rollcalld starts with.
#include <utility>

#include "core/codec/json_writer.h"
#include "deploy/rollcall/commands.h"
#include "deploy/rollcall/table.h"
#include "deploy/rollcall/text.h"
#include "provisioning/registry/posix_file_system.h"
#include "provisioning/registry/state_directory.h"

namespace rollcall::cli {
namespace {

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
         " is broken: rollcalld will not start on it. While it is stopped:\n" + recovery;
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
  const auto report = rollcall::verify_store(files, directory);
  if (!report) return terminal.fail(report.error(), ExitCode::BrokenStore);
  const ExitCode printed =
      terminal.print(terminal.json ? report_json(*report, directory)
                                   : Result<std::string>(report_text(*report, directory)));
  if (printed != ExitCode::Ok) return printed;
  return report->sound() ? ExitCode::Ok : ExitCode::BrokenStore;
}

}  // namespace rollcall::cli
