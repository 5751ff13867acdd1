// What every request of a consumer is checked for (SPEC 6), all problems at once; and reading the
// raw requests of the streaming methods.
//
// Threads: values and pure functions.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bridges/stream/stream_reactor.h"
#include "core/codec/object_reader.h"
#include "core/error.h"
#include "core/time.h"
#include "provisioning/hub/consumer_table.h"
#include "provisioning/hub/watch_hub.h"

namespace rollcall {

// Collects what is wrong with a request; bounded, whatever is (ProblemList).
class RequestCheck {
 public:
  // Empty: whichever this sidecar serves; else it must be that one.
  void cluster(const std::string& value, const std::string& served);
  void consumer_id(const std::string& value);
  // Between `min_bytes` and `max_bytes` of UTF-8 without control characters.
  void text(std::string field, std::string_view value, std::size_t min_bytes,
            std::size_t max_bytes);
  void add(std::string field, std::string_view value, std::string expected) {
    problems_.add(std::move(field), value, std::move(expected));
  }
  // INVALID_CONFIG with all of them; nothing if the request is fine.
  std::optional<ProvisioningError> error() const;

 private:
  ProblemList problems_;
};

// INVALID_CONFIG if the bytes are no such message.
Result<void> read_request(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

// Watch of any bridge: WatchRequest in, batches out.
ByteStream* watch(WatchHub& hub, const Clock& clock, Bridge bridge,
                  grpc::CallbackServerContext* context, const grpc::ByteBuffer& request);

// A unary call that is over already.
grpc::ServerUnaryReactor* finish(grpc::CallbackServerContext* context, const Result<void>& result);

}  // namespace rollcall
