// A plug-in that does, as a real process, what no plug-in should: for custom_hostile_test.
//
//   misbehaving_plugin MODE [SOCKET]      the socket: $ROLLCALL_PLUGIN_SOCKET, else the argument
//
// Most modes give one member, "a", and then misbehave. Every mode but ignore-term ends by SIGTERM.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "rollcall/v1/plugin.grpc.pb.h"

namespace {

namespace v1 = rollcall::v1;
using Writer = grpc::ServerWriter<v1::PluginEvent>;

// Signals end the process, nothing else does.
[[noreturn]] void hang() {
  while (true) ::pause();
}

// Until Rollcall is gone.
void serve_on(grpc::ServerContext& context) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  while (!context.IsCancelled()) never.wait_for(lock, std::chrono::milliseconds(20));
}

void add_member(v1::PluginSnapshotChunk& chunk, const std::string& id) {
  v1::Node* node = chunk.add_members();
  node->set_id(id);
  node->set_host("10.0.0.1");
  node->set_port(7000);
}

v1::PluginEvent snapshot_of(const std::string& id) {
  v1::PluginEvent event;
  event.mutable_snapshot()->set_last(true);
  if (!id.empty()) add_member(*event.mutable_snapshot(), id);
  return event;
}

v1::PluginEvent unchanged() {
  v1::PluginEvent event;
  event.mutable_unchanged();
  return event;
}

v1::PluginEvent chunk_of(unsigned index, const std::string& id, bool last) {
  v1::PluginEvent event;
  event.mutable_snapshot()->set_chunk_index(index);
  event.mutable_snapshot()->set_last(last);
  if (!id.empty()) add_member(*event.mutable_snapshot(), id);
  return event;
}

v1::PluginEvent one_bad_member(const std::function<void(v1::Node&)>& spoil) {
  v1::PluginEvent event = snapshot_of("bad");
  spoil(*event.mutable_snapshot()->mutable_members(0));
  return event;
}

// A child that would live on for ever, in the plug-in's process group.
void leave_a_child() {
  const char* seconds = std::getenv("LEFT_BEHIND");  // by which the test finds it
  if (seconds == nullptr || ::fork() != 0) return;
  ::execl("/bin/sleep", "sleep", seconds, static_cast<char*>(nullptr));
  ::_exit(127);
}

std::string content_of(const char* path) {
  std::ifstream file(path == nullptr ? "" : path);
  std::string word;
  file >> word;
  return word;
}

class Misbehaving : public v1::ClusterProviderPlugin::Service {
 public:
  void set_mode(const std::string& mode) { mode_ = mode; }  // before it is served

  grpc::Status Handshake(grpc::ServerContext*, const v1::HandshakeRequest* request,
                         v1::HandshakeResponse* response) override {
    if (mode_ == "crash-at-handshake") std::abort();
    if (mode_ == "hang-at-handshake") hang();
    if (mode_ == "refuse") return {grpc::StatusCode::UNAUTHENTICATED, "the token\nis not good"};
    response->set_protocol_version(mode_ == "wrong-version" ? 7 : 1);
    response->set_name(mode_ == "rude-name" ? "two\nlines" : "misbehaving");
    response->set_version(mode_);
    response->mutable_capabilities()->set_watch(mode_ != "no-watch");
    response->mutable_capabilities()->set_announce(mode_.starts_with("announce"));
    if (mode_ == "seldom") response->set_attest_interval_ms(request->attest_interval_ms() + 1);
    token_file_ = request->token_file();
    return grpc::Status::OK;
  }

  grpc::Status CheckConnectivity(grpc::ServerContext*, const v1::CheckConnectivityRequest*,
                                 v1::CheckConnectivityResponse* response) override {
    if (mode_ == "check-fails") {
      response->mutable_failure()->set_code("AUTH_FAILED");
      response->mutable_failure()->set_detail("no such user");
    }
    if (mode_ == "hang-at-check") hang();
    return grpc::Status::OK;
  }

  // Takes every node, and forgets it: it is never listed.
  grpc::Status Announce(grpc::ServerContext*, const v1::AnnounceRequest* request,
                        v1::AnnounceResponse* response) override {
    if (mode_ == "announce-hangs") hang();
    if (mode_ == "announce-crashes") std::abort();
    if (mode_ == "announce-refused") {
      return {grpc::StatusCode::ALREADY_EXISTS, "n1 is somebody else"};
    }
    if (mode_ == "announce-not-served") return {grpc::StatusCode::UNIMPLEMENTED, "later"};
    const std::uint32_t ttl_ms = request->ttl_ms();
    response->set_renew_within_ms(mode_ == "announce-never"    ? 0
                                  : mode_ == "announce-hammer" ? 1
                                  : mode_ == "announce-seldom" ? ttl_ms + 1
                                                               : ttl_ms);
    return grpc::Status::OK;
  }

