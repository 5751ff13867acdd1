#include "tests/backends/environment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <system_error>

namespace rollcall::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kAskEvery{10};
constexpr int kFirstPort = 10'000;  // below are the well-known services of developers' machines
constexpr int kLastPort = 32'000;   // Linux takes outgoing ports from 32768 upwards by default
constexpr int kPortTries = 2'000;

bool executable(const fs::path& path) { return ::access(path.c_str(), X_OK) == 0; }

std::string variable_or(const char* name, std::string fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::string(value) : std::move(fallback);
}

fs::path cache_dir() {
  const std::string home = variable_or("HOME", "/root");
  const fs::path base = variable_or("XDG_CACHE_HOME", home + "/.cache");
  return variable_or("ROLLCALL_CACHE", (base / "rollcall").string());
}

std::optional<fs::path> on_path(std::string_view program) {
  const std::string path = variable_or("PATH", "");
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const fs::path candidate = fs::path(path.substr(begin, end - begin)) / program;
    if (executable(candidate)) return candidate;
    begin = end + 1;
  }
  return std::nullopt;
}

// "consul-*/consul" below the cache; the newest name wins.
std::optional<fs::path> in_cache_dir(std::string_view pattern) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) {
    const fs::path candidate = cache_dir() / pattern;
    return executable(candidate) ? std::optional(candidate) : std::nullopt;
  }
  const std::string_view prefix = pattern.substr(0, star);
  const std::string_view rest = pattern.substr(pattern.find('/', star) + 1);
  std::optional<fs::path> best;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(cache_dir(), error)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    const fs::path candidate = entry.path() / rest;
    if (executable(candidate) && (!best || *best < candidate)) best = candidate;
  }
  return best;
}

// A socket bound to the loopback port, or -1. SO_REUSEADDR as servers set it: a port in TIME_WAIT
// is free.
int bind_loopback(int type, int port) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  if (type == SOCK_STREAM) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

fs::path bin_dir() {
  if (const char* dir = std::getenv("ROLLCALL_BIN_DIR"); dir != nullptr) return dir;
  return fs::read_symlink("/proc/self/exe").parent_path().parent_path();  // <bin>/tests/<this>
}

Outcome<fs::path> find_server(const char* variable, std::string_view program,
                              std::string_view in_cache) {
  if (const std::string named = variable_or(variable, ""); !named.empty()) {
    if (executable(named)) return fs::path(named);
    return tl::unexpected(std::string(variable) + "=" + named + " cannot be executed");
  }
  if (auto found = on_path(program)) return *found;
  if (auto found = in_cache_dir(in_cache)) return *found;
  return tl::unexpected(std::string(program) + " is neither in $" + variable +
                        ", nor on the PATH, nor in the cache; deploy/test.sh gets it");
}

TempDir::TempDir() {
  std::string name = (fs::temp_directory_path() / "rollcall-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();  // no test can say anything without one
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::uint16_t> free_ports(std::size_t count) {
  // Not for a test's outcome, only to keep two test processes apart: no seed to print.
  std::minstd_rand random(static_cast<unsigned>(::getpid()) ^
                          static_cast<unsigned>(steady_clock::now().time_since_epoch().count()));
  std::uniform_int_distribution<int> any_port(kFirstPort, kLastPort);
  std::vector<std::uint16_t> ports;
  std::vector<int> held;  // until all are found, so that they are distinct
  for (int i = 0; i < kPortTries && ports.size() < count; ++i) {
    const int port = any_port(random);
    const int tcp = bind_loopback(SOCK_STREAM, port);
    if (tcp < 0) continue;
    held.push_back(tcp);
    const int udp = bind_loopback(SOCK_DGRAM, port);
    if (udp < 0) continue;
    held.push_back(udp);
    ports.push_back(static_cast<std::uint16_t>(port));
  }
  for (const int fd : held) ::close(fd);
  if (ports.size() < count) ports.clear();
  return ports;
}

bool eventually(milliseconds limit, const std::function<bool()>& condition) {
  const auto deadline = steady_clock::now() + limit;
  while (!condition()) {
    if (steady_clock::now() >= deadline) return false;
    ::poll(nullptr, 0, static_cast<int>(kAskEvery.count()));
  }
  return true;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const fs::path& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
}

}  // namespace rollcall::test
