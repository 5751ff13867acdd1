#include "providers/custom/plugin_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "providers/custom/limits.h"

namespace rollcall {
namespace {

tl::unexpected<ProvisioningError> no_room(std::string_view what) {
  return fail(ErrorCode::BackendUnavailable,
              "no " + std::string(what) +
                  " for the connection to the plug-in: " + std::generic_category().message(errno));
}

// Bytes on their way from one socket to the other; nothing is read before all is written.
class Direction {
 public:
  Direction(int from, int to) : from_(from), to_(to), bytes_(limits::kPluginRelayBytes) {}

  bool holds() const { return begin_ != end_; }
  // False: the sender closed, or its connection broke.
  bool read() {
    const ssize_t got = ::read(from_, bytes_.data(), bytes_.size());
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
    return got > 0;
  }
  // False: the receiver is gone.
  bool write() {
    const ssize_t sent = ::send(to_, bytes_.data() + begin_, end_ - begin_, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    begin_ += static_cast<std::size_t>(sent);
    return true;
  }
  std::size_t size() const { return end_ - begin_; }

 private:
  int from_;
  int to_;
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

short wanted(const Direction& in, const Direction& out) {
  return static_cast<short>((in.holds() ? 0 : POLLIN) | (out.holds() ? POLLOUT : 0));
}

constexpr short kReadable = POLLIN | POLLHUP | POLLERR;
constexpr short kWritable = POLLOUT | POLLHUP | POLLERR;

}  // namespace

Result<std::unique_ptr<PluginRelay>> PluginRelay::start(UniqueFd plugin) {
  std::unique_ptr<PluginRelay> relay(new PluginRelay());
  relay->plugin_ = std::move(plugin);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return no_room("sockets");
  }
  relay->our_end_ = UniqueFd(ends[0]);
  relay->grpc_end_ = UniqueFd(ends[1]);
  relay->stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!relay->stop_) return no_room("descriptor");
  try {
    relay->thread_ = std::thread([self = relay.get()] { self->run(); });
  } catch (const std::system_error& e) {
    return fail(ErrorCode::BackendUnavailable,
                std::string("no thread for the connection to the plug-in: ") + e.what());
  }
  return relay;
}

PluginRelay::~PluginRelay() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void PluginRelay::run() {
  Direction inward(plugin_.get(), our_end_.get());
  Direction outward(our_end_.get(), plugin_.get());
  bool open = true;
  while (open) {
    const short of_plugin = wanted(inward, outward);
    const short of_grpc = wanted(outward, inward);
    // One of which nothing is wanted is left out: its hang-up would be told again and again.
    std::array<pollfd, 3> fds{{{stop_.get(), POLLIN, 0},
                               {of_plugin != 0 ? plugin_.get() : -1, of_plugin, 0},
                               {of_grpc != 0 ? our_end_.get() : -1, of_grpc, 0}}};
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
    if (fds[0].revents != 0) break;
    const short plugin = fds[1].revents;
    const short grpc = fds[2].revents;
    if (inward.holds()) {
      if ((grpc & kWritable) != 0) open = inward.write();
    } else if ((plugin & kReadable) != 0) {
      open = inward.read();
      passed_ += inward.size();
    }
    if (passed_ - taken_ > limits::kMaxPluginBytesWithoutMessage) {
      overrun_ = true;
      break;
    }
    if (outward.holds()) {
      if ((plugin & kWritable) != 0) open = outward.write() && open;
    } else if ((grpc & kReadable) != 0) {
      open = outward.read() && open;
    }
  }
  ::shutdown(our_end_.get(), SHUT_RDWR);
  ::shutdown(plugin_.get(), SHUT_RDWR);
}

}  // namespace rollcall
