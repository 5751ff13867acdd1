// rollcall-plugin-directory: a discovery plug-in for Rollcall. The members are the files of a
// directory, one node each: whoever deploys a node drops a file there and takes it away again. A
// node that Rollcall announces is a file, too, whose modification time is when it ceases to count:
// nobody has to be there to take it away.
//
// It is an example to start from: it needs gRPC, Protobuf and rollcall/v1/plugin.proto, and nothing
// else of Rollcall. README.md says how to build and use it.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/grpcpp.h>

#include "rollcall/v1/plugin.grpc.pb.h"

namespace {

namespace fs = std::filesystem;
namespace v1 = rollcall::v1;
using std::chrono::milliseconds;

constexpr unsigned kProtocolVersion = 1;
constexpr std::uintmax_t kMaxFileBytes = 64u << 10;  // a node has at most 16 KiB
// A chunk ends at either: Rollcall takes messages of up to 1 MiB.
constexpr int kChunkMembers = 1000;
constexpr std::size_t kChunkBytes = 512u << 10;
constexpr milliseconds kSlowestScan{250};
constexpr milliseconds kFastestScan{10};
constexpr std::string_view kAnnounced = ".announced.json";
constexpr std::uint32_t kShortestTtlMs = 1000;

using Members = std::map<std::string, v1::Node>;  // by id

std::int64_t unix_ms_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(now).count();
}

bool is_over(const fs::path& path, const struct stat& info) {
  if (!path.string().ends_with(kAnnounced)) return false;
  return info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1'000'000 <= unix_ms_now();
}

// Any id as the name of one file.
std::string file_name(const std::string& id) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string name;
  for (const char c : id) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_') {
      name += c;
    } else {
      name += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return name + std::string(kAnnounced);
}

// Beside it first, then in its place: a reader never sees half of it.
bool write_until(const fs::path& path, const std::string& text, std::int64_t until_ms) {
  const fs::path beside = path.string() + ".new";
  std::ofstream out(beside, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  const timespec until{until_ms / 1000, until_ms % 1000 * 1'000'000};
  const timespec times[2] = {until, until};
  std::error_code error;
  if (!out || ::utimensat(AT_FDCWD, beside.c_str(), times, 0) != 0) return false;
  fs::rename(beside, path, error);
  return !error;
}

v1::PluginFailure failure(const char* code, std::string detail) {
  v1::PluginFailure failed;
  failed.set_code(code);
  failed.set_detail(std::move(detail));
  return failed;
}

// Reads the directory again and again; a file is parsed only when it was replaced.
class DirectoryReader {
 public:
  explicit DirectoryReader(fs::path directory) : directory_(std::move(directory)) {}

  // Everything or a failure: half of the members would look as if the others had left.
  std::optional<v1::PluginFailure> read(Members& members) {
    members.clear();
    std::map<fs::path, Known> seen;
    std::error_code error;
    for (fs::directory_iterator entry(directory_, error), end; entry != end && !error;
         entry.increment(error)) {
      if (entry->path().extension() != ".json") continue;
      if (auto failed = read_file(entry->path(), seen)) return failed;
    }
    if (error) {
      return failure("BACKEND_UNAVAILABLE", directory_.string() + ": " + error.message());
    }
    known_ = std::move(seen);
    for (const auto& [path, file] : known_) {
      if (members.emplace(file.node.id(), file.node).second) continue;
      return failure("MALFORMED_RESPONSE",
                     path.string() + ": the id " + file.node.id() + " is in another file too");
    }
    return std::nullopt;
  }

 private:
  struct Known {
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};
    v1::Node node;
  };

  std::optional<v1::PluginFailure> read_file(const fs::path& path,
                                             std::map<fs::path, Known>& seen) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return std::nullopt;  // taken away a moment ago
    if (is_over(path, info)) return std::nullopt;
    const auto before = known_.find(path);
    if (before != known_.end() && before->second.inode == info.st_ino &&
        before->second.size == info.st_size &&
        before->second.changed.tv_sec == info.st_mtim.tv_sec &&
        before->second.changed.tv_nsec == info.st_mtim.tv_nsec) {
      seen.emplace(path, before->second);
      return std::nullopt;
    }
    if (static_cast<std::uintmax_t>(info.st_size) > kMaxFileBytes) {
      return failure("LIMIT_EXCEEDED", path.string() + " is larger than 64 KiB");
    }
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    Known file{info.st_ino, info.st_size, info.st_mtim, {}};
    // Refuses unknown fields, so that a misspelt one is noticed.
    const auto status = google::protobuf::util::JsonStringToMessage(text, &file.node);
    if (!status.ok() || file.node.id().empty()) {
      const std::string reason = status.ok() ? "no id" : std::string(status.message());
      return failure("MALFORMED_RESPONSE", path.string() + ": " + reason);
    }
    seen.emplace(path, std::move(file));
    return std::nullopt;
  }

  const fs::path directory_;
  std::map<fs::path, Known> known_;
};

