// Hostile and broken clients: whatever they send, they get an error within its limits, and
// everybody else is served on. Health checking and reflection, which strangers use first, are here
// too.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <random>

#include "rollcall/v1/bridges.grpc.pb.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

class Hostile : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  void expect_served() {
    const auto status = daemon_.admin().get_status();
    EXPECT_TRUE(status) << status.error().message << daemon_.output();
    EXPECT_EQ(daemon_.get("/livez").status, 200);
  }
  int connect_unix() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    daemon_.socket().copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  int connect_http() const {
    const std::string at = daemon_.http_address();
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(at.substr(at.find(':') + 1))));
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  static void send_all(int fd, const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;  // the server had enough
      sent += static_cast<std::size_t>(n);
    }
  }
  // One unary call of raw bytes; what came back.
  std::pair<grpc::Status, std::string> raw_call(const std::string& method,
                                                const std::string& request) {
    grpc::GenericStub stub(daemon_.channel().grpc_channel());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kHungProgram);
    grpc::CompletionQueue queue;
    grpc::Slice slice(request);
    auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    int tag = 0;
    call->Finish(&response, &status, &tag);
    void* got = nullptr;
    bool ok = false;
    queue.Next(&got, &ok);
    std::string bytes;
    std::vector<grpc::Slice> slices;
    if (response.Valid() && response.Dump(&slices).ok())
      for (const grpc::Slice& s : slices)
        bytes.append(reinterpret_cast<const char*>(s.begin()), s.size());
    return {status, bytes};
  }

  DaemonProcess daemon_;
};

TEST_F(Hostile, GarbageOnTheSocketsHurtsNobody) {
  const unsigned seed = 20261120;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    std::string bytes(1 + random() % 5000, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (round % 2 == 1) bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes;
    for (int fd : {connect_unix(), connect_http()}) {
      send_all(fd, bytes);
      close(fd);
    }
  }
  expect_served();
}

TEST_F(Hostile, SilentConnectionsDoNotKeepOthersOut) {
  std::vector<int> open;
  for (int i = 0; i < 50; ++i) open.push_back(connect_unix());
  const auto status = daemon_.admin().get_status();
  EXPECT_TRUE(status) << status.error().message;
  for (int fd : open) close(fd);
}

TEST_F(Hostile, AnEndlessHttpHeaderIsCutOff) {
  const int fd = connect_http();
  send_all(fd, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + std::string(1 << 20, 'a'));
  close(fd);
  const int body = connect_http();
  send_all(body, "POST /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n" +
                     std::string(1 << 16, 'b'));
  close(body);
  expect_served();
}

TEST_F(Hostile, AMessageThatIsTooLargeIsRefused) {
  ClusterNode huge = member("huge");
  huge.labels["k"] = std::string(8u << 20, 'x');
  const auto refused = daemon_.admin().join_member(huge);
  ASSERT_FALSE(refused);
  expect_served();
}

TEST_F(Hostile, AMemberThatBreaksLimitsIsRefusedWithEveryProblem) {
  ClusterNode bad = member("bad");
  bad.host = "";
  bad.zone = std::string(1000, 'z');
  bad.labels["k"] = std::string(100'000, 'x');
  const auto refused = daemon_.admin().join_member(bad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  EXPECT_GE(refused.error().problems.size(), 3u);
  for (const Problem& p : refused.error().problems) EXPECT_LE(p.value.size(), 200u);
  expect_served();
}

TEST_F(Hostile, TheErrorOfAThousandProblemsStillArrives) {
  std::vector<ProviderDescriptor> set;
  for (int i = 0; i < 1000; ++i) {
    ProviderDescriptor d;
    d.id = ProviderId("BAD " + std::string(100, 'x') + std::to_string(i));
    d.kind = "pigeon";
    set.push_back(d);
  }
  const auto refused = daemon_.admin().apply_providers(set, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig) << refused.error().message;
  EXPECT_GE(refused.error().total_problems, 1000u);
  EXPECT_FALSE(refused.error().problems.empty());
}

TEST_F(Hostile, BytesThatAreNoMessageAreRefused) {
  for (const char* method :
       {"/rollcall.v1.ProvisioningAdmin/RegisterProvider", "/rollcall.v1.PlacementBridge/Watch",
        "/rollcall.v1.PartitionBridge/GetLatestSnapshot",
        "/rollcall.v1.RemotingBridge/ReportQuarantined"}) {
    const auto [status, bytes] = raw_call(method, std::string("\xff\xff\xff\xff\x01garbage", 12));
    EXPECT_FALSE(status.ok()) << method;
  }
  EXPECT_EQ(raw_call("/rollcall.v1.ProvisioningAdmin/NoSuchMethod", "").first.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  expect_served();
}

TEST_F(Hostile, ConsumersWithBadNamesAreRefused) {
  const auto stub = v1::PlacementBridge::NewStub(daemon_.channel().grpc_channel());
  for (const std::string& id : {std::string(), std::string(1000, 'c')}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kHungProgram);
    v1::WatchRequest request;
    request.set_consumer_id(id);
    auto reader = stub->Watch(&context, request);
    v1::WatchBatch batch;
    EXPECT_FALSE(reader->Read(&batch));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(Hostile, HealthCheckingAnswersAsGrpcSaysItDoes) {
  // grpc.health.v1: request.service is field 1, response.status is field 1; SERVING is 1.
  const std::string serving("\x08\x01", 2);
  EXPECT_EQ(raw_call("/grpc.health.v1.Health/Check", "").second, serving);
  const std::string name = "rollcall.v1.PlacementBridge";
  const std::string request = "\x0a" + std::string(1, static_cast<char>(name.size())) + name;
  EXPECT_EQ(raw_call("/grpc.health.v1.Health/Check", request).second, serving);
  const std::string unknown = std::string("\x0a\x03", 2) + "foo";
  EXPECT_EQ(raw_call("/grpc.health.v1.Health/Check", unknown).first.error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(Hostile, ReflectionNamesTheServices) {
  // grpc.reflection.v1alpha: request.list_services is field 7, a text. One answer, then the end.
  const std::string request = std::string("\x3a\x01", 2) + "*";
  grpc::GenericStub stub(daemon_.channel().grpc_channel());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kHungProgram);
  grpc::CompletionQueue queue;
  const auto next = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  grpc::Slice slice(request);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(next());
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  ASSERT_TRUE(next());
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(response.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& s : slices)
    bytes.append(reinterpret_cast<const char*>(s.begin()), s.size());
  for (const char* service : {"rollcall.v1.ProvisioningAdmin", "rollcall.v1.PlacementBridge",
                              "rollcall.v1.PartitionBridge", "rollcall.v1.RemotingBridge"})
    EXPECT_NE(bytes.find(service), std::string::npos) << service;
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
}

}  // namespace
}  // namespace rollcall::test
