#include "tests/providers/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>

namespace rollcall::test {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;

constexpr long kAnHour = 3600;

// A broken OpenSSL is nothing that a test could go on with.
template <class T>
T* must(T* p) {
  if (p == nullptr) std::abort();
  return p;
}
void must(int result) {
  if (result <= 0) std::abort();
}

template <class Write>
std::string to_pem(Write write) {
  const std::unique_ptr<BIO, Freed<BIO_free>> bio(must(BIO_new(BIO_s_mem())));
  must(write(bio.get()));
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string certificate_pem(X509* certificate) {
  return to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = must(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  must(X509_add_ext(certificate, extension, -1));
  X509_EXTENSION_free(extension);
}

CertificatePtr unsigned_certificate(EVP_PKEY* key, const std::string& name, X509* issuer) {
  static long serial = 1;
  CertificatePtr certificate(must(X509_new()));
  must(X509_set_version(certificate.get(), X509_VERSION_3));
  must(ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial));
  must(X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kAnHour));
  must(X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kAnHour));
  must(X509_set_pubkey(certificate.get(), key));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                  reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0));
  must(X509_set_issuer_name(certificate.get(),
                            issuer == nullptr ? subject : X509_get_subject_name(issuer)));
  return certificate;
}

}  // namespace

struct TestAuthority::Parts {
  KeyPtr key{must(EVP_EC_gen("P-256"))};
  CertificatePtr certificate = unsigned_certificate(key.get(), "Rollcall test authority", nullptr);
};

TestAuthority::TestAuthority() : parts_(std::make_unique<Parts>()) {
  X509* own = parts_->certificate.get();
  extend(own, own, NID_basic_constraints, "critical,CA:TRUE");
  must(X509_sign(own, parts_->key.get(), EVP_sha256()));
}

TestAuthority::~TestAuthority() = default;

std::string TestAuthority::ca_pem() const { return certificate_pem(parts_->certificate.get()); }

Certificate TestAuthority::issue(const std::string& name) const {
  const KeyPtr key(must(EVP_EC_gen("P-256")));
  X509* issuer = parts_->certificate.get();
  const CertificatePtr certificate = unsigned_certificate(key.get(), name, issuer);
  extend(certificate.get(), issuer, NID_subject_alt_name, "DNS:" + name + ",IP:127.0.0.1");
  extend(certificate.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  must(X509_sign(certificate.get(), parts_->key.get(), EVP_sha256()));
  return {certificate_pem(certificate.get()), to_pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace rollcall::test
