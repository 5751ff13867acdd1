#include "bridges/client/calls.h"

#include <string>

namespace rollcall::client {

Result<TopologyReplica> read_snapshot(grpc::ClientReader<v1::WatchBatch>& reader,
                                      grpc::ClientContext& context, const Channel& channel) {
  TopologyReplica replica;
  std::string trouble;
  v1::WatchBatch batch;
  while (trouble.empty() && reader.Read(&batch)) {
    for (const auto& event : batch.events()) {
      const Step step = replica.apply(event);
      if (step.verdict != Verdict::Resync) continue;
      for (const auto& notice : step.notices) {
        if (const auto* found = std::get_if<Trouble>(&notice)) trouble = found->message;
      }
      context.TryCancel();
      break;
    }
  }
  const grpc::Status status = reader.Finish();
  if (!trouble.empty()) {
    return fail(ErrorCode::MalformedResponse, "the snapshot can't be used: " + trouble);
  }
  if (!status.ok()) return tl::unexpected(error_of(status, channel.address()));
  if (!replica.view().has_topology()) {
    return fail(ErrorCode::MalformedResponse, "the snapshot ended before its last chunk");
  }
  return replica;
}

}  // namespace rollcall::client
