#include "tests/backends/prometheus_server.h"

#include <httplib.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace rollcall::test {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kReadyLimit{60'000};
constexpr milliseconds kPromtoolLimit{30'000};
constexpr int kStartTries = 3;  // a port found free may be taken before Prometheus binds it
constexpr int kRequestSeconds = 10;

// YAML reads JSON, so that nothing has to be quoted by hand.
std::string config(const PrometheusServer::Options& options) {
  json config = {
      {"global", {{"scrape_interval", options.interval}, {"scrape_timeout", options.interval}}},
      {"scrape_configs",
       {{{"job_name", "rollcall"},
         {"metrics_path", options.metrics_path},
         {"static_configs", {{{"targets", options.targets}}}}}}}};
  if (!options.http_sd.empty()) {
    json lists = json::array();
    for (const std::string& url : options.http_sd) {
      lists.push_back({{"url", url}, {"refresh_interval", options.interval}});
    }
    const json relabel = {{{"action", "labelmap"}, {"regex", "__meta_rollcall_(.+)"}}};
    config["scrape_configs"].push_back(
        {{"job_name", "discovered"}, {"http_sd_configs", lists}, {"relabel_configs", relabel}});
  }
  return config.dump(2);
}

Outcome<std::string> get(std::uint16_t port, const std::string& path) {
  httplib::Client client("127.0.0.1", port);
  client.set_connection_timeout(kRequestSeconds);
  client.set_read_timeout(kRequestSeconds);
  const auto result = client.Get(path);
  if (!result) return tl::unexpected(path + ": " + httplib::to_string(result.error()));
  if (result->status != 200) {
    return tl::unexpected(path + ": " + std::to_string(result->status) + " " + result->body);
  }
  return result->body;
}

}  // namespace

Outcome<std::unique_ptr<PrometheusServer>> PrometheusServer::start(const Options& options) {
  const auto binary =
      find_server("ROLLCALL_PROMETHEUS", "prometheus", "prometheus-*/usr/bin/prometheus");
  if (!binary) return tl::unexpected(binary.error());
  std::unique_ptr<PrometheusServer> server(new PrometheusServer);
  server->targets_ = options.targets.size();
  write_file(server->dir_ / "prometheus.yml", config(options));
  Outcome<void> started;
  for (int i = 0; i < kStartTries; ++i) {
    started = server->spawn(binary->string());
    if (started) return server;
  }
  return tl::unexpected(started.error());
}

Outcome<void> PrometheusServer::spawn(const std::string& binary) {
  const auto ports = free_ports(1);
  if (ports.empty()) return tl::unexpected(std::string("no free port"));
  port_ = ports.front();
  Process::Options options;
  options.argv = {binary, "--config.file=" + (dir_ / "prometheus.yml").string(),
                  "--storage.tsdb.path=" + (dir_ / "data").string(),
                  "--web.listen-address=" + address(), "--log.level=warn"};
  options.output = dir_ / "log";
  options.environment = {{"GOMAXPROCS", "2"}};
  auto process = Process::start(options);
  if (!process) return tl::unexpected(process.error());
  process_.emplace(std::move(*process));
  const bool ready = eventually(
      kReadyLimit, [this] { return !process_->running() || get(port_, "/-/ready").has_value(); });
  if (ready && process_->running()) return {};
  return tl::unexpected("Prometheus did not become ready:\n" + process_->output_tail());
}

Outcome<std::optional<double>> PrometheusServer::value(const std::string& query) {
  const auto body = get(port_, "/api/v1/query?query=" + httplib::detail::encode_query_param(query));
  if (!body) return tl::unexpected(body.error());
  const json answer = json::parse(*body, nullptr, false);
  if (!answer.is_object() || answer.value("status", "") != "success") {
    return tl::unexpected("not understood: " + *body);
  }
  const auto& results = answer["data"]["result"];
  if (!results.is_array() || results.size() != 1 || !results[0]["value"][1].is_string()) {
    return std::optional<double>{};
  }
  return std::optional(std::strtod(results[0]["value"][1].get<std::string>().c_str(), nullptr));
}

bool PrometheusServer::await_up(milliseconds limit) {
  return eventually(limit, [this] {
    const auto up = value("sum(up{job=\"rollcall\"})");
    return up && up->has_value() && static_cast<std::size_t>(**up) == targets_;
  });
}

Outcome<std::map<std::string, std::map<std::string, std::string>>> PrometheusServer::discovered() {
  const auto body = get(port_, "/api/v1/targets?state=active");
  if (!body) return tl::unexpected(body.error());
  const json answer = json::parse(*body, nullptr, false);
  if (!answer.is_object() || answer.value("status", "") != "success") {
    return tl::unexpected("not understood: " + *body);
  }
  std::map<std::string, std::map<std::string, std::string>> targets;
  for (const json& target : answer["data"]["activeTargets"]) {
    if (target.value("scrapePool", "") != "discovered") continue;
    targets[target["discoveredLabels"].value("__address__", "")] =
        target["labels"].get<std::map<std::string, std::string>>();
  }
  return targets;
}

Outcome<Finished> promtool_check_metrics(const std::string& page) {
  const auto binary = find_server("ROLLCALL_PROMTOOL", "promtool", "prometheus-*/usr/bin/promtool");
  if (!binary) return tl::unexpected(binary.error());
  return run({binary->string(), "check", "metrics"}, kPromtoolLimit, page);
}

}  // namespace rollcall::test
