// The bridges over a real gRPC server and socket.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/limits.h"
#include "tests/bridges/bridge_server.h"

namespace rollcall::testing_bridges {
namespace {

using grpc::StatusCode;

TEST(Watch, R2_1_AFreshConsumerOfEachBridgeGetsASnapshotThenEveryEventInOrder) {
  BridgeServer server;
  server.publish(3);
  const auto channel = server.channel();
  const auto check = [&](auto stub, const char* name) {
    grpc::ClientContext context;
    auto stream = stub->Watch(&context, watch_request(name));
    Reader reader;
    ASSERT_TRUE(reader.until_position(*stream, server.hub.head())) << name;
    const std::size_t before = reader.events.size();
    ASSERT_EQ(reader.chunks.size(), 2u);
    EXPECT_EQ(reader.chunks[0].snapshot().members_size(), 3);
    EXPECT_TRUE(reader.chunks[1].snapshot().last());
    EXPECT_EQ(reader.chunks[1].snapshot_hash(), server.members.hash());
    const SeqNo target(server.hub.head().value() + 5);
    server.publish(2);
    server.publish(3);
    ASSERT_TRUE(reader.until_position(*stream, target)) << name;
    EXPECT_EQ(reader.events.size(), before + 5) << name;
    context.TryCancel();
    stream->Finish();
  };
  check(v1::PlacementBridge::NewStub(channel), "placement");
  check(v1::PartitionBridge::NewStub(channel), "partition");
  check(v1::RemotingBridge::NewStub(channel), "remoting");
}

TEST(Watch, ResumesWithoutASnapshotWhereTheLogStillHolds) {
  BridgeServer server;
  server.publish(50);
  auto stub = v1::RemotingBridge::NewStub(server.channel());
  grpc::ClientContext context;
  auto stream = stub->Watch(&context, watch_request("r", seq(20)));
  Reader reader;
  ASSERT_TRUE(reader.until_position(*stream, seq(50)));
  EXPECT_TRUE(reader.chunks.empty());
  EXPECT_EQ(reader.events.size(), 30u);
  EXPECT_EQ(reader.events.front().seq_no(), seq(21).value());
  v1::WatchBatch batch;
  while (reader.bookmarks.empty() && stream->Read(&batch)) reader.apply(batch);
  EXPECT_EQ(reader.bookmarks.at(0).seq_no(), seq(50).value());
  EXPECT_EQ(reader.bookmarks.at(0).snapshot_hash(), server.members.hash());
  context.TryCancel();
  stream->Finish();
}

TEST(Watch, ABurstComesInFewLargeMessages) {
  BridgeServer server;
  server.publish(1);
  auto stub = v1::PartitionBridge::NewStub(server.channel());
  for (int i = 0; i < 200; ++i) server.publish(10, 100);
  grpc::ClientContext context;
  auto stream = stub->Watch(&context, watch_request("p", seq(1)));
  v1::WatchBatch batch;
  Reader reader;
  int messages = 0;
  while (reader.position < seq(2001).value() && stream->Read(&batch)) {
    ++messages;
    EXPECT_LE(batch.ByteSizeLong(), limits::kMaxBatchBytes + 100);
    reader.apply(batch);
  }
  EXPECT_EQ(reader.events.size(), 2000u);
  EXPECT_LE(messages, 4);
  context.TryCancel();
  stream->Finish();
}

TEST(Watch, R5_5_R3_2_BeforeAnyTopologyTheErrorSaysNoSnapshot) {
  BridgeServer server;
  auto stub = v1::PartitionBridge::NewStub(server.channel());
  grpc::ClientContext context;
  auto stream = stub->Watch(&context, watch_request("p"));
  v1::WatchBatch batch;
  EXPECT_FALSE(stream->Read(&batch));
  const auto status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(detail_of(status).code(), "NO_SNAPSHOT");

  grpc::ClientContext once;
  auto latest = stub->GetLatestSnapshot(&once, v1::GetLatestSnapshotRequest());
  EXPECT_FALSE(latest->Read(&batch));
  EXPECT_EQ(detail_of(latest->Finish()).code(), "NO_SNAPSHOT");
}

TEST(Watch, R5_5_AllProblemsOfARequestAreNamedAtOnce) {
  BridgeServer server;
  server.publish(1);
  auto stub = v1::PlacementBridge::NewStub(server.channel());
  auto request = watch_request("a\nb");
  request.set_cluster("another");
  grpc::ClientContext context;
  auto stream = stub->Watch(&context, request);
  v1::WatchBatch batch;
  EXPECT_FALSE(stream->Read(&batch));
  const auto status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  const auto detail = detail_of(status);
  EXPECT_EQ(detail.code(), "INVALID_CONFIG");
  ASSERT_EQ(detail.problems_size(), 2);
  EXPECT_EQ(detail.problems(0).field(), "consumer_id");
  EXPECT_EQ(detail.problems(1).field(), "cluster");
  EXPECT_EQ(detail.total_problems(), 2u);

  grpc::ClientContext fine;
  request = watch_request("a");
  request.set_cluster("test");
  auto accepted = stub->Watch(&fine, request);
  EXPECT_TRUE(accepted->Read(&batch));
  fine.TryCancel();
  accepted->Finish();
}

TEST(Watch, TheNewerStreamOfAConsumerEndsTheOlder) {
  BridgeServer server;
  server.publish(2);
  auto stub = v1::PlacementBridge::NewStub(server.channel());
  grpc::ClientContext first_context;
  auto first = stub->Watch(&first_context, watch_request("same"));
  Reader reader;
  ASSERT_TRUE(reader.until_position(*first, seq(2)));
  grpc::ClientContext second_context;
  auto second = stub->Watch(&second_context, watch_request("same"));
  v1::WatchBatch batch;
  while (first->Read(&batch)) {
  }
  const auto status = first->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_EQ(detail_of(status).code(), "OUT_OF_ORDER");
  Reader newer;
  ASSERT_TRUE(newer.until_position(*second, seq(2)));
  server.publish(1);
  ASSERT_TRUE(newer.until_position(*second, seq(3)));
  second_context.TryCancel();
  second->Finish();
}

TEST(Watch, AConsumerThatReadsNothingForThirtySecondsLosesItsStream) {
  BridgeServer server;
  server.publish(1);
  auto stub = v1::RemotingBridge::NewStub(server.channel());
  grpc::ClientContext context;
  auto stream = stub->Watch(&context, watch_request("stalled", seq(1)));
  Reader reader;
  v1::WatchBatch batch;
  ASSERT_TRUE(stream->Read(&batch));                       // the bookmark
  for (int i = 0; i < 300; ++i) server.publish(10, 1000);  // 3 MB: more than any window
  // Its writes stop moving: the position stays where it is while nothing is read.
  until([&] { return server.hub.consumers().at(0).position > seq(1); });
  // Every time the clock moves 31 s, a write that has not ended within them is a stalled one.
  until([&] {
    server.clock.advance(std::chrono::seconds(31));
    return server.hub.stats().stalled_streams == 1;
  });
  while (stream->Read(&batch)) {
  }
  const auto status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(status.error_message().find("LIMIT_EXCEEDED"), std::string::npos);
  until([&] { return server.hub.stats().subscribers == 0; });
  const auto ended = [&](std::optional<ErrorCode> code) {
    const auto all = server.hub.stats().traffic[static_cast<std::size_t>(Bridge::Remoting) - 1];
    return all.ended[code ? static_cast<std::size_t>(*code) : 0];
  };
  until([&] { return ended({}) + ended(ErrorCode::LimitExceeded) == 1; });
  EXPECT_EQ(ended(ErrorCode::LimitExceeded), 1u);
}

TEST(Watch, ACancelledStreamLeavesNothingBehind) {
  BridgeServer server;
  server.publish(1);
  auto stub = v1::RemotingBridge::NewStub(server.channel());
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    auto stream = stub->Watch(&context, watch_request("c" + std::to_string(i)));
    v1::WatchBatch batch;
    EXPECT_TRUE(i % 2 == 0 || stream->Read(&batch));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  }
  until([&] { return server.hub.stats().subscribers == 0; });
}

TEST(Watch, R3_5_ShutdownDeliversEverythingAndEndsTheStreams) {
  BridgeServer server;
  server.publish(1);
  auto stub = v1::PlacementBridge::NewStub(server.channel());
  grpc::ClientContext context;
  auto stream = stub->Watch(&context, watch_request("p", seq(1)));
  v1::WatchBatch batch;
  Reader reader;
  ASSERT_TRUE(stream->Read(&batch));
  server.publish(500, 100);
  std::thread stopping([&] { server.stop(); });
  while (stream->Read(&batch)) reader.apply(batch);
  const auto status = stream->Finish();
  stopping.join();
  EXPECT_EQ(reader.position, seq(501).value());
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(detail_of(status).code(), "SHUTTING_DOWN");
}

// One subscriber of the callback API, which needs no thread of its own.
class CountingReader final : public grpc::ClientReadReactor<v1::WatchBatch> {
 public:
  CountingReader(v1::RemotingBridge::Stub& stub, const std::string& id, std::uint64_t last,
                 std::atomic<int>& complete)
      : last_(last), complete_(complete) {
    const auto request = watch_request(id);
    stub.async()->Watch(&context_, &request, this);
    StartRead(&batch_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    reader_.apply(batch_);
    if (reader_.position == last_ && !std::exchange(counted_, true)) ++complete_;
    StartRead(&batch_);
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_one();
  }
  void finish() {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }
  const Reader& reader() const { return reader_; }

 private:
  grpc::ClientContext context_;
  v1::WatchBatch batch_;
  Reader reader_;
  const std::uint64_t last_;
  std::atomic<int>& complete_;
  bool counted_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

TEST(Watch, AThousandSubscribersGetEverythingAndShareTheSnapshot) {
  BridgeServer server(100);
  server.publish(1);
  std::vector<std::unique_ptr<v1::RemotingBridge::Stub>> stubs;
  for (int i = 0; i < 10; ++i) stubs.push_back(v1::RemotingBridge::NewStub(server.channel(i)));
  std::atomic<int> complete{0};
  std::vector<std::unique_ptr<CountingReader>> readers;
  for (std::size_t i = 0; i < 1000; ++i) {
    readers.push_back(std::make_unique<CountingReader>(*stubs[i % stubs.size()], std::to_string(i),
                                                       seq(101).value(), complete));
  }
  until([&] { return server.hub.stats().subscribers == 1000; });
  for (int i = 0; i < 50; ++i) server.publish(2);
  until([&] { return complete == 1000; });
  EXPECT_LE(server.hub.stats().snapshots.encoded, 2u);
  for (auto& reader : readers) reader->finish();
  for (auto& reader : readers) {
    EXPECT_EQ(reader->reader().chunks.back().snapshot().total_members(), 100u);
  }
}

}  // namespace
}  // namespace rollcall::testing_bridges
