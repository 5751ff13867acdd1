// ScriptedServer: an HTTP server on loopback that misbehaves as a test says, because a real backend
// can't be made to: it hangs, drips, never ends, lies about lengths.
//
// Threads: one for accepting and one a connection; the handler runs on the latter. The destructor
// ends them all.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace rollcall::test {

class ScriptedServer {
 public:
  class Connection {
   public:
    bool send(std::string_view data);  // false: the peer is gone, or the server ends
    // Waits until the peer is gone or the server ends; at most `ms` (-1: without end). True: still
    // there.
    bool linger(int ms = -1);

   private:
    friend class ScriptedServer;
    int fd_ = -1;
    int stop_ = -1;
  };

  // Called for each request with its head. After false the connection is closed.
  using Handler = std::function<bool(Connection&, const std::string& head)>;

  enum class Family { V4, V6, Unix };
  explicit ScriptedServer(Handler handler, Family family = Family::V4,
                          const std::string& unix_path = {});
  ~ScriptedServer();

  std::string url() const { return url_; }
  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return accepted_; }
  std::size_t requests() const { return requests_; }
  void handle(Handler handler);  // from the next request on

 private:
  void accept_all();
  void serve(int fd);

  std::mutex mutex_;  // guards handler_ and threads_
  Handler handler_;
  std::list<std::thread> threads_;
  std::atomic<std::size_t> accepted_{0};
  std::atomic<std::size_t> requests_{0};
  int listener_ = -1;
  int stop_ = -1;  // an eventfd, readable once the server ends
  std::uint16_t port_ = 0;
  std::string url_;
  std::thread acceptor_;
};

// A whole answer with these headers ("Name: value\r\n" each) and a length.
std::string http_ok(std::string_view body, std::string_view headers = {});
std::string http_status(std::string_view status, std::string_view body = {});

}  // namespace rollcall::test
