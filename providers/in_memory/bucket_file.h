// The text of one bucket of in-memory members: JSON, one member a line, so that an error has a line
// and a person can read it.
//
//   {"format":1,"min_reader":1,"checksum":"0123456789abcdef","members":[
//   {"id":"n1","host":"10.0.0.1","port":7000},
//   {"id":"n2","host":"10.0.0.2","port":7000}
//   ]}
//
// The checksum is XXH64 of everything after the first line. Fields that this version doesn't know,
// of the file and of a member, are kept when it is written again (SPEC 7).
//
// Pure functions, any thread.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/codec/json_value.h"
#include "core/error.h"
#include "core/ids.h"
#include "core/node.h"

namespace rollcall {

inline constexpr std::size_t kBuckets = 256;
inline constexpr std::size_t kMaxBucketFileBytes = 64u << 20;  // far above kMaxMembers / kBuckets

// FNV-1a of the id, folded to one byte: part of the format, because it says where a member is.
std::size_t bucket_of(const NodeId& id);
std::string bucket_file_name(std::size_t bucket);  // "00.json" … "ff.json"

struct StoredMember {
  std::shared_ptr<const ClusterNode> node;
  JsonValue::Object unknown;  // usually empty
};

struct Bucket {
  std::map<NodeId, StoredMember> members;
  JsonValue::Object unknown;
};

Result<std::string> encode_bucket(const Bucket& bucket);

// STORE_CORRUPTED with the file, the line, the reason and the command that recovers, or that a
// later version wrote it and has to be run (core/recovery.h). `bucket` is the number that the
// file's name says: a member that belongs elsewhere is corruption too.
Result<Bucket> decode_bucket(std::string_view text, const std::string& path, std::size_t bucket);

}  // namespace rollcall
