// TlsSession: TLS 1.2 or newer over a non-blocking socket, with OpenSSL. The peer's certificate is
// always verified, against `ca_pem` or the system's bundle; there is no switch to turn that off.
//
// Threads: belongs to one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/error.h"
#include "providers/common/cancel.h"
#include "providers/common/credentials.h"

namespace rollcall {

// Whether the PEM in `secrets`, as far as there is any, can be used, the certificate with its key.
// INVALID_CONFIG: a part is cut or no PEM, or the two don't belong together.
Result<void> loads_as_tls(const Secrets& secrets);

class TlsSession {
 public:
  // `socket` is connected and outlives the session. `name`: what the certificate must be for, a DNS
  // name or an address. `secrets` may be null (system bundle, no client certificate).
  static Result<std::unique_ptr<TlsSession>> handshake(int socket, const std::string& name,
                                                       const Secrets* secrets, MonoTime deadline,
                                                       const Io& io);
  ~TlsSession();

  Result<std::size_t> read(char* into, std::size_t size, MonoTime deadline, const Io& io);
  Result<void> write(std::string_view data, MonoTime deadline, const Io& io);

 private:
  struct Parts;
  explicit TlsSession(std::unique_ptr<Parts> parts);
  Result<void> await(int ssl_result, std::string_view what, MonoTime deadline, const Io& io);
  Result<void> why_closed(Result<void> otherwise);

  std::unique_ptr<Parts> parts_;
};

}  // namespace rollcall
