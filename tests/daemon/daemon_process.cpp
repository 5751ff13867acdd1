#include "tests/daemon/daemon_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <httplib.h>

#include "core/codec/node_codec.h"

namespace rollcall::test {
namespace {

constexpr char kServing[] = "rollcalld serves grpc ";

// "rollcalld serves grpc A http B state C" → A, B; B without the scheme.
std::optional<std::pair<std::string, std::string>> parse_serving(const std::string& output) {
  const std::size_t begin = output.find(kServing);
  if (begin == std::string::npos) return std::nullopt;
  const std::size_t end = output.find('\n', begin);
  if (end == std::string::npos) return std::nullopt;
  const std::size_t grpc = begin + sizeof(kServing) - 1;
  const std::size_t http = output.find(" http ", grpc);
  const std::size_t state = output.find(" state ", http);
  std::string at = output.substr(http + 6, state - http - 6);
  if (at.starts_with("http://")) at = at.substr(7);
  return std::pair(output.substr(grpc, http - grpc), at);
}

}  // namespace

DaemonProcess::DaemonProcess() : DaemonProcess(Options{}) {}

DaemonProcess::DaemonProcess(Options options) : options_(std::move(options)) {
  if (!options_.config.empty()) set_config(options_.config);
}

void DaemonProcess::set_config(const std::string& yaml) {
  options_.config = yaml;
  replace_file(dir_ / "rollcall.yaml", yaml);
}

std::vector<std::string> DaemonProcess::command() const {
  std::vector<std::string> argv = {(bin_dir() / "rollcalld").string(), "--state-dir", state_dir()};
  if (options_.listen_http) {
    argv.emplace_back("--http-listen");
    argv.emplace_back("127.0.0.1:0");
  }
  if (!options_.config.empty()) {
    argv.emplace_back("--config");
    argv.emplace_back((dir_ / "rollcall.yaml").string());
  }
  for (const std::string& a : options_.arguments) argv.push_back(a);
  return argv;
}

Outcome<void> DaemonProcess::spawn() {
  output_from_ = output().size();
  Process::Options process;
  process.argv = command();
  process.environment = options_.environment;
  process.output = dir_ / "output";
  auto started = Process::start(process);
  if (!started) return tl::unexpected(started.error());
  process_.emplace(std::move(*started));
  return {};
}

Outcome<void> DaemonProcess::start() {
  if (auto spawned = spawn(); !spawned) return spawned;
  std::optional<std::pair<std::string, std::string>> serving;
  const bool said = eventually(kHungProgram, [&] {
    serving = parse_serving(output().substr(output_from_));
    return serving.has_value() || !process_->running();
  });
  if (!said || !serving)
    return tl::unexpected("rollcalld does not serve: " + process_->output_tail());
  grpc_ = serving->first;
  http_ = serving->second;
  return {};
}

Outcome<Exit> DaemonProcess::start_and_fail() {
  if (auto spawned = spawn(); !spawned) return tl::unexpected(spawned.error());
  auto ended = process_->wait(kHungProgram);
  if (!ended) return tl::unexpected(std::string("rollcalld runs, but was expected to refuse to"));
  return *ended;
}

std::optional<Exit> DaemonProcess::stop() {
  process_->signal(SIGTERM);
  return process_->wait(kHungProgram);
}

client::Channel DaemonProcess::channel() const {
  auto channel = client::Channel::open({address(), {}});
  EXPECT_TRUE(channel) << channel.error().message;
  return *channel;
}

HttpReply DaemonProcess::get(
    const std::string& path,
    const std::vector<std::pair<std::string, std::string>>& headers) const {
  httplib::Client client("http://" + http_);
  httplib::Headers sent;
  for (const auto& [name, value] : headers) sent.emplace(name, value);
  auto result = client.Get(path, sent);
  if (!result) return {};
  return {result->status, result->body, result->get_header_value("ETag"),
          result->get_header_value("Content-Type"), result->get_header_value("X-Rollcall-Stale")};
}

bool DaemonProcess::told(const std::string& text) const {
  return eventually(kHungProgram,
                    [&] { return output().find(text, output_from_) != std::string::npos; });
}

ClusterNode member(const std::string& id, std::uint16_t port) {
  ClusterNode n;
  n.id = NodeId(id);
  n.host = "10.1.2.3";
  n.port = port;
  return n;
}

ProviderDescriptor in_memory_provider(const std::string& id, int priority) {
  ProviderDescriptor d;
  d.id = ProviderId(id);
  d.kind = "in-memory";
  d.priority = priority;
  return d;
}

ProviderDescriptor file_provider(const std::string& id, int priority, const std::string& path) {
  ProviderDescriptor d;
  d.id = ProviderId(id);
  d.kind = "file";
  d.priority = priority;
  d.watch_params["path"] = path;
  return d;
}

ProviderDescriptor consul_provider(const std::string& id, int priority, const std::string& url,
                                   const std::string& service) {
  ProviderDescriptor d;
  d.id = ProviderId(id);
  d.kind = "consul";
  d.priority = priority;
  d.endpoints = {url};
  d.watch_params["service"] = service;
  return d;
}

std::string member_file(const std::vector<ClusterNode>& nodes) {
  const auto text = nodes_to_json(nodes, 1);
  return text ? *text : "";
}

void replace_file(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::path beside = path;
  beside += ".new";
  write_file(beside, content);
  std::filesystem::rename(beside, path);
}

}  // namespace rollcall::test