  grpc::Status Withdraw(grpc::ServerContext*, const v1::WithdrawRequest*,
                        v1::WithdrawResponse*) override {
    return grpc::Status::OK;
  }

  grpc::Status Snapshot(grpc::ServerContext*, const v1::PluginSnapshotRequest*,
                        grpc::ServerWriter<v1::PluginSnapshotChunk>* writer) override {
    v1::PluginSnapshotChunk chunk;
    add_member(chunk, "a");
    chunk.set_last(mode_ != "half-a-snapshot");
    writer->Write(chunk);
    return grpc::Status::OK;
  }

  grpc::Status Watch(grpc::ServerContext* context, const v1::PluginWatchRequest*,
                     Writer* writer) override {
    if (mode_ == "token" || mode_ == "token-once") return with_token(*context, *writer);
    if (mode_ == "as-told") return as_told(*context, *writer);
    const auto mode = modes().find(mode_);
    if (mode != modes().end()) return mode->second(*context, *writer);
    writer->Write(snapshot_of(mode_ == "echo-token-file" ? token_file_ : "a"));
    return attest(*context, *writer);
  }

 private:
  using Mode = std::function<grpc::Status(grpc::ServerContext&, Writer&)>;

  static grpc::Status attest(grpc::ServerContext& context, Writer& writer) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    while (!context.IsCancelled() && writer.Write(unchanged())) {
      never.wait_for(lock, std::chrono::milliseconds(20));
    }
    return grpc::Status::OK;
  }

  // A backend that takes the token in the file $ACCEPTED_TOKEN, and asks for it again and again.
  // token-once: ours is read once.
  grpc::Status with_token(grpc::ServerContext& context, Writer& writer) {
    if (token_.empty() || mode_ == "token") token_ = content_of(token_file_.c_str());
    const auto taken = [&] { return content_of(std::getenv("ACCEPTED_TOKEN")) == token_; };
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    v1::PluginEvent event = snapshot_of("a");
    while (taken() && !context.IsCancelled() && writer.Write(event)) {
      event = unchanged();
      never.wait_for(lock, std::chrono::milliseconds(20));
    }
    v1::PluginEvent refused;
    refused.mutable_failed()->set_code("AUTH_FAILED");
    refused.mutable_failed()->set_detail("the token is not taken");
    writer.Write(refused);
    return grpc::Status::OK;
  }

  // What the file $BEHAVIOUR says, as soon as it says so: "attest" and "drain" (the member's
  // status) are good manners, anything else is a mode.
  grpc::Status as_told(grpc::ServerContext& context, Writer& writer) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    std::string before;
    while (!context.IsCancelled()) {
      const std::string now = content_of(std::getenv("BEHAVIOUR"));
      if (now == "be-killed") ::kill(::getpid(), SIGKILL);
      if (now == "hang") hang();
      if (now != "attest" && now != "drain") return modes().at(now)(context, writer);
      v1::PluginEvent event = now == before ? unchanged() : snapshot_of("a");
      if (event.has_snapshot() && now == "drain") {
        event.mutable_snapshot()->mutable_members(0)->set_status(v1::NODE_STATUS_DRAINING);
      }
      if (!writer.Write(event)) break;
      before = now;
      never.wait_for(lock, std::chrono::milliseconds(20));
    }
    return grpc::Status::OK;
  }

  // Sends these and listens until the call is over.
  static Mode sends(std::vector<v1::PluginEvent> events) {
    return [events = std::move(events)](grpc::ServerContext& context, Writer& writer) {
      for (const auto& event : events) writer.Write(event);
      serve_on(context);
      return grpc::Status::OK;
    };
  }

  static std::map<std::string, Mode> make_modes();
  static const std::map<std::string, Mode>& modes() {
    static const std::map<std::string, Mode> all = make_modes();
    return all;
  }

  std::string mode_;
  std::string token_file_;
  std::string token_;  // of with_token(): one watch at a time
};

// Members are written by another thread: time for them to arrive before the process is no more.
void let_arrive(grpc::ServerContext& context) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, std::chrono::milliseconds(200), [&] { return context.IsCancelled(); });
}

