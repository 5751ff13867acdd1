#include "providers/common/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "providers/common/transport.h"

namespace rollcall {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using MethodPtr = std::unique_ptr<BIO_METHOD, Freed<BIO_meth_free>>;

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL: a closed peer would send us SIGPIPE.
int socket_of(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

int finish_io(BIO* bio, ssize_t n, void (*retry)(BIO*)) {
  BIO_clear_retry_flags(bio);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) retry(bio);
  return static_cast<int>(n);
}

int bio_write(BIO* bio, const char* data, int size) {
  const ssize_t n = ::send(socket_of(bio), data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  return finish_io(bio, n, [](BIO* b) { BIO_set_retry_write(b); });
}

int bio_read(BIO* bio, char* into, int size) {
  const ssize_t n = ::recv(socket_of(bio), into, static_cast<std::size_t>(size), 0);
  return finish_io(bio, n, [](BIO* b) { BIO_set_retry_read(b); });
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

// The peer's refusal of what we presented, among the alerts that it can send.
bool refused_us(unsigned long error) {
  switch (ERR_GET_REASON(error)) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

std::string openssl_reason() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* text = error == 0 ? nullptr : ERR_reason_error_string(error);
  return text == nullptr ? "no reason given" : text;
}

BioPtr memory(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));  // ≤ kMaxPemFileBytes
}

tl::unexpected<ProvisioningError> bad_pem(std::string_view what) {
  return fail(ErrorCode::InvalidConfig, std::string(what) + ": " + openssl_reason());
}

// A key with a passphrase must not ask for it on a terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

// Whether a loop over certificates came to the end of the text, and not to one that is cut.
bool read_to_the_end() {
  const unsigned long error = ERR_peek_last_error();
  const bool end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

Result<void> trust(SSL_CTX* context, const std::string& ca_pem) {
  if (ca_pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) return bad_pem("the system's CA bundle");
    return {};
  }
  const BioPtr bio = memory(ca_pem);
  std::size_t count = 0;
  while (
      CertificatePtr certificate{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) != 1) {
      return bad_pem("ca_file");
    }
    ++count;
  }
  if (count == 0) return bad_pem("ca_file holds no PEM certificate");
  if (!read_to_the_end()) return bad_pem("ca_file");
  return {};
}

Result<void> present(SSL_CTX* context, const Secrets& secrets) {
  const BioPtr certificates = memory(secrets.cert_pem);
  const CertificatePtr own{PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr)};
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1) return bad_pem("cert_file");
  while (X509* issuer = PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr)) {
    if (SSL_CTX_add_extra_chain_cert(context, issuer) != 1) {
      X509_free(issuer);
      return bad_pem("cert_file");
    }
  }
  if (!read_to_the_end()) return bad_pem("cert_file");
  const BioPtr keys = memory(secrets.key_pem);
  const KeyPtr key{PEM_read_bio_PrivateKey(keys.get(), nullptr, no_passphrase, nullptr)};
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) return bad_pem("key_file");
  if (SSL_CTX_check_private_key(context) != 1) return bad_pem("key_file and cert_file");
  return {};
}

bool is_address(const std::string& name) {
  unsigned char buffer[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, name.c_str(), buffer) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), buffer) == 1;
}

bool expect_name(SSL* ssl, const std::string& name) {
  if (is_address(name)) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
  }
  return SSL_set1_host(ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
}

}  // namespace

Result<void> loads_as_tls(const Secrets& secrets) {
  ERR_clear_error();
  const ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return fail(ErrorCode::BackendUnavailable, "TLS can't start: " + openssl_reason());
  if (!secrets.ca_pem.empty()) {
    if (auto ok = trust(context.get(), secrets.ca_pem); !ok) return ok;
  }
  if (secrets.cert_pem.empty()) return {};
  return present(context.get(), secrets);
}

struct TlsSession::Parts {
  int socket = -1;
  MethodPtr method;  // outlives the BIO inside `ssl`: destroyed after it
  ContextPtr context;
  SslPtr ssl;
};

