// UnixListener: a Unix socket that Rollcall binds and accepts from itself, because gRPC 1.51
// creates its own with mode 0755 and tells nothing about the peer (DESIGN "Realities of gRPC").
//
// - Bound under a umask, so that there is no moment at which others could connect.
// - A file left by a dead process is replaced; one that somebody listens on is an error.
// - Each connection's SO_PEERCRED is checked before gRPC sees a byte: the same user or root; with a
//   mode that lets the group or all in, those too.
//
// Threads: start() makes one that accepts; stop() (or the destructor) joins it and removes the
// file.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "core/error.h"

namespace rollcall {

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

class UnixListener {
 public:
  struct Options {
    std::string path;  // absolute
    mode_t mode = 0600;
    // Whether a peer may come in; empty: the rule above. For tests.
    std::function<bool(const PeerCredentials&)> admits;
  };
  // Gets a connected, non-blocking descriptor to own. On the accepting thread.
  using OnConnection = std::function<void(int fd)>;
  // A peer that was turned away. On the accepting thread.
  using OnRefused = std::function<void(const PeerCredentials&)>;

  // INVALID_CONFIG: the path is too long or not usable, or another process listens there.
  static Result<std::unique_ptr<UnixListener>> bind(Options options);
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  void start(OnConnection on_connection, OnRefused on_refused);
  void stop();  // idempotent
  const std::string& path() const { return options_.path; }

 private:
  UnixListener(Options options, int fd, int wake_fd);
  void run();
  void accept_one();
  bool admitted(const PeerCredentials& peer) const;

  const Options options_;
  const int fd_;
  const int wake_fd_;
  dev_t device_ = 0;  // of our file: only that one is removed
  ino_t inode_ = 0;
  OnConnection on_connection_;
  OnRefused on_refused_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace rollcall
