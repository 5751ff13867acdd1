#include "bridges/stream/request.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <utility>

#include "bridges/stream/status_detail.h"
#include "core/limits.h"
#include "core/text.h"
#include "rollcall/v1/bridges.pb.h"

namespace rollcall {

void RequestCheck::cluster(const std::string& value, const std::string& served) {
  if (value.empty() || served.empty() || value == served) return;
  add("cluster", value, "\"" + served + "\", the cluster that this sidecar serves, or nothing");
}

void RequestCheck::consumer_id(const std::string& value) {
  text("consumer_id", value, 1, limits::kMaxConsumerIdBytes);
}

void RequestCheck::text(std::string field, std::string_view value, std::size_t min_bytes,
                        std::size_t max_bytes) {
  const bool sized = value.size() >= min_bytes && value.size() <= max_bytes;
  if (sized && is_valid_utf8(value) && !has_control_characters(value)) return;
  add(std::move(field), value,
      std::to_string(min_bytes) + " to " + std::to_string(max_bytes) +
          " bytes of UTF-8 without control characters");
}

std::optional<ProvisioningError> RequestCheck::error() const {
  if (problems_.empty()) return std::nullopt;
  return problems_.fail(ErrorCode::InvalidConfig, "the request is not valid").value();
}

Result<void> read_request(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  grpc::ByteBuffer copy = bytes;  // the reader consumes it; slices are shared
  grpc::ProtoBufferReader reader(&copy);
  if (reader.status().ok() && message.ParseFromZeroCopyStream(&reader)) return {};
  return fail(ErrorCode::InvalidConfig, "the request is not a " + message.GetTypeName());
}

ByteStream* watch(WatchHub& hub, const Clock& clock, Bridge bridge,
                  grpc::CallbackServerContext* context, const grpc::ByteBuffer& request) {
  v1::WatchRequest message;
  if (const auto read = read_request(request, message); !read) return refuse(read.error());
  RequestCheck check;
  check.consumer_id(message.consumer_id());
  check.cluster(message.cluster(), hub.cluster());
  if (const auto error = check.error()) return refuse(*error);
  return StreamReactor::start(context, clock, [&](std::shared_ptr<Waker> waker) {
    return hub.subscribe({bridge, message.consumer_id(), Epoch(message.epoch()),
                          SeqNo(message.after_seq()), message.acknowledges()},
                         std::move(waker), clock.now());
  });
}

grpc::ServerUnaryReactor* finish(grpc::CallbackServerContext* context, const Result<void>& result) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(result ? grpc::Status::OK : to_status(result.error()));
  return reactor;
}

}  // namespace rollcall
