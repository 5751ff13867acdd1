// Deliveries per second and the server's processor time: the real hub and bridge beside a bare gRPC
// loop that writes the same batches to the same number of streams, in one run.
//
// "backlog": the subscribers stand at the end of the log, then all events appear in one step: how
// fast are they written? Both sides have their bytes ready, so the ratio is what cursors, wake-ups
// and references cost. "live": events are published a few at a time, as fast as the slowest
// subscriber follows, and the hub forms the batches; encoding is part of it. The bare loop then
// writes messages of that mean size, prepared before, while the same events are encoded beside it.
//
// The two take turns, the order changes from round to round, and the medians are compared.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/limits.h"
#include "tests/bench/fanout_client.h"
#include "tests/bench/fanout_server.h"
#include "tests/bench/report.h"

namespace rollcall::bench {
namespace {

constexpr std::size_t kLogBytes = 64u << 20;
constexpr std::size_t kLiveStep = 8;         // events a publication
constexpr std::uint64_t kLiveWindow = 4096;  // events that the slowest may lag behind

struct Case {
  std::string name;
  std::size_t streams;
  std::size_t connections;
  std::size_t events;
  std::size_t batch_bytes;
  bool live;
};

struct Measured {
  double deliveries_per_s = 0;
  double cpu_us_per_1000 = 0;  // of the server, per 1,000 deliveries
  double events_per_message = 0;
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Bench {
 public:
  Bench(FanoutClients& clients, std::string directory)
      : clients_(clients), directory_(std::move(directory)) {}

  Measured hub(const Case& c) {
    HubServer server(socket(), c.batch_bytes, kLogBytes);
    if (!c.live)
      return run(
          c, server, [&] { server.publish(c.events); }, [] {});
    return run(
        c, server, [] {},
        [&] {
          for (std::size_t sent = 0; sent < c.events; sent += kLiveStep) {
            server.publish(kLiveStep);
            while (sent % (kLiveWindow / 8) == 0 && server.slowest_lag() > kLiveWindow) {
              std::this_thread::yield();
            }
          }
        });
  }
  Measured bare(const Case& c, std::size_t batch_bytes) {
    BareServer server(socket(), prepared_batches(c.events, batch_bytes));
    return run(
        c, server, [] {},
        [&] {
          server.go();
          // What is published live has to be encoded by somebody: here for its own sake.
          if (c.live) prepared_batches(c.events, batch_bytes);
        });
  }

 private:
  std::string socket() { return directory_ + "/" + std::to_string(++sockets_) + ".sock"; }

  template <class Server>
  Measured run(const Case& c, Server& server, const std::function<void()>& before,
               const std::function<void()>& start) {
    const std::size_t bytes = c.events * sample_frame_bytes();
    clients_.open(c.streams, c.connections, server.address(), kEpoch.value(),
                  make_seq(1, 0).value(), bytes);
    while (server.streams() < c.streams) std::this_thread::yield();
    before();  // not measured: the bare loop's bytes are ready as well
    const double cpu = cpu_seconds();
    const auto began = std::chrono::steady_clock::now();
    start();
    const std::uint64_t messages = clients_.wait_done();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const double used = cpu_seconds() - cpu;
    clients_.close();
    const auto deliveries = static_cast<double>(c.events * c.streams);
    return {deliveries / took.count(), used * 1e6 / deliveries * 1000,
            deliveries / static_cast<double>(messages)};
  }

  FanoutClients& clients_;
  const std::string directory_;
  int sockets_ = 0;
};

// One case, `rounds` pairs; prints and returns its row.
Row measure(Bench& bench, const Case& c, int rounds) {
  std::vector<double> hub, bare, ratio, hub_cpu, bare_cpu, cpu_ratio, batch;
  double frames = static_cast<double>(c.batch_bytes / sample_frame_bytes());
  for (int round = -1; round < rounds; ++round) {
    const bool hub_first = c.live || round % 2 == 0;  // live: the hub says how large batches are
    Measured h;
    Measured b;
    const auto bare_bytes = [&] {
      return c.live ? static_cast<std::size_t>(frames + 0.5) * sample_frame_bytes() : c.batch_bytes;
    };
    if (hub_first) {
      h = bench.hub(c);
      frames = std::max(1.0, h.events_per_message);
      b = bench.bare(c, bare_bytes());
    } else {
      b = bench.bare(c, bare_bytes());
      h = bench.hub(c);
    }
    if (round < 0) continue;  // warming up
    hub.push_back(h.deliveries_per_s);
    bare.push_back(b.deliveries_per_s);
    ratio.push_back(h.deliveries_per_s / b.deliveries_per_s);
    hub_cpu.push_back(h.cpu_us_per_1000);
    bare_cpu.push_back(b.cpu_us_per_1000);
    cpu_ratio.push_back(h.cpu_us_per_1000 / b.cpu_us_per_1000);
    batch.push_back(h.events_per_message);
  }
  return {c.name,
          {{"hub Mdeliv/s", median(hub) / 1e6, 3},
           {"bare Mdeliv/s", median(bare) / 1e6, 3},
           {"ratio", median(ratio), 3},
           {"hub us/1000", median(hub_cpu), 1},
           {"bare us/1000", median(bare_cpu), 1},
           {"cpu ratio", median(cpu_ratio), 3},
           {"events/message", median(batch), 1}}};
}

int run(int argc, char** argv) {
  const Options options = parse_options(
      argc, argv, "Deliveries/s and server CPU of the hub and bridge beside a bare gRPC loop.");
  FanoutClients clients;  // forked before anything else happens in this process
  std::string directory = std::filesystem::temp_directory_path() / "rollcall-bench-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) {
    std::perror("mkdtemp");
    return 1;
  }
  const std::size_t scale = options.quick ? 10 : 1;
  const std::size_t small = 64 * sample_frame_bytes();
  std::vector<Case> cases;
  for (const std::size_t streams : {3u, 100u, 1000u}) {
    const std::size_t connections = std::min<std::size_t>(streams, 100);
    const std::size_t events = std::min<std::size_t>(100'000, 4'000'000 / streams) / scale;
    const std::string n = std::to_string(streams);
    cases.push_back({"backlog " + n, streams, connections, events, limits::kMaxBatchBytes, false});
    cases.push_back({"backlog/64 " + n, streams, connections, events, small, false});
    cases.push_back({"live " + n, streams, connections, events, limits::kMaxBatchBytes, true});
  }
  Report report("bench_fanout");
  Bench bench(clients, directory);
  for (const Case& c : cases) {
    std::fprintf(stderr, "%s …\n", c.name.c_str());
    report.add(measure(bench, c, options.quick ? 1 : 7));
  }
  report.note("Events of " + std::to_string(sample_frame_bytes()) +
              " bytes; server CPU in microseconds per 1,000 deliveries; medians of " +
              (options.quick ? "1 pair." : "7 interleaved pairs."));
  report.note("backlog: batches of at most 256 KiB; backlog/64: of 64 events; live: as they come.");
  report.print();
  std::filesystem::remove_all(directory);
  return options.json_file.empty() || report.write_json(options.json_file) ? 0 : 1;
}

}  // namespace
}  // namespace rollcall::bench

int main(int argc, char** argv) { return rollcall::bench::run(argc, argv); }
