// gRPC stays up while one of these lives, and not only while a connection does: its threads and
// descriptors need not come and go with every attempt.
//
// Threads: any.
#pragma once

#include <grpc/grpc.h>

namespace rollcall {

class GrpcUp {
 public:
  GrpcUp() { grpc_init(); }
  ~GrpcUp() { grpc_shutdown(); }
  GrpcUp(const GrpcUp&) = delete;
  GrpcUp& operator=(const GrpcUp&) = delete;
};

}  // namespace rollcall
