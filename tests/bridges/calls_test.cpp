// The calls beside Watch: snapshots on demand, acknowledgements, ownership, reports; health and
// reflection.
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <future>
#include <string>

#include "core/limits.h"
#include "tests/bridges/bridge_server.h"

namespace rollcall::testing_bridges {
namespace {

using grpc::StatusCode;

// All chunks of GetLatestSnapshot.
grpc::Status latest(BridgeServer& server, const v1::GetLatestSnapshotRequest& request,
                    Reader& reader) {
  auto stub = v1::PartitionBridge::NewStub(server.channel());
  grpc::ClientContext context;
  auto stream = stub->GetLatestSnapshot(&context, request);
  v1::WatchBatch batch;
  while (stream->Read(&batch)) reader.apply(batch);
  return stream->Finish();
}

TEST(Calls, R3_2_TheLatestSnapshotOnDemand) {
  BridgeServer server(20'000);
  server.publish(3);
  Reader reader;
  EXPECT_TRUE(latest(server, {}, reader).ok());
  EXPECT_EQ(reader.position, seq(3).value());
  ASSERT_GE(reader.chunks.size(), 2u);
  std::size_t members = 0;
  for (const auto& chunk : reader.chunks) {
    members += static_cast<std::size_t>(chunk.snapshot().members_size());
  }
  EXPECT_EQ(members, 20'000u);
  EXPECT_TRUE(reader.bookmarks.empty());

  server.publish(1);
  Reader newer;
  EXPECT_TRUE(latest(server, {}, newer).ok());
  EXPECT_EQ(newer.position, seq(4).value());
}

TEST(Calls, R3_1_ASnapshotThatWaitsForPlacement) {
  BridgeServer server;
  server.publish(5);
  auto placement = v1::PlacementBridge::NewStub(server.channel());
  grpc::ClientContext watching;
  auto stream = placement->Watch(&watching, watch_request("p", {}, true));
  Reader placed;
  ASSERT_TRUE(placed.until_position(*stream, seq(5)));

  v1::GetLatestSnapshotRequest request;
  request.set_wait_for_placement(true);
  auto waiting = std::async(std::launch::async, [&] {
    Reader reader;
    EXPECT_TRUE(latest(server, request, reader).ok());
    return reader.position;
  });
  until([&] { return server.hub.stats().subscribers == 2; });
  grpc::ClientContext context;
  v1::AcknowledgeRequest acknowledge;
  acknowledge.set_consumer_id("p");
  acknowledge.set_epoch(kEpoch.value());
  acknowledge.set_seq_no(seq(5).value());
  v1::AcknowledgeResponse response;
  EXPECT_TRUE(placement->Acknowledge(&context, acknowledge, &response).ok());
  EXPECT_EQ(waiting.get(), seq(5).value());
  until([&] { return server.hub.stats().subscribers == 1; });  // the first one is gone there too

  server.publish(1);
  auto late = std::async(std::launch::async, [&] {
    Reader reader;
    request.set_wait_ms(1000);
    return latest(server, request, reader);
  });
  until([&] { return server.hub.stats().subscribers == 2; });
  server.clock.advance(std::chrono::seconds(2));
  const auto status = late.get();
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(detail_of(status).code(), "TIMEOUT");
  EXPECT_NE(detail_of(status).message().find("missing: p"), std::string::npos);
  watching.TryCancel();
  stream->Finish();
}

TEST(Calls, AWaitBeyondTheLimitIsRefused) {
  BridgeServer server;
  server.publish(1);
  v1::GetLatestSnapshotRequest request;
  request.set_wait_ms(60'001);
  request.set_cluster("other");
  Reader reader;
  const auto status = latest(server, request, reader);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(detail_of(status).total_problems(), 2u);
}

TEST(Calls, R3_1_AnAcknowledgementAheadOfTheLogIsOutOfOrder) {
  BridgeServer server;
  server.publish(1);
  auto stub = v1::PlacementBridge::NewStub(server.channel());
  v1::AcknowledgeRequest request;
  v1::AcknowledgeResponse response;
  request.set_epoch(kEpoch.value());
  request.set_seq_no(seq(2).value());
  grpc::ClientContext nobody;
  EXPECT_EQ(detail_of(stub->Acknowledge(&nobody, request, &response)).code(), "INVALID_CONFIG");
  request.set_consumer_id("p");
  grpc::ClientContext ahead;
  const auto status = stub->Acknowledge(&ahead, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_EQ(detail_of(status).code(), "OUT_OF_ORDER");
}

TEST(Calls, R3_3_OwnershipIsHandedToTheWriter) {
  BridgeServer server;
  server.publish(1);
  auto stub = v1::PlacementBridge::NewStub(server.channel());
  v1::PublishOwnershipRequest request;
  request.set_consumer_id("p");
  request.set_epoch(kEpoch.value());
  request.set_tick(9);
  request.set_based_on_seq(seq(1).value());
  auto* lease = request.add_leases();
  lease->set_partition("orders-1");
  lease->set_owner("node-1");
  lease->set_lease_id(77);
  lease->set_expires_at_unix_ms(5);
  lease->set_metadata("m");
  server.commands.ownership = seq(2);
  v1::PublishOwnershipResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->PublishOwnership(&context, request, &response).ok());
  }
  EXPECT_EQ(response.seq_no(), seq(2).value());
  ASSERT_EQ(server.commands.updates.size(), 1u);
  const OwnershipUpdate& update = server.commands.updates[0];
  EXPECT_EQ(update.consumer_id, "p");
  EXPECT_EQ(update.epoch, kEpoch);
  EXPECT_EQ(update.tick, 9u);
  EXPECT_EQ(update.based_on, seq(1));
  EXPECT_EQ(update.leases.at(0), (Lease{"orders-1", NodeId("node-1"), 77, 5, "m"}));

  server.commands.ownership = fail(ErrorCode::ProvisioningUnavailable, "no provider");
  grpc::ClientContext refused;
  const auto status = stub->PublishOwnership(&refused, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(detail_of(status).code(), "PROVISIONING_UNAVAILABLE");
}

TEST(Calls, AllProblemsOfAnOwnershipOrderAreNamed) {
  BridgeServer server;
  auto stub = v1::PlacementBridge::NewStub(server.channel());
  v1::PublishOwnershipRequest request;
  request.add_leases()->set_owner("n");  // no partition
  for (int i = 0; i < 2; ++i) {
    auto* lease = request.add_leases();
    lease->set_partition("twice");
    lease->set_owner("n");
  }
  auto* large = request.add_leases();
  large->set_partition("large");
  large->set_owner("n");
  large->set_metadata(std::string(limits::kMaxLeaseBytes, 'x'));
  v1::PublishOwnershipResponse response;
  grpc::ClientContext context;
  const auto detail = detail_of(stub->PublishOwnership(&context, request, &response));
  ASSERT_EQ(detail.total_problems(), 4u);
  EXPECT_EQ(detail.problems(0).field(), "consumer_id");
  EXPECT_EQ(detail.problems(1).field(), "leases[0].partition");
  EXPECT_EQ(detail.problems(2).field(), "leases[2].partition");
  EXPECT_EQ(detail.problems(3).field(), "leases[3]");
  EXPECT_TRUE(server.commands.updates.empty());
}

TEST(Calls, AnOrderOfTooManyLeasesIsRefusedBeforeAnyIsJudged) {
  BridgeServer server;
  auto stub = v1::PlacementBridge::NewStub(server.channel());
  v1::PublishOwnershipRequest request;
  for (std::size_t i = 0; i <= limits::kMaxLeases; ++i) request.add_leases();
  v1::PublishOwnershipResponse response;
  grpc::ClientContext context;
  const auto detail = detail_of(stub->PublishOwnership(&context, request, &response));
  EXPECT_EQ(detail.code(), "LIMIT_EXCEEDED");
  EXPECT_EQ(detail.total_problems(), 1u);
}

TEST(Calls, R4_2_R4_4_ReportsAreHandedToTheWriter) {
  BridgeServer server;
  auto stub = v1::RemotingBridge::NewStub(server.channel());
  v1::ReportRequest request;
  request.set_consumer_id("r");
  request.set_node_id("node-1");
  request.set_incarnation("life-1");
  v1::ReportResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->ReportQuarantined(&context, request, &response).ok());
  }
  EXPECT_TRUE(response.member());
  EXPECT_EQ(server.commands.quarantined.at(0).node, NodeId("node-1"));
  EXPECT_EQ(server.commands.quarantined.at(0).incarnation, "life-1");
  server.commands.member = fail(ErrorCode::StoreIo, "disk full");
  {
    grpc::ClientContext context;
    const auto status = stub->ReportRecovered(&context, request, &response);
    EXPECT_EQ(detail_of(status).code(), "STORE_IO");
  }
  EXPECT_EQ(server.commands.recovered.at(0).node, NodeId("node-1"));
  grpc::ClientContext context;
  const auto status = stub->ReportQuarantined(&context, {}, &response);
  EXPECT_EQ(detail_of(status).total_problems(), 2u);
}

// --- what every gRPC server has: health and reflection, spoken in plain bytes
// -------------------------

std::string text_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string text;
  for (const auto& slice : slices)
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

// One request, the first answer, whatever kind of call it is.
grpc::Status call(BridgeServer& server, const std::string& method, const std::string& request,
                  std::string* answer) {
  grpc::GenericStub stub(server.channel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  auto stream = stub.PrepareCall(&context, method, &queue);
  void* tag = nullptr;
  bool ok = false;
  const auto next = [&] { return queue.Next(&tag, &ok) && ok; };
  stream->StartCall(nullptr);
  EXPECT_TRUE(next());
  const grpc::Slice slice(request);
  stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  EXPECT_TRUE(next());
  stream->WritesDone(nullptr);
  EXPECT_TRUE(next());
  grpc::ByteBuffer buffer;
  stream->Read(&buffer, nullptr);
  if (next()) *answer = text_of(buffer);
  grpc::Status status;
  stream->Finish(&status, nullptr);
  next();
  return status;
}

TEST(Server, HealthFollowsSetServing) {
  BridgeServer server;
  const std::string method = "/grpc.health.v1.Health/Check";
  const std::string of_placement = "\x0a\x1brollcall.v1.PlacementBridge";  // field 1, 27 bytes
  std::string answer;
  EXPECT_TRUE(call(server, method, "", &answer).ok());
  EXPECT_EQ(answer, std::string("\x08\x01")) << "SERVING";
  EXPECT_TRUE(call(server, method, of_placement, &answer).ok());
  EXPECT_EQ(answer, std::string("\x08\x01"));
  server.server->set_serving(false);
  EXPECT_TRUE(call(server, method, of_placement, &answer).ok());
  EXPECT_EQ(answer, std::string("\x08\x02")) << "NOT_SERVING";
  EXPECT_EQ(call(server, method, "\x0a\x04none", &answer).error_code(), StatusCode::NOT_FOUND);
}

TEST(Server, ReflectionListsTheServices) {
  BridgeServer server;
  std::string answer;
  const std::string list_services("\x3a\x00", 2);  // field 7, empty
  EXPECT_TRUE(call(server, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                   list_services, &answer)
                  .ok());
  for (const char* name : {"rollcall.v1.PlacementBridge", "rollcall.v1.PartitionBridge",
                           "rollcall.v1.RemotingBridge", "grpc.health.v1.Health"}) {
    EXPECT_NE(answer.find(name), std::string::npos) << name;
  }
}

TEST(Server, ListensOnTcpWhereConfiguredAndSaysWhichPort) {
  BridgeServer other;
  GrpcServerOptions options;
  options.tcp = {{"127.0.0.1", 0}};
  auto server = GrpcServer::start(options);
  ASSERT_TRUE(server.has_value());
  const std::string address = (*server)->addresses().at(0);
  EXPECT_EQ(address.rfind("127.0.0.1:", 0), 0u);
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(10)));
  EXPECT_NE(port, 0);
  options.tcp = {{"127.0.0.1", port}};
  const auto second = GrpcServer::start(options);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::InvalidConfig);
  EXPECT_NE(second.error().problems.at(0).value.find(std::to_string(port)), std::string::npos);
}

TEST(Server, MissingTlsFilesAreNamed) {
  GrpcServerOptions options;
  options.tcp = {{"127.0.0.1", 0}};
  options.tls.cert_file = "/nonexistent/cert.pem";
  const auto server = GrpcServer::start(options);
  ASSERT_FALSE(server.has_value());
  EXPECT_EQ(server.error().problems.at(0).field, "grpc.tls.cert_file");
}

}  // namespace
}  // namespace rollcall::testing_bridges
