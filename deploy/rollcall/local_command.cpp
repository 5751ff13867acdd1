// `rollcall local …`: the process registry of this host, read and written as node processes do,
// with or without a sidecar.
#include <utility>

#include "core/codec/json_writer.h"
#include "core/codec/node_codec.h"
#include "deploy/rollcall/commands.h"
#include "deploy/rollcall/table.h"
#include "deploy/rollcall/text.h"
#include "providers/local/registry/host_clock.h"
#include "providers/local/registry/utc_time.h"
#include "provisioning/registry/posix_file_system.h"

namespace rollcall::cli {
namespace {

// The registry with all that it stands on.
struct Host {
  explicit Host(const LocalFlags& flags)
      : registry(files, clock, flags.directory), wait{flags.wait, {}} {}
  PosixFileSystem files;
  HostClock clock;
  LocalRegistry registry;
  LockWait wait;
};

ExitCode refused(const Terminal& terminal, const ProvisioningError& error) {
  switch (error.code) {
    case ErrorCode::InvalidConfig:
      return terminal.fail(error, ExitCode::Usage);
    case ErrorCode::Timeout:
      return terminal.fail(error, ExitCode::NoAnswer);
    case ErrorCode::StoreCorrupted:
      return terminal.fail(error, ExitCode::BrokenStore);
    default:
      return terminal.fail(error, ExitCode::Refused);
  }
}

void write_entry(const LocalEntry& entry, JsonWriter& writer) {
  write_node_fields(entry.node, writer);
  writer.field("pid", entry.process.pid)
      .field("socket", entry.socket)
      .field("version", entry.version)
      .field("created", utc_text(entry.created));
}

std::string listing_text(const Listing& listing, const std::string& directory) {
  Table table({"ID", "LIFE", "PID", "STATUS", "SOCKET", "ADDRESS", "VERSION", "CREATED"});
  bool unknown = false;
  for (const auto& [entry, life] : listing.entries) {
    unknown = unknown || life == Life::Unknown;
    table.row({shown(entry.node.id.str()), std::string(to_string(life)),
               std::to_string(entry.process.pid), std::string(to_string(entry.node.status)),
               shown(entry.socket), endpoint_text(entry.node.host, entry.node.port),
               shown(entry.version), utc_text(entry.created)});
  }
  std::string text = table.rows() == 0 ? "" : table.text() + "\n";
  text += count_text(listing.entries.size(), "node") + " in " + shown(directory) + ", revision " +
          std::to_string(listing.revision) + ".\n";
  if (unknown) {
    text += "UNKNOWN: registered in another pid or time namespace; look from there.\n";
  }
  return text;
}

Result<std::string> listing_json(const Listing& listing, const std::string& directory) {
  JsonWriter writer(2);
  writer.begin_object().field("directory", directory).field_u64_text("revision", listing.revision);
  writer.key("entries").begin_array();
  for (const auto& [entry, life] : listing.entries) {
    writer.begin_object();
    write_entry(entry, writer);
    writer.field("life", to_string(life)).end_object();
  }
  writer.end_array().end_object();
  return std::move(writer).finish();
}

}  // namespace

ExitCode register_local(const Terminal& terminal, const LocalFlags& flags,
                        const Registration& registration, std::int64_t pid) {
  Host host(flags);
  const auto entry = host.registry.register_process(registration, pid, host.wait);
  if (!entry) return refused(terminal, entry.error());
  if (!terminal.json) {
    return terminal.print(shown(entry->node.id.str()) + " is process " + std::to_string(pid) +
                          ", on record in " + shown(flags.directory) + ".\n");
  }
  JsonWriter writer;
  writer.begin_object().key("registered").begin_object();
  write_entry(*entry, writer);
  writer.end_object().end_object();
  return terminal.print(std::move(writer).finish());
}

ExitCode list_local(const Terminal& terminal, const LocalFlags& flags) {
  const Host host(flags);
  const auto listing = host.registry.list(host.wait);
  if (!listing) return refused(terminal, listing.error());
  return terminal.print(terminal.json
                            ? listing_json(*listing, flags.directory)
                            : Result<std::string>(listing_text(*listing, flags.directory)));
}

ExitCode remove_local(const Terminal& terminal, const LocalFlags& flags, const std::string& id) {
  Host host(flags);
  const auto removed = host.registry.remove(NodeId(id), host.wait);
  if (!removed) return refused(terminal, removed.error());
  if (!terminal.json) return terminal.print(shown(id) + " is off the record.\n");
  JsonWriter writer;
  writer.begin_object().field("removed", id).end_object();
  return terminal.print(std::move(writer).finish());
}

}  // namespace rollcall::cli
