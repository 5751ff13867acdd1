// What a change costs: a one-member change in clusters of 1,000 and 100,000; a failover from its
// decision to the last of 100 consumers; start to ready and idle memory of the real rollcalld.
#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bridges/partition/partition_service.h"
#include "bridges/stream/grpc_server.h"
#include "core/limits.h"
#include "provisioning/hub/hub_threads.h"
#include "tests/bench/core_driver.h"
#include "tests/bench/daemon_probe.h"
#include "tests/bench/fanout_server.h"
#include "tests/bench/report.h"

namespace rollcall::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRestMs = 20;  // between two failovers

double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1))];
}

// One member of `count` changes its weight, again and again. Measured: the core's step, encoding
// and appending its events; not the provider's thread, which prepared the new view.
Row one_member_change(std::size_t count, int changes) {
  MemberMap view = sample_members(count);
  CoreDriver driver({"consul"}, view);
  std::vector<double> us;
  const SeqNo head = driver.hub().head();
  for (int i = 0; i < changes; ++i) {
    const std::size_t number = static_cast<std::size_t>(i) * 7919 % count;
    view = view.with(sample_member(number, static_cast<std::uint32_t>(i + 2)));
    const Input input = driver.answer("consul", view);
    const auto began = Clock::now();
    driver.step(input);
    us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - began).count());
  }
  if (driver.hub().head().value() < head.value() + static_cast<std::uint64_t>(changes)) {
    std::fprintf(stderr, "bench_core: the changes caused no events\n");
    std::exit(1);
  }
  return {"one-member change, " + std::to_string(count) + " members",
          {{"median us", percentile(us, 0.5), 2}, {"p99 us", percentile(us, 0.99), 2}}};
}

// What the encoder thread does for the first of many subscribers.
Row snapshot_encoding(std::size_t count, int rounds) {
  TopologySnapshot snapshot;
  snapshot.members = sample_members(count);
  const ProtoSnapshotEncoder encoder;
  std::vector<double> ms;
  std::size_t bytes = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto began = Clock::now();
    const auto chunks = encoder.encode_chunks(snapshot, limits::kMaxChunkBytes);
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
    bytes = 0;
    for (const auto& chunk : chunks) bytes += chunk.size();
  }
  return {
      "snapshot encoded, " + std::to_string(count) + " members",
      {{"median ms", percentile(ms, 0.5), 2}, {"MiB", static_cast<double>(bytes) / (1 << 20), 2}}};
}

// Counts provider_changed events; one a consumer and failover.
class Watcher final : public grpc::ClientReadReactor<v1::WatchBatch> {
 public:
  Watcher(v1::PartitionBridge::Stub& stub, int number, std::atomic<int>& seen,
          std::atomic<int>& open)
      : seen_(seen), open_(open) {
    v1::WatchRequest request;
    request.set_consumer_id("c" + std::to_string(number));
    stub.async()->Watch(&context_, &request, this);
    StartRead(&batch_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    for (const auto& event : batch_.events()) {
      if (event.has_provider_changed()) seen_.fetch_add(1);
      if (event.has_bookmark() && !std::exchange(caught_up_, true)) open_.fetch_add(1);
    }
    StartRead(&batch_);
  }
  void OnDone(const grpc::Status&) override { open_.fetch_sub(1); }
  void cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  v1::WatchBatch batch_;
  std::atomic<int>& seen_;
  std::atomic<int>& open_;
  bool caught_up_ = false;
};

// The active provider's stream ends; another with the same members takes over. Measured from before
// the core's step to the moment when the last of the consumers has parsed provider_changed.
Row failover(std::size_t members, int consumers, int rounds) {
  std::string directory = std::filesystem::temp_directory_path() / "rollcall-bench-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) std::exit(1);
  CoreDriver driver({"consul", "file"}, sample_members(members));
  SteadyClock clock;
  HubThreads threads(driver.hub(), clock);
  PartitionService service(driver.hub(), clock);
  GrpcServerOptions options;
  options.unix_sockets.push_back({directory + "/bench.sock", 0600, {}});
  options.services = {&service};
  auto server = GrpcServer::start(std::move(options));
  if (!server) std::exit(1);

  std::atomic<int> seen{0};
  std::atomic<int> open{0};
  std::vector<std::unique_ptr<v1::PartitionBridge::Stub>> stubs;
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < consumers; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("rollcall.bench.connection", i);
    stubs.push_back(v1::PartitionBridge::NewStub(grpc::CreateCustomChannel(
        (*server)->addresses().front(), grpc::InsecureChannelCredentials(), arguments)));
    watchers.push_back(std::make_unique<Watcher>(*stubs.back(), i, seen, open));
  }
  while (open < consumers) std::this_thread::yield();

