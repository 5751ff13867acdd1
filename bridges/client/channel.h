// Channel: a connection to one sidecar, shared by the clients made of it.
//
// It connects when it is first used and again whenever it has to. Keepalive is 30 s / 10 s while a
// call is open, which is what rollcalld allows; messages above 4 MiB are refused.
//
// Threads: any. Copies share the connection.
#pragma once

#include <memory>
#include <string>

#include "core/error.h"

namespace grpc {
class Channel;
}

namespace rollcall::client {

// All paths are of PEM files. Without `enabled` the connection is plain, which rollcalld accepts on
// its Unix socket and on loopback only.
struct TlsOptions {
  bool enabled = false;
  std::string ca_file;    // empty: the system's
  std::string cert_file;  // with key_file: what this client shows
  std::string key_file;
  std::string server_name;  // expected in the certificate, when it isn't the host of the address
};

struct ChannelOptions {
  std::string address;  // "unix:PATH" or "HOST:PORT"; empty: default_server()
  TlsOptions tls;
};

class Channel {
 public:
  // INVALID_CONFIG: neither form of address, a path too long for a socket, an unreadable file.
  // Whether somebody answers shows with the first call.
  static Result<Channel> open(const ChannelOptions& options);

  const std::string& address() const { return address_; }
  const std::shared_ptr<grpc::Channel>& grpc_channel() const { return channel_; }

 private:
  Channel(std::string address, std::shared_ptr<grpc::Channel> channel)
      : address_(std::move(address)), channel_(std::move(channel)) {}

  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace rollcall::client
