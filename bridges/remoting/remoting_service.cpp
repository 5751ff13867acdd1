#include "bridges/remoting/remoting_service.h"

#include <functional>
#include <utility>

#include "bridges/stream/request.h"
#include "bridges/stream/status_detail.h"
#include "core/limits.h"

namespace rollcall {
namespace {

Result<NodeReport> read(const v1::ReportRequest& request) {
  RequestCheck check;
  check.consumer_id(request.consumer_id());
  check.text("node_id", request.node_id(), 1, limits::kMaxNodeIdBytes);
  check.text("incarnation", request.incarnation(), 0, limits::kMaxIncarnationBytes);
  if (auto error = check.error()) return tl::unexpected(*std::move(error));
  return NodeReport{request.consumer_id(), NodeId(request.node_id()), request.incarnation()};
}

std::function<void(Result<bool>)> answer(grpc::ServerUnaryReactor* reactor,
                                         v1::ReportResponse* response) {
  return [reactor, response](Result<bool> member) {
    if (member) response->set_member(*member);
    reactor->Finish(member ? grpc::Status::OK : to_status(member.error()));
  };
}

}  // namespace

ByteStream* RemotingService::Watch(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request) {
  return watch(hub_, clock_, Bridge::Remoting, context, *request);
}

grpc::ServerUnaryReactor* RemotingService::ReportQuarantined(grpc::CallbackServerContext* context,
                                                             const v1::ReportRequest* request,
                                                             v1::ReportResponse* response) {
  auto report = read(*request);
  if (!report) return finish(context, tl::unexpected(std::move(report.error())));
  auto* reactor = context->DefaultReactor();
  commands_.report_quarantined(*std::move(report), answer(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* RemotingService::ReportRecovered(grpc::CallbackServerContext* context,
                                                           const v1::ReportRequest* request,
                                                           v1::ReportResponse* response) {
  auto report = read(*request);
  if (!report) return finish(context, tl::unexpected(std::move(report.error())));
  auto* reactor = context->DefaultReactor();
  commands_.report_recovered(*std::move(report), answer(reactor, response));
  return reactor;
}

}  // namespace rollcall
