// A real nginx on loopback that serves files: a test puts them there, replaces them, asks for a
// bearer token, stops it (SIGSTOP: silence), kills it (refusal) and starts it again. One process,
// so that a signal reaches all of it. One owner, not thread-safe; start it on the test's own thread
// (process.h says why).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/backends/environment.h"
#include "tests/backends/process.h"

namespace rollcall::test {

class NginxServer {
 public:
  struct Options {
    std::string token;  // what Authorization: Bearer must say; empty: nothing is asked for
    // PEM; with a certificate it speaks HTTPS, and with a CA it wants clients to have one of it.
    std::string cert_pem;
    std::string key_pem;
    std::string client_ca_pem;
  };
  static Outcome<std::unique_ptr<NginxServer>> start(Options options);
  static Outcome<std::unique_ptr<NginxServer>> start() { return start(Options{}); }

  // "http://127.0.0.1:<port>/targets.json", stable over restarts. Beside files there are /moved,
  // which redirects to it, and /busy, which answers 503. *.json has the type application/json,
  // anything else text/plain.
  std::string url(std::string_view path = "/targets.json") const;

  // The file, replaced in one step.
  void serve(std::string_view content, const std::string& name = "targets.json");
  // That many bytes of nothing, which cost nothing to keep.
  void serve_zeros(std::uintmax_t bytes, const std::string& name = "targets.json");
  void remove(const std::string& name = "targets.json");
  // Started again with another configuration, which one process alone can't take while it runs.
  Outcome<void> reconfigure(Options options);

  bool pause() { return process_->pause(); }
  bool resume() { return process_->resume(); }
  void kill() { process_->kill(); }
  Outcome<void> restart();
  Process& process() { return *process_; }

 private:
  explicit NginxServer(Options options) : options_(std::move(options)) {}
  std::string config() const;
  void write_config();
  Outcome<void> spawn();
  bool answers_as_configured() const;

  TempDir dir_;
  Options options_;
  std::string binary_;
  std::uint16_t port_ = 0;
  std::uint16_t state_port_ = 0;    // plain, for answers_as_configured()
  int generation_ = 0;              // of the configuration
  std::optional<Process> process_;  // after dir_: ends before its files go
};

}  // namespace rollcall::test
