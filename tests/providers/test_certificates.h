// Certificates made on the spot, so that no test depends on files that expire.
#pragma once

#include <memory>
#include <string>

namespace rollcall::test {

struct Certificate {
  std::string cert_pem;
  std::string key_pem;
};

// A certificate authority that lives as long as the object.
class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();
  std::string ca_pem() const;
  // For this DNS name and 127.0.0.1, as server and as client.
  Certificate issue(const std::string& name) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rollcall::test
