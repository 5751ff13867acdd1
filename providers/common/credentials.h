// Credentials: what an AuthRef refers to, read from its files (SPEC 1: a reference, never the
// secret). Files are bounded and read again every 60 s and after a failure that may be theirs, so
// that rotation needs no restart. No error carries any part of a file's content.
//
// Whoever rotates writes several files, one after the other, and perhaps not at once: a read may
// find a new certificate beside the old key, or half a file. What can't be read or loaded leaves in
// use what could, token and TLS apart, and is read again at the next call.
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

  // The pointer is good until the next call. Errors, only while nothing was ever read.
  // INVALID_CONFIG: a file is absent, too large or not what it should be; AUTH_FAILED: it may not
  // be read, or is empty.
  Result<const Secrets*> get();
  // To be told of every failure of a call that used what get() gave. After one that may be the
  // files' (AUTH_FAILED, PERMISSION_DENIED; INVALID_CONFIG: PEM that does not load) the next get()
  // reads them again. The error as it is to be told: with what kept the files from being read.
  ProvisioningError explained(ProvisioningError error);

 private:
  Result<void> read_token_into(Secrets& fresh) const;
  Result<void> read_tls_into(Secrets& fresh) const;

  AuthRef auth_;
  const Clock& clock_;
  std::optional<Secrets> secrets_;
  std::optional<MonoTime> read_at_;          // none: to be read by the next get()
  std::optional<ProvisioningError> unread_;  // why secrets_ are older than the files
};

// One file with a secret, whole. `what` names it in errors ("token_file").
Result<std::string> read_secret_file(const std::string& path, std::size_t max_bytes,
                                     std::string_view what);

}  // namespace rollcall