  std::vector<double> ms;
  for (int round = 0; round < rounds; ++round) {
    driver.pass(std::chrono::seconds(30));  // the better one is back
    if (driver.active() != "consul") {
      std::fprintf(stderr, "bench_core: consul did not come back\n");
      std::exit(1);
    }
    const std::uint64_t head = driver.hub().head().value();
    while (true) {  // everyone has seen what came before
      const auto all = driver.hub().consumers();
      if (std::all_of(all.begin(), all.end(),
                      [&](const auto& c) { return c.position.value() == head; })) {
        break;
      }
      std::this_thread::yield();
    }
    ::poll(nullptr, 0, kRestMs);  // and has nothing left to parse
    const int before = seen;
    const Input end = driver.termination("consul");
    const auto began = Clock::now();
    driver.step(end);
    while (seen < before + consumers) std::this_thread::yield();
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
  }
  for (auto& watcher : watchers) watcher->cancel();
  while (open > 0) std::this_thread::yield();
  driver.hub().close();
  (*server)->stop(std::chrono::seconds(5));
  std::filesystem::remove_all(directory);
  return {"failover, " + std::to_string(members) + " members, " + std::to_string(consumers) +
              " consumers",
          {{"median ms", percentile(ms, 0.5), 3}, {"max ms", percentile(ms, 1), 3}}};
}

std::optional<Row> daemon(const std::string& program, int runs) {
  std::vector<double> start, rss, anon;
  for (int i = 0; i < runs; ++i) {
    const auto figures = probe_daemon(program);
    if (!figures) return std::nullopt;
    start.push_back(figures->start_ms);
    rss.push_back(figures->rss_mib);
    anon.push_back(figures->anon_mib);
  }
  return Row{"rollcalld, embedded default",
             {{"start to ready ms", median(start), 1},
              {"idle RSS MiB", median(rss), 1},
              {"of it anonymous", median(anon), 1}}};
}

int run(int argc, char** argv) {
  const Options options =
      parse_options(argc, argv, "One-member changes, failover, start and idle memory of Rollcall.");
  Report report("bench_core");
  const int changes = options.quick ? 2000 : 50'000;
  report.add(one_member_change(1000, changes));
  report.add(one_member_change(100'000, changes));
  report.add(snapshot_encoding(1000, 20));
  report.add(snapshot_encoding(100'000, options.quick ? 3 : 20));
  // The daemon before gRPC runs here: it is started by fork().
  const auto program = std::filesystem::canonical("/proc/self/exe").parent_path() / "rollcalld";
  const auto daemon_row = daemon(program, options.quick ? 1 : 5);
  report.add(failover(1000, 100, options.quick ? 5 : 50));
  if (daemon_row) report.add(*daemon_row);
  report.note(
      "Change: the core's step, encoding and appending, on the writer's thread. Failover: from "
      "before the step that decides it\nuntil the last consumer has parsed provider_changed; "
      "clients in the same process. Memory: /proc/PID/status, 2 s after it was ready.");
  report.print();
  return options.json_file.empty() || report.write_json(options.json_file) ? 0 : 1;
}

}  // namespace
}  // namespace rollcall::bench

int main(int argc, char** argv) { return rollcall::bench::run(argc, argv); }
