#include "tests/backends/dns_server.h"

#include <signal.h>

#include <filesystem>
#include <utility>

namespace rollcall::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kReadyLimit{60'000};
constexpr int kStartTries = 3;  // a port found free may be taken before Knot binds it
constexpr char kZone[] = "rollcall.test";
constexpr char kOther[] = "other.test";

}  // namespace

Outcome<std::unique_ptr<DnsServerProcess>> DnsServerProcess::start(Options options) {
  const auto binary = find_server("ROLLCALL_DNS", "knotd", "knot-*/knotd");
  if (!binary) return tl::unexpected(binary.error());
  std::unique_ptr<DnsServerProcess> server(new DnsServerProcess(std::move(options)));
  server->binary_ = binary->string();
  for (const char* part : {"zones", "run", "db"}) {
    std::filesystem::create_directory(server->dir_ / part);
  }
  server->write_zone(kOther, "");
  server->write_zone(kZone, server->options_.records);
  Outcome<void> started;
  for (int i = 0; i < kStartTries; ++i) {
    const auto ports = free_ports(1);
    if (ports.empty()) return tl::unexpected(std::string("no free port"));
    server->port_ = ports.front();
    server->write_config();
    started = server->spawn();
    if (started) return server;
  }
  return tl::unexpected(started.error());
}

void DnsServerProcess::write_config() {
  const std::string dir = dir_.path().string();
  std::string text = "server:\n  listen: 127.0.0.1@" + std::to_string(port_) + "\n  rundir: \"" +
                     dir + "/run\"\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n";
  text += "log:\n  - target: stderr\n    any: info\n";
  text += "database:\n  storage: \"" + dir + "/db\"\n";
  // Zones are what their files say, and nothing else is remembered of them.
  text += "template:\n  - id: default\n    storage: \"" + dir +
          "/zones\"\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n";
  if (options_.tcp_only) text += "    global-module: mod-noudp\n";
  text += "zone:\n  - domain: " + std::string(kZone) + "\n  - domain: " + kOther + "\n";
  write_file(dir_ / "knot.conf", text);
}

void DnsServerProcess::write_zone(const std::string& zone, std::string_view records) {
  std::string text = "$ORIGIN " + zone + ".\n$TTL 0\n@ SOA ns hostmaster " +
                     std::to_string(++serial_) + " 3600 600 86400 0\n@ NS ns\nns A 127.0.0.1\n";
  write_file(dir_.path() / "zones" / (zone + ".zone"), text.append(records) + "\n");
}

bool DnsServerProcess::said(const std::string& text) const {
  return read_file(dir_ / "log").find(text, log_from_) != std::string::npos;
}

Outcome<void> DnsServerProcess::spawn() {
  log_from_ = read_file(dir_ / "log").size();
  Process::Options options;
  options.argv = {binary_, "-c", (dir_ / "knot.conf").string()};
  options.output = dir_ / "log";
  auto process = Process::start(options);
  if (!process) return tl::unexpected(process.error());
  process_.emplace(std::move(*process));
  const bool ready =
      eventually(kReadyLimit, [this] { return !process_->running() || said("server started"); });
  if (ready && process_->running()) return {};
  return tl::unexpected("Knot did not become ready:\n" + process_->output_tail());
}

Outcome<void> DnsServerProcess::reload(const std::string& zone, std::string_view records) {
  log_from_ = read_file(dir_ / "log").size();
  write_zone(zone, records);
  if (!process_->signal(SIGHUP)) return tl::unexpected(std::string("Knot has ended"));
  const std::string loaded = "-> " + std::to_string(serial_) + ",";
  if (eventually(kReadyLimit, [&] { return said(loaded); })) return {};
  return tl::unexpected("Knot did not load its zone:\n" + process_->output_tail());
}

Outcome<void> DnsServerProcess::set_records(std::string_view records) {
  return reload(kZone, records);
}

Outcome<void> DnsServerProcess::set_other(std::string_view records) {
  return reload(kOther, records);
}

Outcome<void> DnsServerProcess::break_zone() {
  process_->kill();
  write_file(dir_.path() / "zones" / (std::string(kZone) + ".zone"), "this is no zone file\n");
  return spawn();
}

Outcome<void> DnsServerProcess::restart() {
  process_->kill();
  return spawn();
}

}  // namespace rollcall::test
