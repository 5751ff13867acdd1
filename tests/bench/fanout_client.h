// The subscribers of bench_fanout, in a process of their own, so that the server's processor time
// is the server's alone. They count bytes and parse nothing: the client is not what is measured.
//
// The server's process writes commands to its standard input stand-in (a pipe) and reads answers:
//   open N CONNECTIONS ADDRESS BYTES   → (streams open) … done MESSAGES  when each has BYTES
//   close                              → closed
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include <sys/types.h>

namespace rollcall::bench {

// Forks the client. Must be called before this process uses gRPC or starts a thread.
class FanoutClients {
 public:
  FanoutClients();
  ~FanoutClients();  // ends and reaps the process
  FanoutClients(const FanoutClients&) = delete;
  FanoutClients& operator=(const FanoutClients&) = delete;

  void open(std::size_t streams, std::size_t connections, const std::string& address,
            std::uint64_t epoch, std::uint64_t after_seq, std::size_t bytes_each);
  // Blocks until every stream has got its bytes; how many messages came.
  std::uint64_t wait_done();
  void close();

 private:
  pid_t pid_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace rollcall::bench
