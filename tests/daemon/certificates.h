// A self-signed certificate for 127.0.0.1 and its key, as PEM files.
#pragma once

#include <filesystem>

namespace rollcall::test {

struct CertificateFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
};
// False: OpenSSL refused.
bool make_certificate(const std::filesystem::path& directory, CertificateFiles& out);

}  // namespace rollcall::test
