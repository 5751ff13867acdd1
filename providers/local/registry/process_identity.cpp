#include "providers/local/registry/process_identity.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <vector>

#include "providers/local/registry/limits.h"

namespace rollcall {
namespace {

constexpr std::size_t kStateField = 3;
constexpr std::size_t kThreadsField = 20;
constexpr std::size_t kStartField = 22;

// A small file of /proc, whole. Nothing: absent, or hidden from us.
std::optional<std::string> read_proc(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text(limits::kMaxProcFileBytes, '\0');
  ssize_t size = 0;
  do {
    size = ::read(fd, text.data(), text.size());
  } while (size < 0 && errno == EINTR);
  ::close(fd);
  if (size <= 0) return std::nullopt;  // ESRCH: it ended between the two calls
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string read_link(const char* path) {
  std::array<char, 64> text{};
  const ssize_t size = ::readlink(path, text.data(), text.size());
  return size <= 0 ? "" : std::string(text.data(), static_cast<std::size_t>(size));
}

template <class T>
bool parse(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool valid_pid(std::int64_t pid) { return pid >= 1 && pid <= limits::kMaxPid; }

}  // namespace

std::string_view to_string(Life life) {
  switch (life) {
    case Life::Alive:
      return "ALIVE";
    case Life::Dead:
      return "DEAD";
    case Life::Unknown:
      return "UNKNOWN";
  }
  return "UNKNOWN";
}

HostIdentity HostIdentity::read() {
  HostIdentity host;
  if (auto boot = read_proc("/proc/sys/kernel/random/boot_id")) {
    host.boot_id = boot->substr(0, boot->find('\n'));
  }
  host.namespaces = read_link("/proc/self/ns/pid");
  // Time namespaces are younger than pid namespaces (Linux 5.6).
  if (const std::string time = read_link("/proc/self/ns/time"); !time.empty()) {
    host.namespaces += " " + time;
  }
  return host;
}

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  const std::size_t name_ends = text.rfind(')');
  if (name_ends == std::string_view::npos) return std::nullopt;
  text.remove_prefix(name_ends + 1);
  std::vector<std::string_view> fields;  // from the third one
  while (fields.size() <= kStartField - kStateField) {
    const std::size_t begin = text.find_first_not_of(" \n");
    if (begin == std::string_view::npos) return std::nullopt;
    text.remove_prefix(begin);
    const std::size_t size = std::min(text.find_first_of(" \n"), text.size());
    fields.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  ProcessStat stat;
  if (fields[0].size() != 1 || !parse(fields[kThreadsField - kStateField], stat.threads) ||
      !parse(fields[kStartField - kStateField], stat.start_ticks)) {
    return std::nullopt;
  }
  stat.state = fields[0][0];
  return stat;
}

std::optional<ProcessStat> read_process_stat(std::int64_t pid) {
  const auto text = read_proc("/proc/" + std::to_string(pid) + "/stat");
  return text ? parse_process_stat(*text) : std::nullopt;
}

int open_pidfd(std::int64_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0u);
  return fd >= 0 ? static_cast<int>(fd) : -errno;
}

Result<ProcessIdentity> identify_process(std::int64_t pid) {
  const std::string name = "process " + std::to_string(pid);
  if (!valid_pid(pid)) {
    return fail(ErrorCode::InvalidConfig, "no process can have this id",
                {{"pid", std::to_string(pid), "1 to " + std::to_string(limits::kMaxPid)}});
  }
  const int pidfd = open_pidfd(pid);
  if (pidfd >= 0) ::close(pidfd);
  if (pidfd == -ESRCH) return fail(ErrorCode::NotFound, name + " does not exist");
  if (pidfd == -EINVAL || pidfd == -ENOENT) {
    return fail(ErrorCode::InvalidConfig, name + " is a thread of another process",
                {{"pid", std::to_string(pid), "the id of a process"}});
  }
  const HostIdentity host = HostIdentity::read();
  const auto stat = read_process_stat(pid);
  if (!stat) {
    if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) {
      return fail(ErrorCode::NotFound, name + " does not exist");
    }
    return fail(ErrorCode::CapabilityMissing,
                "/proc/" + std::to_string(pid) +
                    "/stat can't be read, without which a reused process id can't be told: /proc "
                    "must be mounted and show this process");
  }
  if (stat->ended()) return fail(ErrorCode::NotFound, name + " has ended");
  return ProcessIdentity{pid, stat->start_ticks, host.boot_id, host.namespaces};
}

Life judge(const ProcessIdentity& process, const HostIdentity& host) {
  // Before anything is signalled: 0 and negative ids mean groups of processes to kill().
  if (!valid_pid(process.pid)) return Life::Dead;
  const auto differ = [](const std::string& a, const std::string& b) {
    return !a.empty() && !b.empty() && a != b;
  };
  if (differ(process.boot_id, host.boot_id)) return Life::Dead;
  if (differ(process.namespaces, host.namespaces)) return Life::Unknown;
  if (::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return Life::Dead;
  const auto stat = read_process_stat(process.pid);
  if (!stat) return Life::Alive;
  return stat->start_ticks != process.start_ticks || stat->ended() ? Life::Dead : Life::Alive;
}

Life Judge::operator()(const ProcessIdentity& process) {
  const auto [at, first] = judged_.try_emplace(process, Life::Unknown);
  if (first) at->second = judge(process, host_);
  return at->second;
}

}  // namespace rollcall
