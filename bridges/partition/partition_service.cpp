#include "bridges/partition/partition_service.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "bridges/stream/request.h"
#include "core/limits.h"

namespace rollcall {

ByteStream* PartitionService::Watch(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request) {
  return watch(hub_, clock_, Bridge::Partition, context, *request);
}

ByteStream* PartitionService::GetLatestSnapshot(grpc::CallbackServerContext* context,
                                                const grpc::ByteBuffer* request) {
  constexpr auto kMaxWaitMs =
      std::chrono::duration_cast<std::chrono::milliseconds>(limits::kMaxPlacementWait).count();
  v1::GetLatestSnapshotRequest message;
  if (const auto read = read_request(*request, message); !read) return refuse(read.error());
  RequestCheck check;
  check.cluster(message.cluster(), hub_.cluster());
  if (message.wait_ms() > kMaxWaitMs) {
    check.add("wait_ms", std::to_string(message.wait_ms()),
              "at most " + std::to_string(kMaxWaitMs) + " (0: that)");
  }
  if (const auto error = check.error()) return refuse(*error);
  const MonoTime now = clock_.now();
  std::optional<MonoTime> deadline;
  if (message.wait_for_placement()) {
    deadline =
        now + std::chrono::milliseconds(message.wait_ms() == 0 ? kMaxWaitMs : message.wait_ms());
  }
  return StreamReactor::start(context, clock_, [&](std::shared_ptr<Waker> waker) {
    return hub_.latest_snapshot(deadline, std::move(waker), now);
  });
}

}  // namespace rollcall
