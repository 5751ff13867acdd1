#include "tests/bridges/bridge_server.h"

#include <cstdlib>

#include "core/codec/canonical.h"

namespace rollcall::testing_bridges {
namespace {

HubOptions with_defaults(HubOptions options) {
  options.epoch = kEpoch;
  options.first_seq = seq(1);
  options.cluster = "test";
  return options;
}

MemberMap make_members(std::size_t count) {
  std::vector<Member> all;
  for (std::size_t i = 0; i < count; ++i) {
    ClusterNode node;
    node.id = NodeId("node-" + std::to_string(i));
    node.host = "10.0.0.1";
    node.port = 7000;
    node.labels["rack"] = "r" + std::to_string(i % 7);
    all.push_back(make_member(std::move(node)));
  }
  return MemberMap::from(std::move(all));
}

}  // namespace

TempDir::TempDir() {
  std::string name = std::filesystem::temp_directory_path() / "rollcall-bridges-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

void until(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::yield();
}

BridgeServer::BridgeServer(std::size_t member_count, HubOptions options)
    : hub(with_defaults(std::move(options)), events, snapshots),
      threads(hub, clock),
      placement(hub, commands, clock),
      partition(hub, clock),
      remoting(hub, commands, clock),
      members(make_members(member_count)) {
  GrpcServerOptions server_options;
  server_options.unix_sockets.push_back({directory.file("r.sock"), 0600, {}});
  server_options.services = {&placement, &partition, &remoting};
  server_options.service_names = {"rollcall.v1.PlacementBridge", "rollcall.v1.PartitionBridge",
                                  "rollcall.v1.RemotingBridge"};
  server_options.on_refused = [this](const PeerCredentials&) { ++refused; };
  auto started = GrpcServer::start(std::move(server_options));
  EXPECT_TRUE(started.has_value()) << (started ? "" : started.error().message);
  server = *std::move(started);
  server->set_serving(true);
}

BridgeServer::~BridgeServer() { stop(); }

void BridgeServer::stop() {
  hub.close();
  if (server != nullptr) server->stop(std::chrono::seconds(5));
}

void BridgeServer::publish(std::size_t count, std::size_t text_bytes) {
  std::vector<Event> step;
  SeqNo s = hub.head();
  for (std::size_t i = 0; i < count; ++i) {
    event::AvailabilityChanged body{Availability::Available, std::string(text_bytes, 'r'), false,
                                    false};
    step.push_back({s = s.next(), kEpoch, members.hash(), {}, std::move(body)});
  }
  auto state = std::make_shared<TopologySnapshot>();
  state->epoch = kEpoch;
  state->seq_no = s;
  state->has_topology = true;
  state->members = members;
  state->availability = Availability::Available;
  state->active = ProviderId("p");
  state->active_health = HealthState::Healthy;
  state->confirmed_at = clock.now();
  hub.publish(step, std::move(state));
}

std::shared_ptr<grpc::Channel> BridgeServer::channel(int number) const {
  grpc::ChannelArguments arguments;
  arguments.SetInt("rollcall.test.channel", number);  // different arguments: another connection
  // A fixed window, so that a client which reads nothing soon takes nothing.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  return grpc::CreateCustomChannel(server->addresses().at(0), grpc::InsecureChannelCredentials(),
                                   arguments);
}

v1::WatchRequest watch_request(const std::string& consumer, SeqNo after, bool acknowledges) {
  v1::WatchRequest request;
  request.set_consumer_id(consumer);
  request.set_acknowledges(acknowledges);
  if (after.value() != 0) {
    request.set_epoch(kEpoch.value());
    request.set_after_seq(after.value());
  }
  return request;
}

v1::ErrorDetail detail_of(const grpc::Status& status) {
  v1::ErrorDetail detail;
  v1::Status wire;
  EXPECT_TRUE(wire.ParseFromString(status.error_details()));
  EXPECT_EQ(wire.code(), static_cast<int>(status.error_code()));
  if (wire.details_size() != 1) return detail;
  EXPECT_EQ(wire.details(0).type_url(), "type.googleapis.com/rollcall.v1.ErrorDetail");
  EXPECT_TRUE(detail.ParseFromString(wire.details(0).value()));
  return detail;
}

void Reader::apply(const v1::WatchBatch& batch) {
  for (const auto& event : batch.events()) {
    EXPECT_EQ(event.epoch(), kEpoch.value());
    if (event.has_snapshot()) {
      chunks.push_back(event);
      if (event.snapshot().last()) position = event.seq_no();
    } else if (event.has_bookmark()) {
      EXPECT_TRUE(position == 0 || event.seq_no() == position);
      bookmarks.push_back(event);
    } else {
      EXPECT_TRUE(position == 0 || event.seq_no() == position + 1) << event.seq_no();
      position = event.seq_no();
      events.push_back(event);
    }
  }
}

}  // namespace rollcall::testing_bridges