grpc::Status crash(grpc::ServerContext& context, Writer& writer) {
  std::cerr << "about to fail" << std::endl;
  writer.Write(snapshot_of("a"));
  let_arrive(context);
  std::abort();
}

grpc::Status stop_itself(grpc::ServerContext& context, Writer& writer) {
  writer.Write(snapshot_of("a"));
  let_arrive(context);
  ::kill(::getpid(), SIGSTOP);
  hang();
}

grpc::Status endless_chunks(grpc::ServerContext& context, Writer& writer) {
  unsigned id = 0;
  for (unsigned index = 0; !context.IsCancelled(); ++index) {
    v1::PluginEvent event;
    event.mutable_snapshot()->set_chunk_index(index);
    for (int i = 0; i < 1000; ++i) add_member(*event.mutable_snapshot(), std::to_string(++id));
    if (!writer.Write(event)) break;
  }
  return grpc::Status::OK;
}

grpc::Status flood(grpc::ServerContext& context, Writer& writer) {
  writer.Write(snapshot_of("a"));
  while (!context.IsCancelled() && writer.Write(unchanged())) {
  }
  return grpc::Status::OK;
}

grpc::Status drip_chunks(grpc::ServerContext& context, Writer& writer) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  for (unsigned index = 0; !context.IsCancelled(); ++index) {
    if (!writer.Write(chunk_of(index, std::to_string(index), false))) break;
    never.wait_for(lock, std::chrono::milliseconds(200));
  }
  return grpc::Status::OK;
}

grpc::Status of_bytes(grpc::ServerContext& context, Writer& writer, std::size_t bytes) {
  v1::PluginEvent event = snapshot_of("a");
  event.mutable_snapshot()->set_backend_index(std::string(bytes, 'x'));
  writer.Write(event);
  serve_on(context);
  return grpc::Status::OK;
}

// 256 MiB of zeros are 256 kB in gzip: below the limit, as long as nobody unpacks them.
grpc::Status bomb(grpc::ServerContext& context, Writer& writer) {
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  return of_bytes(context, writer, 256u << 20);
}

