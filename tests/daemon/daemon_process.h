// A real rollcalld on a state directory of its own, with free ports, and the clients that reach it.
// One owner, not thread-safe; start it on the test's own thread (tests/backends/process.h says
// why).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridges/client/admin_client.h"
#include "bridges/client/bridge_clients.h"
#include "bridges/client/channel.h"
#include "bridges/client/subscriber.h"
#include "core/descriptor.h"
#include "core/node.h"
#include "tests/backends/environment.h"
#include "tests/backends/process.h"

namespace rollcall::test {

// What only a hung program reaches.
inline constexpr std::chrono::seconds kHungProgram{60};

struct HttpReply {
  int status = 0;
  std::string body;
  std::string etag;
  std::string content_type;
  std::string stale;  // X-Rollcall-Stale
};

class DaemonProcess {
 public:
  struct Options {
    std::string config;                  // YAML; empty: no --config
    std::vector<std::string> arguments;  // more flags
    std::vector<std::pair<std::string, std::string>> environment;
    bool listen_http = true;
  };

  DaemonProcess();
  explicit DaemonProcess(Options options);

  // Starts and waits until everything is served. May be called again after an end: same directory.
  Outcome<void> start();
  // Starts what is expected to end by itself, and waits for that.
  Outcome<Exit> start_and_fail();
  // SIGTERM; how it ended.
  std::optional<Exit> stop();
  void kill() { process_->kill(); }
  Process& process() { return *process_; }
  bool running() { return process_ && process_->running(); }

  void set_config(const std::string& yaml);  // for the next start, or a SIGHUP
  void add_argument(const std::string& argument) { options_.arguments.push_back(argument); }
  void add_environment(const std::string& name, const std::string& value) {
    options_.environment.emplace_back(name, value);
  }
  bool reload() { return process_->signal(1); }

  std::string state_dir() const { return (dir_ / "state").string(); }
  std::filesystem::path directory() const { return dir_.path(); }
  std::string socket() const { return state_dir() + "/rollcall.sock"; }
  std::string address() const { return "unix:" + socket(); }
  std::string http_address() const { return http_; }
  std::string grpc_addresses() const { return grpc_; }
  std::string output() const { return read_file(dir_ / "output"); }

  client::Channel channel() const;
  client::AdminClient admin() const { return client::AdminClient(channel(), kHungProgram); }
  HttpReply get(const std::string& path,
                const std::vector<std::pair<std::string, std::string>>& headers = {}) const;
  // Until the operators are told this (a line of the log or an event); false when it never came.
  bool told(const std::string& text) const;

 private:
  std::vector<std::string> command() const;
  Outcome<void> spawn();

  TempDir dir_;
  Options options_;
  std::string grpc_;
  std::string http_;
  std::size_t output_from_ = 0;     // where this run's output begins
  std::optional<Process> process_;  // after dir_: ends before its files go
};

ClusterNode member(const std::string& id, std::uint16_t port = 7000);
ProviderDescriptor in_memory_provider(const std::string& id, int priority);
ProviderDescriptor file_provider(const std::string& id, int priority, const std::string& path);
ProviderDescriptor consul_provider(const std::string& id, int priority, const std::string& url,
                                   const std::string& service);
// A member list as the file provider reads it.
std::string member_file(const std::vector<ClusterNode>& nodes);
// Written beside and renamed over, as a careful writer does.
void replace_file(const std::filesystem::path& path, const std::string& content);

}  // namespace rollcall::test
