#include "tests/bench/fanout_server.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "bridges/stream/request.h"
#include "bridges/stream/status_detail.h"
#include "core/codec/canonical.h"

namespace rollcall::bench {
namespace {

class StringSpace final : public FrameSpace {
 public:
  std::uint8_t* reserve(std::size_t size) override {
    const std::size_t at = bytes.size();
    bytes.resize(at + size);
    return reinterpret_cast<std::uint8_t*>(bytes.data()) + at;
  }
  std::string bytes;
};

std::unique_ptr<GrpcServer> serve(const std::string& socket, grpc::Service& service) {
  GrpcServerOptions options;
  options.unix_sockets.push_back({socket, 0600, {}});
  options.services = {&service};
  auto server = GrpcServer::start(std::move(options));
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    std::exit(1);
  }
  return *std::move(server);
}

HubOptions hub_options(std::size_t log_bytes) {
  HubOptions options;
  options.epoch = kEpoch;
  options.first_seq = make_seq(1, 1);
  options.log_bytes = log_bytes;
  return options;
}

}  // namespace

MonoTime SteadyClock::now() const {
  return MonoTime(std::chrono::steady_clock::now().time_since_epoch());
}

Event sample_event(SeqNo seq_no) {
  static const Member member = [] {
    ClusterNode node;
    node.id = NodeId("cluster-node-0042.example");
    node.host = "10.20.30.42";
    node.port = 7600;
    node.zone = "zone-b";
    node.labels = {{"rack", "r17"}, {"version", "2.14.3"}, {"role", "storage"}};
    node.incarnation = "0192f3c1-7d0e";
    return make_member(std::move(node));
  }();
  event::Delta delta;
  delta.changed = {member};
  delta.invalidates_hash = 0x1234567890abcdefu;
  delta.provider_id = ProviderId("consul-main");
  return Event{seq_no, kEpoch, member.hash, from_unix_ms(1'790'000'000'000), std::move(delta)};
}

std::size_t sample_frame_bytes() {
  ProtoEventEncoder encoder;
  StringSpace space;
  encoder.encode(sample_event(make_seq(1, 1)), space);
  return space.bytes.size();
}

std::vector<grpc::ByteBuffer> prepared_batches(std::size_t events, std::size_t batch_bytes) {
  ProtoEventEncoder encoder;
  std::vector<grpc::ByteBuffer> batches;
  StringSpace space;
  const auto cut = [&] {
    const grpc::Slice slice(space.bytes);
    batches.emplace_back(&slice, 1);
    space.bytes.clear();
  };
  const std::size_t frame = sample_frame_bytes();
  SeqNo seq_no = make_seq(1, 0);
  for (std::size_t i = 0; i < events; ++i) {
    if (!space.bytes.empty() && space.bytes.size() + frame > batch_bytes) cut();
    encoder.encode(sample_event(seq_no = seq_no.next()), space);
  }
  if (!space.bytes.empty()) cut();
  return batches;
}

// --- the hub
// -----------------------------------------------------------------------------------------

HubServer::HubServer(const std::string& socket, std::size_t max_batch_bytes, std::size_t log_bytes)
    : hub_(hub_options(log_bytes), events_, snapshots_),
      threads_(hub_, clock_),
      service_(hub_, clock_, max_batch_bytes),
      server_(serve(socket, service_)) {}

HubServer::~HubServer() {
  hub_.close();
  server_->stop(std::chrono::seconds(5));
}

ByteStream* HubServer::Service::Watch(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request) {
  v1::WatchRequest message;
  if (const auto read = read_request(*request, message); !read) return refuse(read.error());
  return StreamReactor::start(
      context, clock_,
      [&](std::shared_ptr<Waker> waker) {
        return hub_.subscribe({Bridge::Partition, message.consumer_id(), Epoch(message.epoch()),
                               SeqNo(message.after_seq()), false},
                              std::move(waker), clock_.now());
      },
      max_batch_bytes_);
}

void HubServer::publish(std::size_t events) {
  std::vector<Event> step;
  step.reserve(events);
  SeqNo seq_no = hub_.head();
  for (std::size_t i = 0; i < events; ++i) step.push_back(sample_event(seq_no = seq_no.next()));
  auto state = std::make_shared<TopologySnapshot>();
  state->epoch = kEpoch;
  state->seq_no = seq_no;
  state->has_topology = true;
  hub_.publish(step, std::move(state));
}

std::uint64_t HubServer::slowest_lag() const {
  std::uint64_t slowest = 0;
  for (const auto& consumer : hub_.consumers()) slowest = std::max(slowest, consumer.lag);
  return slowest;
}

// --- the bare loop
// -----------------------------------------------------------------------------------

class BareServer::Writer final : public ByteStream {
 public:
  explicit Writer(BareServer& owner) : owner_(owner) {}
  void write() {
    if (next_ < owner_.batches_.size()) {
      buffer_ = owner_.batches_[next_++];
      StartWrite(&buffer_);
    } else if (cancelled_.load()) {
      finish();
    } else {
      waiting_.store(true);
      if (cancelled_.load()) finish();
    }
  }
  void OnWriteDone(bool) override { write(); }
  void OnCancel() override {
    cancelled_.store(true);
    if (waiting_.load()) finish();
  }
  void OnDone() override {
    owner_.open_.fetch_sub(1);
    delete this;
  }

 private:
  void finish() {
    if (!finished_.exchange(true)) Finish(grpc::Status::OK);
  }
  BareServer& owner_;
  std::size_t next_ = 0;
  grpc::ByteBuffer buffer_;
  std::atomic<bool> waiting_{false};
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> finished_{false};
};

ByteStream* BareServer::Service::Watch(grpc::CallbackServerContext*, const grpc::ByteBuffer*) {
  auto* writer = new Writer(owner_);
  const std::lock_guard lock(owner_.mutex_);
  owner_.writers_.push_back(writer);
  owner_.open_.fetch_add(1);
  return writer;
}

BareServer::BareServer(const std::string& socket, std::vector<grpc::ByteBuffer> batches)
    : batches_(std::move(batches)), service_(*this), server_(serve(socket, service_)) {}

BareServer::~BareServer() { server_->stop(std::chrono::seconds(5)); }

void BareServer::go() {
  std::vector<Writer*> writers;
  {
    const std::lock_guard lock(mutex_);
    writers.swap(writers_);
  }
  for (Writer* writer : writers) writer->write();
}

}  // namespace rollcall::bench
