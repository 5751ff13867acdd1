#include "providers/common/http_response.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/text.h"

namespace rollcall {
namespace {

tl::unexpected<ProvisioningError> malformed(std::string_view what, std::string_view found) {
  std::string message = "not an HTTP answer: ";
  message.append(what).append(", found \"").append(printable(found, 64)).append("\"");
  return fail(ErrorCode::MalformedResponse, std::move(message));
}

tl::unexpected<ProvisioningError> too_large(std::string_view what, std::size_t limit) {
  return fail(ErrorCode::LimitExceeded,
              std::string(what) + " above the limit of " + std::to_string(limit));
}

bool token_character(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<std::uint64_t> number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

const std::string* HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

bool HttpResponseParser::reads_lines() const {
  switch (state_) {
    case State::StatusLine:
    case State::Headers:
    case State::ChunkSize:
    case State::ChunkEnd:
    case State::Trailers:
      return true;
    case State::BodyOfLength:
    case State::BodyUntilClose:
    case State::ChunkData:
    case State::Complete:
      return false;
  }
  return false;
}

Result<std::size_t> HttpResponseParser::feed(std::string_view data) {
  const std::size_t given = data.size();
  if (!data.empty()) started_ = true;
  while (!data.empty() && state_ != State::Complete) {
    if (!reads_lines()) {
      std::size_t take = data.size();
      if (state_ != State::BodyUntilClose) take = std::min<std::uint64_t>(take, remaining_);
      if (auto ok = append(data.substr(0, take)); !ok) return tl::unexpected(std::move(ok.error()));
      data.remove_prefix(take);
      continue;
    }
    const std::size_t end = data.find('\n');
    const std::string_view piece = data.substr(0, end);
    const bool of_chunk = state_ == State::ChunkSize || state_ == State::ChunkEnd;
    if (of_chunk && line_.size() + piece.size() > limits::kMaxHttpChunkLine) {
      return too_large("a chunk's head", limits::kMaxHttpChunkLine);
    }
    if (!of_chunk) header_bytes_ += piece.size() + 1;
    if (header_bytes_ > limits::kMaxHttpHeaderBytes) {
      return too_large("headers in bytes", limits::kMaxHttpHeaderBytes);
    }
    line_.append(piece);
    data.remove_prefix(end == std::string_view::npos ? data.size() : end + 1);
    if (end == std::string_view::npos) break;
    if (!line_.ends_with('\r')) return malformed("a line must end with CR LF", line_);
    line_.pop_back();
    const std::string line = std::exchange(line_, {});
    if (auto ok = on_line(line); !ok) return tl::unexpected(std::move(ok.error()));
  }
  return given - data.size();
}

Result<void> HttpResponseParser::end_of_stream() {
  if (state_ == State::BodyUntilClose) state_ = State::Complete;
  if (state_ == State::Complete) return {};
  if (!started_) return fail(ErrorCode::BackendUnavailable, "closed without an answer");
  return fail(
      ErrorCode::MalformedResponse,
      "the answer was cut after " + std::to_string(response_.body.size()) + " bytes of its body");
}

Result<void> HttpResponseParser::on_line(std::string_view line) {
  switch (state_) {
    case State::StatusLine:
      return on_status_line(line);
    case State::Headers:
      return line.empty() ? on_headers_end() : on_header(line);
    case State::ChunkSize:
      return on_chunk_size(line);
    case State::ChunkEnd:
      if (!line.empty()) return malformed("a chunk must end with CR LF", line);
      state_ = State::ChunkSize;
      return {};
    case State::Trailers:
      if (line.empty()) state_ = State::Complete;  // trailers themselves say nothing we need
      return {};
    case State::BodyOfLength:
    case State::BodyUntilClose:
    case State::ChunkData:
    case State::Complete:
      break;
  }
  return {};
}

Result<void> HttpResponseParser::on_status_line(std::string_view line) {
  const bool known = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
  const auto status = line.size() >= 12 ? number(line.substr(9, 3), 10) : std::nullopt;
  if (!known || !status || *status < 100 || *status > 599 ||
      (line.size() > 12 && line[12] != ' ')) {
    return malformed("a status line of HTTP/1.1 is expected", line);
  }
  reusable_ = line.starts_with("HTTP/1.1");
  response_.status = static_cast<int>(*status);
  state_ = State::Headers;
  return {};
}

Result<void> HttpResponseParser::on_header(std::string_view line) {
  if (response_.headers.size() == limits::kMaxHttpHeaders) {
    return too_large("the number of headers", limits::kMaxHttpHeaders);
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || name.empty() ||
      !std::all_of(name.begin(), name.end(), token_character)) {
    return malformed("a header must be name: value", line);
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (std::any_of(value.begin(), value.end(),
                  [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 127; })) {
    return malformed("control characters in a header", line);
  }
  response_.headers.emplace_back(lower(name), std::string(value));
  return {};
}

Result<void> HttpResponseParser::on_headers_end() {
  if (response_.status < 200) {  // informational: the real answer follows
    if (++informational_ > limits::kMaxHttpInformational || response_.status == 101) {
      return malformed("one final answer is expected", std::to_string(response_.status));
    }
    response_ = {};
    state_ = State::StatusLine;
    return {};
  }
  std::optional<std::uint64_t> length;
  bool chunked = false;
  for (const auto& [name, value] : response_.headers) {
    if (name == "content-length") {
      const auto parsed = number(value, 10);
      if (!parsed || (length && *length != *parsed)) {
        return malformed("one content-length is expected", value);
      }
      length = parsed;
    } else if (name == "transfer-encoding") {
      if (chunked || lower(value) != "chunked") return malformed("an unknown coding", value);
      chunked = true;
    } else if (name == "content-encoding" && lower(value) != "identity") {
      return malformed("no content coding was asked for", value);
    } else if (name == "connection" && lower(value).find("close") != std::string::npos) {
      reusable_ = false;
    }
  }
  if (chunked && length) return malformed("a length and chunks contradict each other", "both");
  if (response_.status == 204 || response_.status == 304) {
    state_ = State::Complete;
  } else if (chunked) {
    state_ = State::ChunkSize;
  } else if (length) {
    if (*length > max_body_) {
      return fail(ErrorCode::LimitExceeded, "an answer of " + std::to_string(*length) +
                                                " bytes is above the limit of " +
                                                std::to_string(max_body_));
    }
    remaining_ = *length;
    // Room for the JSON reader's padding, so that it needs no copy.
    response_.body.reserve(static_cast<std::size_t>(*length) + limits::kBodyPadding);
    state_ = remaining_ == 0 ? State::Complete : State::BodyOfLength;
  } else {
    reusable_ = false;
    state_ = State::BodyUntilClose;
  }
  return {};
}

Result<void> HttpResponseParser::on_chunk_size(std::string_view line) {
  const auto size = number(trimmed(line.substr(0, line.find(';'))), 16);
  if (!size) return malformed("a chunk's size is expected", line);
  remaining_ = *size;
  state_ = remaining_ == 0 ? State::Trailers : State::ChunkData;
  return {};
}

Result<void> HttpResponseParser::append(std::string_view data) {
  if (data.size() > max_body_ - response_.body.size()) {
    return fail(ErrorCode::LimitExceeded,
                "the answer goes on above the limit of " + std::to_string(max_body_) + " bytes");
  }
  response_.body.append(data);
  if (state_ == State::BodyUntilClose) return {};
  remaining_ -= data.size();
  if (remaining_ == 0) {
    state_ = state_ == State::BodyOfLength ? State::Complete : State::ChunkEnd;
  }
  return {};
}

}  // namespace rollcall
