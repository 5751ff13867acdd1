// Credentials: what an AuthRef refers to, read from its files (SPEC 1: a reference, never the
// secret). Files are bounded and read again every 60 s and after the backend refused them, so that
// rotation needs no restart. No error carries any part of a file's content.
//
// Threads: an object belongs to one stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/time.h"

namespace rollcall {

struct Secrets {
  std::string token;  // without the line end that editors add; only printable ASCII
  std::string ca_pem;
  std::string cert_pem;
  std::string key_pem;
  friend bool operator==(const Secrets&, const Secrets&) = default;
  bool same_tls(const Secrets& o) const {
    return ca_pem == o.ca_pem && cert_pem == o.cert_pem && key_pem == o.key_pem;
  }
};

// `text` of an error with the token taken out, wherever a backend or a proxy sent it back, and also
// where it was cut short. PEM is never sent, so it can't come back.
std::string without_token(std::string text, const std::string& token);

class Credentials {
 public:
  Credentials(AuthRef auth, const Clock& clock);

  // The pointer is good until the next call. INVALID_CONFIG: a file is absent, too large or not
  // what it should be; AUTH_FAILED: it may not be read, or is empty.
  Result<const Secrets*> get();
  // The backend refused what get() gave: the files are read again by the next get().
  void refused() { secrets_.reset(); }

 private:
  AuthRef auth_;
  const Clock& clock_;
  std::optional<Secrets> secrets_;
  MonoTime read_at_{};
};

// One file with a secret, whole. `what` names it in errors ("token_file").
Result<std::string> read_secret_file(const std::string& path, std::size_t max_bytes,
                                     std::string_view what);

}  // namespace rollcall
