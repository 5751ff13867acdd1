// HttpResponseParser: an HTTP/1.1 answer, read strictly and within limits, from pieces of any size.
// A pure state machine (no socket, no clock), so that it can be fuzzed and tested byte by byte.
//
// Strict where leniency lets an answer be misread: lengths that contradict each other, a transfer
// coding other than chunked, folded headers, control characters and bare line ends are refused.
//
// Threads: belongs to one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/limits.h"
#include "providers/common/limits.h"

namespace rollcall {

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in order
  std::string body;

  // The value, or null; of several the first. `name` in lower case.
  const std::string* header(std::string_view name) const;
};

class HttpResponseParser {
 public:
  explicit HttpResponseParser(std::size_t max_body = limits::kMaxBackendAnswerBytes)
      : max_body_(max_body) {}

  // Takes bytes; returns how many belonged to this answer (fewer than given: it is complete).
  // MALFORMED_RESPONSE or LIMIT_EXCEEDED, after which the connection is of no more use.
  Result<std::size_t> feed(std::string_view data);
  // The peer closed. An error unless that completes the answer.
  Result<void> end_of_stream();

  bool started() const { return started_; }  // a byte of an answer has come
  // Status and headers of the final answer are there; what follows is its body.
  bool has_head() const { return state_ > State::Headers; }
  bool complete() const { return state_ == State::Complete; }
  // What of the body has come, taken out: a body that is read piece by piece is bounded by piece.
  std::string take_body() { return std::exchange(response_.body, {}); }
  // Whether the connection may carry another request; asked when complete.
  bool reusable() const { return reusable_; }
  HttpResponse& response() { return response_; }

 private:
  enum class State : std::uint8_t {
    StatusLine,
    Headers,
    BodyOfLength,
    BodyUntilClose,
    ChunkSize,
    ChunkData,
    ChunkEnd,
    Trailers,
    Complete,
  };

  Result<void> on_line(std::string_view line);
  Result<void> on_status_line(std::string_view line);
  Result<void> on_header(std::string_view line);
  Result<void> on_headers_end();
  Result<void> on_chunk_size(std::string_view line);
  Result<void> append(std::string_view data);
  bool reads_lines() const;

  std::size_t max_body_;
  State state_ = State::StatusLine;
  HttpResponse response_;
  std::string line_;
  std::size_t header_bytes_ = 0;  // of status line, headers and trailers together
  std::uint64_t remaining_ = 0;   // of the body or the chunk
  std::size_t informational_ = 0;
  bool started_ = false;
  bool reusable_ = true;
};

}  // namespace rollcall