TlsSession::TlsSession(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
TlsSession::~TlsSession() = default;

Result<std::unique_ptr<TlsSession>> TlsSession::handshake(int socket, const std::string& name,
                                                          const Secrets* secrets, MonoTime deadline,
                                                          const Io& io) {
  ERR_clear_error();
  auto parts = std::make_unique<Parts>();
  parts->socket = socket;
  parts->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = parts->context.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
    return fail(ErrorCode::BackendUnavailable, "TLS can't start: " + openssl_reason());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (auto ok = trust(context, secrets ? secrets->ca_pem : std::string()); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  if (secrets && !secrets->cert_pem.empty()) {
    if (auto ok = present(context, *secrets); !ok) return tl::unexpected(std::move(ok.error()));
  }
  parts->method.reset(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rollcall socket"));
  parts->ssl.reset(SSL_new(context));
  BIO* bio = nullptr;
  if (parts->method && parts->ssl) {
    BIO_meth_set_write(parts->method.get(), bio_write);
    BIO_meth_set_read(parts->method.get(), bio_read);
    BIO_meth_set_ctrl(parts->method.get(), bio_control);
    bio = BIO_new(parts->method.get());
  }
  if (bio == nullptr) {
    return fail(ErrorCode::BackendUnavailable, "TLS can't start: " + openssl_reason());
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  SSL* ssl = parts->ssl.get();
  SSL_set_bio(ssl, bio, bio);
  if (!expect_name(ssl, name)) {
    return fail(ErrorCode::InvalidConfig, "not a name that a certificate can have: " + name);
  }
  std::unique_ptr<TlsSession> session(new TlsSession(std::move(parts)));
  while (true) {
    const int result = SSL_connect(ssl);
    if (result == 1) return session;
    if (auto ok = session->await(result, "TLS handshake", deadline, io); !ok) {
      return tl::unexpected(std::move(ok.error()));
    }
  }
}

// After an SSL call that did not succeed: waits for what it wants, or says why it failed.
Result<void> TlsSession::await(int ssl_result, std::string_view what, MonoTime deadline,
                               const Io& io) {
  SSL* ssl = parts_->ssl.get();
  const int saved_errno = errno;
  const int error = SSL_get_error(ssl, ssl_result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    const short events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    const Wake wake = wait_for(parts_->socket, events, deadline, io.clock, io.cancel);
    if (wake != Wake::Ready) return wait_error(what, wake);
    if (io.clock.now() >= deadline) return wait_error(what, Wake::Deadline);
    return {};
  }
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    ERR_clear_error();
    return fail(ErrorCode::AuthFailed, std::string(what) + ": the certificate is not trusted: " +
                                           X509_verify_cert_error_string(verified));
  }
  if (error == SSL_ERROR_SYSCALL && saved_errno != 0) {
    ERR_clear_error();
    return socket_error(what, saved_errno);
  }
  const bool refused = error == SSL_ERROR_SSL && refused_us(ERR_peek_error());
  return fail(refused ? ErrorCode::AuthFailed : ErrorCode::BackendUnavailable,
              std::string(what) + ": " + openssl_reason());
}

Result<std::size_t> TlsSession::read(char* into, std::size_t size, MonoTime deadline,
                                     const Io& io) {
  while (true) {
    if (io.cancel.cancelled()) return wait_error("read", Wake::Cancelled);
    if (io.clock.now() >= deadline) return wait_error("read", Wake::Deadline);
    ERR_clear_error();
    const int n =
        SSL_read(parts_->ssl.get(), into, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
    if (n > 0) return static_cast<std::size_t>(n);
    if (SSL_get_error(parts_->ssl.get(), n) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
    if (auto ok = await(n, "read", deadline, io); !ok) return tl::unexpected(std::move(ok.error()));
  }
}

// With TLS 1.3 the peer judges our certificate after the handshake is over for us. Its alert then
// waits to be read while our write finds the connection closed.
Result<void> TlsSession::why_closed(Result<void> otherwise) {
  ERR_clear_error();
  char byte = 0;
  const int n = SSL_read(parts_->ssl.get(), &byte, 1);
  const bool refused = n <= 0 && refused_us(ERR_peek_error());
  if (!refused) return otherwise;
  return fail(ErrorCode::AuthFailed, "the peer refused our certificate: " + openssl_reason());
}

Result<void> TlsSession::write(std::string_view data, MonoTime deadline, const Io& io) {
  while (!data.empty()) {
    ERR_clear_error();
    const int n = SSL_write(parts_->ssl.get(), data.data(),
                            static_cast<int>(std::min<std::size_t>(data.size(), INT_MAX)));
    if (n > 0) {
      data.remove_prefix(static_cast<std::size_t>(n));
    } else if (auto ok = await(n, "write", deadline, io); !ok) {
      return ok.error().code == ErrorCode::BackendUnavailable ? why_closed(std::move(ok)) : ok;
    }
  }
  return {};
}

}  // namespace rollcall
