// Finds what would break a client of an older `rollcall.v1`: anything that the older API had and the
// newer lacks or has changed on the wire, in JSON, or in a method's shape. Additions are welcome.
#pragma once

#include <string>
#include <vector>

#include <google/protobuf/descriptor.pb.h>

namespace rollcall::testing {

// One sentence a breaking change, each naming the full name of what changed. Empty: compatible.
std::vector<std::string> breaking_changes(const google::protobuf::FileDescriptorSet& older,
                                          const google::protobuf::FileDescriptorSet& newer);

}  // namespace rollcall::testing
