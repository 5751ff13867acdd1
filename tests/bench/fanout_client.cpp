#include "tests/bench/fanout_client.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rollcall/v1/bridges.pb.h"

namespace rollcall::bench {
namespace {

// Counts what all streams of one run have got.
struct Run {
  explicit Run(std::size_t streams) : missing(streams), open(streams) {}
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t missing;  // streams that have not got all their bytes
  std::size_t open;
  std::atomic<std::uint64_t> messages{0};
};

class Subscriber final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Subscriber(grpc::GenericStub& stub, const std::string& request, std::size_t bytes, Run& run)
      : bytes_(bytes), run_(run) {
    stub.PrepareBidiStreamingCall(&context_, "/rollcall.v1.PartitionBridge/Watch", {}, this);
    const grpc::Slice slice(request);
    request_ = grpc::ByteBuffer(&slice, 1);
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&batch_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    run_.messages.fetch_add(1, std::memory_order_relaxed);
    const std::size_t size = batch_.Length();
    const bool was_missing = got_ < bytes_;
    got_ += size;
    if (was_missing && got_ >= bytes_) {
      const std::lock_guard lock(run_.mutex);
      if (--run_.missing == 0) run_.changed.notify_all();
    }
    StartRead(&batch_);
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(run_.mutex);
    if (--run_.open == 0) run_.changed.notify_all();
  }
  void cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer batch_;
  const std::size_t bytes_;
  std::size_t got_ = 0;
  Run& run_;
};

struct Open {
  Run run;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs;
  std::vector<std::unique_ptr<Subscriber>> subscribers;
};

std::unique_ptr<Open> open_streams(std::size_t streams, std::size_t connections,
                                   const char* address, std::uint64_t epoch, std::uint64_t after,
                                   std::size_t bytes) {
  std::unique_ptr<Open> open(new Open{Run(streams), {}, {}});
  for (std::size_t i = 0; i < connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("rollcall.bench.connection", static_cast<int>(i));
    arguments.SetMaxReceiveMessageSize(4 << 20);
    open->stubs.push_back(std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments)));
  }
  v1::WatchRequest request;
  request.set_epoch(epoch);
  request.set_after_seq(after);
  for (std::size_t i = 0; i < streams; ++i) {
    request.set_consumer_id("c" + std::to_string(i));
    open->subscribers.push_back(std::make_unique<Subscriber>(
        *open->stubs[i % connections], request.SerializeAsString(), bytes, open->run));
  }
  return open;
}

[[noreturn]] void run_client(std::FILE* in, std::FILE* out) {
  std::unique_ptr<Open> open;
  char line[4096];
  while (std::fgets(line, sizeof(line), in) != nullptr) {
    std::size_t streams = 0;
    std::size_t connections = 0;
    std::size_t bytes = 0;
    unsigned long long epoch = 0;
    unsigned long long after = 0;
    char address[2048];
    if (std::sscanf(line, "open %zu %zu %2047s %llu %llu %zu", &streams, &connections, address,
                    &epoch, &after, &bytes) == 6) {
      open = open_streams(streams, connections, address, epoch, after, bytes);
      std::unique_lock lock(open->run.mutex);
      open->run.changed.wait(lock, [&] { return open->run.missing == 0; });
      std::fprintf(out, "done %llu\n", static_cast<unsigned long long>(open->run.messages.load()));
      std::fflush(out);
    } else if (open != nullptr) {
      for (auto& subscriber : open->subscribers) subscriber->cancel();
      {
        std::unique_lock lock(open->run.mutex);
        open->run.changed.wait(lock, [&] { return open->run.open == 0; });
      }
      open.reset();
      std::fprintf(out, "closed\n");
      std::fflush(out);
    }
  }
  std::_Exit(0);
}

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

FanoutClients::FanoutClients() {
  int commands[2];
  int answers[2];
  if (::pipe(commands) != 0 || ::pipe(answers) != 0) give_up("pipe");
  pid_ = ::fork();
  if (pid_ < 0) give_up("fork");
  if (pid_ == 0) {
    ::close(commands[1]);
    ::close(answers[0]);
    run_client(::fdopen(commands[0], "r"), ::fdopen(answers[1], "w"));
  }
  ::close(commands[0]);
  ::close(answers[1]);
  to_ = ::fdopen(commands[1], "w");
  from_ = ::fdopen(answers[0], "r");
}

FanoutClients::~FanoutClients() {
  std::fclose(to_);
  std::fclose(from_);
  ::waitpid(pid_, nullptr, 0);
}

void FanoutClients::open(std::size_t streams, std::size_t connections, const std::string& address,
                         std::uint64_t epoch, std::uint64_t after_seq, std::size_t bytes_each) {
  std::fprintf(to_, "open %zu %zu %s %llu %llu %zu\n", streams, connections, address.c_str(),
               static_cast<unsigned long long>(epoch), static_cast<unsigned long long>(after_seq),
               bytes_each);
  std::fflush(to_);
}

std::uint64_t FanoutClients::wait_done() {
  unsigned long long messages = 0;
  if (std::fscanf(from_, " done %llu", &messages) != 1) give_up("the client process is gone");
  return messages;
}

void FanoutClients::close() {
  std::fprintf(to_, "close\n");
  std::fflush(to_);
  char word[16];
  if (std::fscanf(from_, " %15s", word) != 1) give_up("the client process is gone");
}

}  // namespace rollcall::bench