std::map<std::string, Misbehaving::Mode> Misbehaving::make_modes() {
  std::map<std::string, Mode> all = {
      {"crash-mid-stream", crash},
      {"stop-itself", stop_itself},
      {"endless-chunks", endless_chunks},
      {"flood", flood},
      {"drip-chunks", drip_chunks},
      {"bomb", bomb},
      {"end-in-order",
       [](auto&, auto& writer) {
         writer.Write(snapshot_of("a"));
         return grpc::Status::OK;
       }},
      {"end-within-a-snapshot",
       [](auto&, auto& writer) {
         writer.Write(chunk_of(0, "a", false));
         return grpc::Status::OK;
       }},
      {"deny",
       [](auto&, auto&) {
         return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not for you");
       }},
      {"hang-mid-stream",
       [](auto&, auto& writer) {
         writer.Write(snapshot_of("a"));
         hang();
         return grpc::Status::OK;  // a lambda's type
       }},
      {"ignore-cancel",
       [](auto&, auto& writer) {
         writer.Write(snapshot_of("a"));
         std::mutex mutex;
         std::condition_variable never;
         std::unique_lock lock(mutex);
         while (true) {
           writer.Write(unchanged());
           never.wait_for(lock, std::chrono::milliseconds(20));
         }
         return grpc::Status::OK;
       }},
      {"leaks-descriptors",
       [](auto& context, auto& writer) {
         if (::open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return grpc::Status::CANCELLED;
         writer.Write(snapshot_of("a"));
         return attest(context, writer);
       }},
      {"talks-much",
       [](auto& context, auto& writer) {
         const std::string line(1000, 'y');
         for (int i = 0; i < 5000; ++i) std::cerr << line << '\n';  // 5 MB to stderr
         writer.Write(snapshot_of("a"));
         return attest(context, writer);
       }},
      {"leaves-children",
       [](auto& context, auto& writer) {
         leave_a_child();
         writer.Write(snapshot_of("a"));
         return attest(context, writer);
       }},
  };
  // --- what is no answer ---
  v1::PluginEvent twice = snapshot_of("a");
  add_member(*twice.mutable_snapshot(), "a");
  v1::PluginEvent change;
  change.mutable_change()->add_removals("a");
  v1::PluginEvent both = change;
  *both.mutable_change()->add_upserts() = snapshot_of("a").snapshot().members(0);
  v1::PluginEvent odd_code;
  odd_code.mutable_failed()->set_code("STORE_LOCKED");
  v1::PluginEvent said;
  said.mutable_failed()->set_code("AUTH_FAILED");
  said.mutable_failed()->set_detail("the backend refused\x1b[31m us");
  v1::PluginEvent rolled_back;
  rolled_back.mutable_failed()->set_code("INDEX_ROLLBACK");
  const auto labelled = [](int count) {
    return one_bad_member([count](v1::Node& node) {
      for (int i = 0; i < count; ++i) (*node.mutable_labels())[std::to_string(i)] = "v";
    });
  };
  all["duplicate-ids"] = sends({twice});
  all["duplicate-ids-across-chunks"] = sends({chunk_of(0, "a", false), chunk_of(1, "a", true)});
  all["chunks-out-of-order"] = sends({chunk_of(0, "a", false), chunk_of(2, "b", true)});
  all["begins-with-chunk-1"] = sends({chunk_of(1, "a", true)});
  all["empty-chunk"] = sends({chunk_of(0, "", false)});
  all["change-first"] = sends({change});
  all["unchanged-first"] = sends({unchanged()});
  all["unchanged-between-chunks"] = sends({chunk_of(0, "a", false), unchanged()});
  all["joins-and-leaves"] = sends({snapshot_of("a"), both});
  all["no-event"] = sends({v1::PluginEvent()});
  all["odd-code"] = sends({odd_code});
  all["fails-itself"] = sends({said});
  all["rolls-back"] = sends({rolled_back});
  all["bad-port"] = sends({one_bad_member([](v1::Node& n) { n.set_port(65536); })});
  all["bad-host"] = sends({one_bad_member([](v1::Node& n) { n.set_host("10.0.0.1:80"); })});
  all["bad-status"] =
      sends({one_bad_member([](v1::Node& n) { n.set_status(static_cast<v1::NodeStatus>(9)); })});
  all["bad-utf8"] = sends({one_bad_member([](v1::Node& n) { n.set_zone("\xff\xfe"); })});
  all["no-id"] = sends({one_bad_member([](v1::Node& n) { n.clear_id(); })});
  all["long-id"] = sends({one_bad_member([](v1::Node& n) { n.set_id(std::string(257, 'i')); })});
  all["many-labels"] = sends({labelled(65)});
  all["empty"] = [](auto& context, auto& writer) {
    writer.Write(snapshot_of(""));
    return attest(context, writer);
  };
  return all;
}

// An answer whose head announces the most that gRPC's 32 bits can, and all of it behind it: by
// reference, so that it costs this process nothing.
class Huge final : public v1::ClusterProviderPlugin::WithRawCallbackMethod_Watch<Misbehaving> {
 public:
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(grpc::CallbackServerContext*,
                                                    const grpc::ByteBuffer*) override {
    class Sender final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
     public:
      Sender() {
        constexpr std::size_t kMiB = std::size_t{1} << 20;
        const grpc::Slice piece(std::string(kMiB, 'x'));
        std::vector<grpc::Slice> pieces(4095, piece);
        pieces.push_back(piece.sub(0, kMiB - 1));
        message_ = grpc::ByteBuffer(pieces.data(), pieces.size());
        StartWrite(&message_);
      }
      void OnWriteDone(bool) override { Finish(grpc::Status::OK); }
      void OnDone() override { delete this; }

     private:
      grpc::ByteBuffer message_;
    };
    return new Sender();
  }
};

}  // namespace

int main(int argc, char** argv) {
  const char* from_rollcall = std::getenv("ROLLCALL_PLUGIN_SOCKET");
  const std::string mode = argc > 1 ? argv[1] : "";
  const std::string socket = from_rollcall != nullptr ? from_rollcall : argc > 2 ? argv[2] : "";
  if (mode == "no-socket") hang();
  if (mode == "exit-at-once") {
    std::cerr << "no licence found\nleaving\n";
    return 3;
  }
  if (mode == "ignore-term") std::signal(SIGTERM, SIG_IGN);
  if (mode == "report") {
    // What it was given: its environment and its open descriptors.
    for (char** entry = environ; *entry != nullptr; ++entry) std::cerr << *entry << '\n';
    for (int fd = 0; fd < 1000; ++fd) {
      if (::fcntl(fd, F_GETFD) >= 0) std::cerr << "fd " << fd << '\n';
    }
    return 4;
  }
  ::umask(077);
  const std::unique_ptr<Misbehaving> service =
      mode == "huge-message" ? std::unique_ptr<Misbehaving>(std::make_unique<Huge>())
                             : std::make_unique<Misbehaving>();
  service->set_mode(mode);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(service.get());
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  hang();
}
