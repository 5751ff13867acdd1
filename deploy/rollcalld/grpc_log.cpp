#include "deploy/rollcalld/grpc_log.h"

#include <grpc/support/log.h>

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <shared_mutex>
#include <string_view>

namespace rollcall {
namespace {

// gRPC calls from its own threads whenever it likes; the pointer is gone only when nobody is in it.
std::shared_mutex guard;
Logger* sink = nullptr;

std::string_view file_name(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);  // npos + 1 is 0
}

void forward(gpr_log_func_args* said) {
  if (said->severity != GPR_LOG_SEVERITY_ERROR) {
    std::fprintf(stderr, "grpc: %s:%d] %s\n", said->file, said->line, said->message);
    return;
  }
  const std::shared_lock lock(guard);
  if (sink == nullptr) return;
  sink->warning("grpc", {{"message", said->message},
                         {"file", file_name(said->file)},
                         {"line", static_cast<std::int64_t>(said->line)}});
}

void hear(Logger* logger) {
  const std::unique_lock lock(guard);
  sink = logger;
}

}  // namespace

GrpcLog::GrpcLog(Logger& logger) {
  hear(&logger);
  gpr_set_log_function(forward);
}

GrpcLog::~GrpcLog() { hear(nullptr); }

}  // namespace rollcall
