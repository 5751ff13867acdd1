// PluginRelay: stands between a plug-in's socket and gRPC, and counts.
//
// gRPC (1.51, and later: its issue 43012) compares a message with the receive limit only when it
// has buffered all of it: a plug-in that announces 4 GiB and sends them makes its reader hold 4
// GiB. So bytes pass through here, 64 KiB at a time, and no more of them than a whole message of
// the permitted size can need before gRPC gives a message out. Beyond that the connection is cut.
//
// Threads: one of its own; message_taken() and overrun() from any, the rest from one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "core/error.h"
#include "providers/common/unique_fd.h"

namespace rollcall {

class PluginRelay {
 public:
  // `plugin` is connected and non-blocking. BACKEND_UNAVAILABLE: no room for descriptors or a
  // thread.
  static Result<std::unique_ptr<PluginRelay>> start(UniqueFd plugin);
  ~PluginRelay();
  PluginRelay(const PluginRelay&) = delete;
  PluginRelay& operator=(const PluginRelay&) = delete;

  // gRPC's end; once.
  UniqueFd take_end() { return std::move(grpc_end_); }
  // A whole message came out of gRPC: the counting begins anew.
  void message_taken() noexcept { taken_.store(passed_.load()); }
  // The connection was cut because too much came without a message.
  bool overrun() const noexcept { return overrun_.load(); }

 private:
  PluginRelay() = default;
  void run();

  UniqueFd plugin_;
  UniqueFd our_end_;
  UniqueFd grpc_end_;
  UniqueFd stop_;                         // eventfd
  std::atomic<std::uint64_t> passed_{0};  // bytes from the plug-in
  std::atomic<std::uint64_t> taken_{0};   // of these, when the last message came out
  std::atomic<bool> overrun_{false};
  std::thread thread_;
};

}  // namespace rollcall
