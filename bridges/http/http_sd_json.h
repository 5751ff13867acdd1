// The body of GET /v1/http_sd: the served members in the Prometheus http_sd format (core/http_sd.h
// says which labels). One target group a member, in order of ids: the same members are always the
// same bytes.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "core/member_map.h"
#include "core/snapshot.h"

namespace rollcall {

// "[]\n" when there are none. Pure, any thread.
std::string http_sd_json(const MemberMap& members);

// "\"<snapshot_hash>\"": equal members have equal hashes, whoever serves them (RFC 9110 8.8.3).
std::string http_sd_etag(const TopologySnapshot& snapshot);

// Whether an If-None-Match header names this ETag: *, or a list that has it, weak or not.
bool etag_matches(std::string_view if_none_match, std::string_view etag);

// Keeps the last document, so that a version of the members is written once, however many ask.
// Threads: any. Those who ask for a version that is being written wait for it.
class HttpSdDocument {
 public:
  std::shared_ptr<const std::string> of(const MemberMap& members);

 private:
  std::mutex mutex_;  // guards both
  MemberMap members_;
  std::shared_ptr<const std::string> text_;
};

}  // namespace rollcall