// Writes a snapshot in chunks; `write` takes one and says whether the reader still listens.
template <class Write>
bool write_snapshot(const Members& members, Write write) {
  v1::PluginSnapshotChunk chunk;
  std::size_t bytes = 0;
  for (const auto& [id, node] : members) {
    if (chunk.members_size() >= kChunkMembers || bytes >= kChunkBytes) {
      if (!write(chunk)) return false;
      const auto next = chunk.chunk_index() + 1;
      chunk.Clear();
      chunk.set_chunk_index(next);
      bytes = 0;
    }
    *chunk.add_members() = node;
    bytes += node.ByteSizeLong();
  }
  chunk.set_last(true);
  return write(chunk);
}

v1::PluginEvent difference(const Members& before, const Members& now) {
  v1::PluginEvent event;
  for (const auto& [id, node] : now) {
    const auto old = before.find(id);
    if (old != before.end() &&
        google::protobuf::util::MessageDifferencer::Equals(old->second, node)) {
      continue;
    }
    *event.mutable_change()->add_upserts() = node;
  }
  for (const auto& [id, node] : before) {
    if (!now.contains(id)) event.mutable_change()->add_removals(id);
  }
  return event;
}

class DirectoryPlugin final : public v1::ClusterProviderPlugin::Service {
 public:
  grpc::Status Handshake(grpc::ServerContext*, const v1::HandshakeRequest* request,
                         v1::HandshakeResponse* response) override {
    const auto& offered = request->protocol_versions();
    const bool spoken =
        std::find(offered.begin(), offered.end(), kProtocolVersion) != offered.end();
    response->set_protocol_version(spoken ? kProtocolVersion : 0);
    response->set_name("directory");
    response->set_version("1.0.0");
    response->mutable_capabilities()->set_watch(true);
    response->mutable_capabilities()->set_announce(true);
    response->set_attest_interval_ms(request->attest_interval_ms());
    for (const auto& [key, value] : request->config()) {
      if (key == "directory" && fs::path(value).is_absolute()) continue;
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "config." + key + ": `directory`, an absolute path, is all there is to set"};
    }
    if (!request->config().contains("directory")) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "config.directory is required"};
    }
    const std::lock_guard lock(mutex_);
    directory_ = request->config().at("directory");
    attest_ = milliseconds(request->attest_interval_ms());
    return grpc::Status::OK;
  }

  grpc::Status CheckConnectivity(grpc::ServerContext*, const v1::CheckConnectivityRequest*,
                                 v1::CheckConnectivityResponse* response) override {
    DirectoryReader reader(directory());
    Members members;
    if (auto failed = reader.read(members)) *response->mutable_failure() = *failed;
    return grpc::Status::OK;
  }

  grpc::Status Snapshot(grpc::ServerContext*, const v1::PluginSnapshotRequest*,
                        grpc::ServerWriter<v1::PluginSnapshotChunk>* writer) override {
    DirectoryReader reader(directory());
    Members members;
    if (auto failed = reader.read(members)) {
      return {grpc::StatusCode::UNAVAILABLE, failed->code() + ": " + failed->detail()};
    }
    write_snapshot(members, [&](const auto& chunk) { return writer->Write(chunk); });
    return grpc::Status::OK;
  }

  grpc::Status Watch(grpc::ServerContext* context, const v1::PluginWatchRequest*,
                     grpc::ServerWriter<v1::PluginEvent>* writer) override {
    DirectoryReader reader(directory());
    const milliseconds attest = attest_interval();
    const milliseconds scan = std::clamp(attest / 4, kFastestScan, kSlowestScan);
    Members known;
    bool first = true;
    auto said = std::chrono::steady_clock::now();
    do {
      const auto now = std::chrono::steady_clock::now();
      Members members;
      v1::PluginEvent event;
      if (auto failed = reader.read(members)) {
        *event.mutable_failed() = *failed;
        writer->Write(event);
        return grpc::Status::OK;  // Rollcall asks again when it is time to
      }
      bool listening = true;
      if (first) {
        listening = write_snapshot(members, [&](const auto& chunk) {
          *event.mutable_snapshot() = chunk;
          return writer->Write(event);
        });
      } else if (event = difference(known, members); event.ByteSizeLong() > kChunkBytes) {
        event.Clear();  // too large for one message: everything, in chunks
        listening = write_snapshot(members, [&](const auto& chunk) {
          *event.mutable_snapshot() = chunk;
          return writer->Write(event);
        });
      } else if (event.has_change()) {
        listening = writer->Write(event);
      } else if (now - said >= attest / 2) {
        event.mutable_unchanged();  // the directory was read a moment ago: this is true
        listening = writer->Write(event);
      } else {
        continue;
      }
      if (!listening) break;
      said = now;
      first = false;
      known = std::move(members);
    } while (!wait(*context, scan));
    return grpc::Status::OK;
  }

  // The same node again has a later end; an id that another file has is never touched.
  grpc::Status Announce(grpc::ServerContext*, const v1::AnnounceRequest* request,
                        v1::AnnounceResponse* response) override {
    const v1::Node& node = request->node();
    const std::uint32_t ttl_ms = std::max(request->ttl_ms(), kShortestTtlMs);
    const fs::path path = directory() / file_name(node.id());
    const std::lock_guard lock(announcing_);
    DirectoryReader reader(directory());
    Members members;
    if (auto failed = reader.read(members)) {
      return {grpc::StatusCode::UNAVAILABLE, failed->code() + ": " + failed->detail()};
    }
    const auto known = members.find(node.id());
    std::error_code error;
    if (known != members.end() &&
        (!fs::exists(path, error) || known->second.host() != node.host() ||
         known->second.port() != node.port())) {
      return {grpc::StatusCode::ALREADY_EXISTS, node.id() + " is " + known->second.host() + ":" +
                                                    std::to_string(known->second.port()) + " in " +
                                                    directory().string()};
    }
    std::string text;
    const auto written = google::protobuf::util::MessageToJsonString(node, &text);
    if (!written.ok() || !write_until(path, text + "\n", unix_ms_now() + ttl_ms)) {
      return {grpc::StatusCode::UNAVAILABLE, path.string() + " can't be written"};
    }
    response->set_renew_within_ms(ttl_ms);
    return grpc::Status::OK;
  }

  grpc::Status Withdraw(grpc::ServerContext*, const v1::WithdrawRequest* request,
                        v1::WithdrawResponse*) override {
    const std::lock_guard lock(announcing_);
    std::error_code error;
    fs::remove(directory() / file_name(request->node_id()), error);
    if (error) return {grpc::StatusCode::UNAVAILABLE, error.message()};
    return grpc::Status::OK;
  }

  // Ends the waits of all calls.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }

 private:
  fs::path directory() {
    const std::lock_guard lock(mutex_);
    return directory_;
  }
  milliseconds attest_interval() {
    const std::lock_guard lock(mutex_);
    return attest_;
  }
  // True: the call is over.
  bool wait(const grpc::ServerContext& context, milliseconds at_most) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, at_most, [&] { return stopping_; }) || context.IsCancelled();
  }

  std::mutex announcing_;  // one at a time: look, then write
  std::mutex mutex_;       // guards what follows
  std::condition_variable changed_;
  fs::path directory_;
  milliseconds attest_{5000};
  bool stopping_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  // Where to listen: Rollcall says so when it starts the plug-in; else it is an argument.
  const char* from_rollcall = std::getenv("ROLLCALL_PLUGIN_SOCKET");
  const std::string socket = argc > 1 ? argv[1] : from_rollcall != nullptr ? from_rollcall : "";
  if (socket.empty()) {
    std::cerr << "usage: rollcall-plugin-directory SOCKET (or $ROLLCALL_PLUGIN_SOCKET)\n";
    return 2;
  }
  // Before gRPC makes its threads, so that the signals come to sigwait() below.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  ::umask(077);  // nobody else may connect

  DirectoryPlugin plugin;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(&plugin);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) {
    std::cerr << "cannot listen on " << socket << "\n";
    return 1;
  }
  int signal = 0;
  sigwait(&ends, &signal);
  plugin.stop();
  server->Shutdown(std::chrono::system_clock::now() + milliseconds(200));
  return 0;
}
