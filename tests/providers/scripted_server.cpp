#include "tests/providers/scripted_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace rollcall::test {
namespace {

int listen_on(const sockaddr* address, socklen_t length) {
  const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::bind(fd, address, length) != 0 || ::listen(fd, 64) != 0) std::abort();
  return fd;
}

}  // namespace

bool ScriptedServer::Connection::send(std::string_view data) {
  while (!data.empty()) {
    pollfd fds[2] = {{stop_, POLLIN, 0}, {fd_, POLLOUT, 0}};
    ::poll(fds, 2, -1);
    if (fds[0].revents != 0) return false;
    const ssize_t n = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n > 0) data.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool ScriptedServer::Connection::linger(int ms) {
  pollfd fds[2] = {{stop_, POLLIN, 0}, {fd_, POLLRDHUP, 0}};
  return ::poll(fds, 2, ms) == 0;
}

ScriptedServer::ScriptedServer(Handler handler, Family family, const std::string& unix_path)
    : handler_(std::move(handler)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (family == Family::Unix) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, unix_path.c_str(), sizeof address.sun_path - 1);
    listener_ = listen_on(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    url_ = "unix://" + unix_path;
  } else if (family == Family::V6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    listener_ = listen_on(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin6_port);
    url_ = "http://[::1]:" + std::to_string(port_);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_ = listen_on(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    url_ = "http://127.0.0.1:" + std::to_string(port_);
  }
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  const std::uint64_t one = 1;
  if (::write(stop_, &one, sizeof one) != sizeof one) std::abort();
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
  ::close(stop_);
}

void ScriptedServer::handle(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

void ScriptedServer::accept_all() {
  while (true) {
    pollfd fds[2] = {{stop_, POLLIN, 0}, {listener_, POLLIN, 0}};
    ::poll(fds, 2, -1);
    if (fds[0].revents != 0) return;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ++accepted_;
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void ScriptedServer::serve(int fd) {
  Connection connection;
  connection.fd_ = fd;
  connection.stop_ = stop_;
  std::string received;
  for (bool open = true; open;) {
    std::size_t end = received.find("\r\n\r\n");
    while (open && end == std::string::npos) {
      pollfd fds[2] = {{stop_, POLLIN, 0}, {fd, POLLIN, 0}};
      ::poll(fds, 2, -1);
      char buffer[4096];
      const ssize_t n = fds[0].revents != 0 ? 0 : ::recv(fd, buffer, sizeof buffer, 0);
      open = n > 0;
      if (open) received.append(buffer, static_cast<std::size_t>(n));
      end = received.find("\r\n\r\n");
    }
    if (!open) break;
    const std::string head = received.substr(0, end + 4);
    received.erase(0, end + 4);
    ++requests_;
    Handler handler;
    {
      const std::lock_guard lock(mutex_);
      handler = handler_;
    }
    open = handler(connection, head);
  }
  ::close(fd);
}

std::string http_ok(std::string_view body, std::string_view headers) {
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
  answer.append(headers);
  answer += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return answer.append(body);
}

std::string http_status(std::string_view status, std::string_view body) {
  std::string answer = "HTTP/1.1 ";
  answer.append(status).append("\r\nContent-Length: ").append(std::to_string(body.size()));
  return answer.append("\r\n\r\n").append(body);
}

}  // namespace rollcall::test
