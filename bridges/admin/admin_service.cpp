#include "bridges/admin/admin_service.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "bridges/stream/status_detail.h"

namespace rollcall {
namespace {

ProvisioningError shutting_down() {
  return {ErrorCode::ShuttingDown, "the sidecar is shutting down", {}, 0};
}

}  // namespace

AdminService::AdminService(AdminContext context)
    : actions_(std::move(context)), workers_(kAdminThreads, kAdminWaiting) {}

AdminService::~AdminService() { close(); }

void AdminService::close() {
  std::vector<std::weak_ptr<EventsReactor>> streams;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    streams.swap(streams_);
  }
  for (const auto& weak : streams)
    if (auto stream = weak.lock()) stream->end(shutting_down());
  workers_.stop();
}

Duration AdminService::time_left(const grpc::CallbackServerContext& context) const {
  // gRPC gives deadlines as wall times; how much is left is all that is taken of it.
  const auto left = context.deadline() - std::chrono::system_clock::now();
  return std::clamp<Duration>(std::chrono::duration_cast<Duration>(left), Duration::zero(),
                              kAdminLongest);
}

template <class Request, class Response>
grpc::ServerUnaryReactor* AdminService::unary(grpc::CallbackServerContext* context,
                                              const Request& request, Response& response,
                                              std::string_view method) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  ProvisioningMetrics& metrics = actions_.context().telemetry->metrics();
  auto finish = [reactor, method, &metrics](const std::optional<ProvisioningError>& error) {
    metrics.request(method, error ? std::optional(error->code) : std::nullopt);
    reactor->Finish(error ? to_status(*error) : grpc::Status::OK);
  };
  // Request and response live until the reactor is finished.
  const bool accepted = workers_.submit([this, context, &request, &response, finish] {
    const Duration left = time_left(*context);
    if (left == Duration::zero() || context->IsCancelled()) {
      finish(ProvisioningError{ErrorCode::Timeout, "the call waited too long for a worker", {}, 0});
      return;
    }
    auto result = actions_.run(request, left);
    if (result) response = std::move(*result);
    finish(result ? std::nullopt : std::optional(std::move(result.error())));
  });
  if (!accepted) {
    finish(closed() ? shutting_down()
                    : ProvisioningError{ErrorCode::LimitExceeded,
                                        "too many operators' calls are waiting; try again later",
                                        {},
                                        0});
  }
  return reactor;
}

bool AdminService::closed() {
  MutexLock lock(mutex_);
  return closed_;
}

ByteStream* AdminService::GetTopology(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer*) {
  const AdminContext& c = actions_.context();
  return StreamReactor::start(context, *c.clock, [&](std::shared_ptr<Waker> waker) {
    return c.hub->latest_snapshot(std::nullopt, std::move(waker), c.clock->now());
  });
}

grpc::ServerWriteReactor<v1::OperatorEvent>* AdminService::WatchEvents(
    grpc::CallbackServerContext*, const v1::WatchEventsRequest* request) {
  auto stream = EventsReactor::start(*actions_.context().operators, request->backlog());
  bool closed = false;
  {
    MutexLock lock(mutex_);
    closed = closed_;
    std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
    if (!closed) streams_.push_back(stream);
  }
  if (closed) stream->end(shutting_down());
  return stream.get();
}

}  // namespace rollcall
