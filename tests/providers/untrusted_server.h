// UntrustedServer: a TLS server on loopback whose certificate is nobody's that a test trusts, as
// one that has expired would be.
//
// Threads: its own; the destructor ends them.
#pragma once

#include <memory>
#include <string>

namespace rollcall::test {

class UntrustedServer {
 public:
  UntrustedServer();
  ~UntrustedServer();
  std::string url() const;      // "https://127.0.0.1:<port>"
  std::string ca_file() const;  // of an authority that has not signed its certificate

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rollcall::test
