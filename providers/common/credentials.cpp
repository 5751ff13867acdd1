#include "providers/common/credentials.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/limits.h"
#include "providers/common/limits.h"
#include "providers/common/tls.h"
#include "providers/common/unique_fd.h"

namespace rollcall {
namespace {

tl::unexpected<ProvisioningError> bad_file(ErrorCode code, const std::string& path,
                                           std::string_view what, std::string_view why) {
  std::string message(what);
  message.append(" ").append(path).append(": ").append(why);
  return fail(code, std::move(message));
}

tl::unexpected<ProvisioningError> os_error(int error, const std::string& path,
                                           std::string_view what) {
  const std::string why = std::generic_category().message(error);
  if (error == EACCES || error == EPERM) return bad_file(ErrorCode::AuthFailed, path, what, why);
  if (error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG) {
    return bad_file(ErrorCode::InvalidConfig, path, what, why);
  }
  return bad_file(ErrorCode::BackendUnavailable, path, what, why);  // EMFILE, EIO: this may pass
}

Result<std::string> read_token(const std::string& path) {
  auto text = read_secret_file(path, limits::kMaxTokenFileBytes, "token_file");
  if (!text) return text;
  std::string token = std::move(*text);
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) {
    token.pop_back();
  }
  if (token.empty()) return bad_file(ErrorCode::AuthFailed, path, "token_file", "is empty");
  // It becomes a header line: a line end inside would let the file write headers of its own.
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; })) {
    return bad_file(ErrorCode::InvalidConfig, path, "token_file",
                    "holds more than one line of printable ASCII without spaces");
  }
  return token;
}

}  // namespace

Result<std::string> read_secret_file(const std::string& path, std::size_t max_bytes,
                                     std::string_view what) {
  // O_NONBLOCK: opening a FIFO must not wait for its writer.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return os_error(errno, path, what);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return os_error(errno, path, what);
  if (!S_ISREG(status.st_mode)) {
    return bad_file(ErrorCode::InvalidConfig, path, what, "is not a regular file");
  }
  std::string text(max_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(file.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error(errno, path, what);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > max_bytes) {
    return bad_file(ErrorCode::InvalidConfig, path, what,
                    "is larger than " + std::to_string(max_bytes) + " bytes");
  }
  text.resize(size);
  return text;
}

std::string without_token(std::string text, const std::string& token) {
  // So many of its first characters are taken for the token itself, cut short or not.
  constexpr std::size_t kTelling = 8;
  constexpr std::string_view kShown = "[token]";
  if (token.empty()) return text;
  const std::string head = token.substr(0, kTelling);
  for (std::size_t at = text.find(head); at != std::string::npos;) {
    std::size_t end = at;
    while (end < text.size() && end - at < token.size() && text[end] == token[end - at]) ++end;
    text.replace(at, end - at, kShown);
    at = text.find(head, at + kShown.size());
  }
  return text;
}

Credentials::Credentials(AuthRef auth, const Clock& clock)
    : auth_(std::move(auth)), clock_(clock) {}

Result<const Secrets*> Credentials::get() {
  const MonoTime now = clock_.now();
  if (read_at_ && now - *read_at_ < limits::kCredentialsReread) return &*secrets_;
  Secrets fresh = secrets_.value_or(Secrets{});
  auto token = read_token_into(fresh);
  auto tls = read_tls_into(fresh);
  unread_.reset();
  if (!tls) unread_ = std::move(tls.error());
  if (!token) unread_ = std::move(token.error());
  if (unread_ && !secrets_) return tl::unexpected(*unread_);
  secrets_ = std::move(fresh);
  read_at_.reset();
  if (!unread_) read_at_ = now;
  return &*secrets_;
}

Result<void> Credentials::read_token_into(Secrets& fresh) const {
  if (auth_.token_file.empty()) return {};
  auto token = read_token(auth_.token_file);
  if (!token) return tl::unexpected(std::move(token.error()));
  fresh.token = std::move(*token);
  return {};
}

Result<void> Credentials::read_tls_into(Secrets& fresh) const {
  Secrets read;
  const struct {
    const std::string& path;
    std::string& into;
    std::string_view what;
  } pems[] = {{auth_.ca_file, read.ca_pem, "ca_file"},
              {auth_.cert_file, read.cert_pem, "cert_file"},
              {auth_.key_file, read.key_pem, "key_file"}};
  for (const auto& pem : pems) {
    if (pem.path.empty()) continue;
    auto text = read_secret_file(pem.path, limits::kMaxPemFileBytes, pem.what);
    if (!text) return tl::unexpected(std::move(text.error()));
    if (text->empty()) return bad_file(ErrorCode::AuthFailed, pem.path, pem.what, "is empty");
    pem.into = std::move(*text);
  }
  if (fresh.same_tls(read)) return {};
  // At first there is nothing better: whether they load shows, and is told, where they are used.
  if (secrets_) {
    if (auto loads = loads_as_tls(read); !loads) return loads;
  }
  fresh.ca_pem = std::move(read.ca_pem);
  fresh.cert_pem = std::move(read.cert_pem);
  fresh.key_pem = std::move(read.key_pem);
  return {};
}

ProvisioningError Credentials::explained(ProvisioningError error) {
  const bool theirs = error.code == ErrorCode::AuthFailed ||
                      error.code == ErrorCode::PermissionDenied ||
                      error.code == ErrorCode::InvalidConfig;
  if (!theirs) return error;
  read_at_.reset();
  if (secrets_ && unread_) {
    error.message += " (with what was read before; now " + unread_->message + ")";
  }
  return error;
}

}  // namespace rollcall
