// Breaking changes of rollcall.v1 are caught against v1.binpb, the descriptor set of the API as it
// was last released (DESIGN "The API"). See README.md for how it is renewed after an addition.
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/proto/compatibility.h"
#include "tests/support/source_dir.h"

namespace rollcall::testing {
namespace {

namespace pb = google::protobuf;

pb::FileDescriptorSet load(const std::string& path) {
  pb::FileDescriptorSet set;
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  EXPECT_TRUE(set.ParseFromIstream(&in)) << path;
  return set;
}

pb::FileDescriptorSet released() {
  return load(test::source_dir().string() + "/tests/proto/v1.binpb");
}

pb::DescriptorProto* message(pb::FileDescriptorSet& set, const std::string& name) {
  for (auto& file : *set.mutable_file()) {
    for (auto& m : *file.mutable_message_type()) {
      if (m.name() == name) return &m;
    }
  }
  return nullptr;
}

TEST(ProtoCompatibility, TheCurrentApiKeepsWhatWasReleased) {
  const char* current = std::getenv("ROLLCALL_DESCRIPTOR_SET");
  ASSERT_NE(current, nullptr);
  const auto broken = breaking_changes(released(), load(current));
  for (const auto& b : broken) ADD_FAILURE() << b;
}

TEST(ProtoCompatibility, AFieldThatChangesItsNumberIsCaught) {
  auto changed = released();
  message(changed, "WatchRequest")->mutable_field(0)->set_number(99);
  EXPECT_FALSE(breaking_changes(released(), changed).empty());
}

TEST(ProtoCompatibility, AFieldThatChangesItsTypeIsCaught) {
  auto changed = released();
  message(changed, "WatchRequest")->mutable_field(2)->set_type(pb::FieldDescriptorProto::TYPE_FIXED64);
  EXPECT_EQ(breaking_changes(released(), changed).size(), 1u);
}

TEST(ProtoCompatibility, AMethodThatIsRemovedIsCaught) {
  auto changed = released();
  for (auto& file : *changed.mutable_file()) {
    if (file.service_size() > 0) file.mutable_service(0)->mutable_method()->RemoveLast();
  }
  EXPECT_FALSE(breaking_changes(released(), changed).empty());
}

TEST(ProtoCompatibility, AnAdditionIsWelcome) {
  auto changed = released();
  auto* f = message(changed, "WatchRequest")->add_field();
  f->set_name("added_later");
  f->set_number(1000);
  f->set_type(pb::FieldDescriptorProto::TYPE_STRING);
  EXPECT_TRUE(breaking_changes(released(), changed).empty());
}

// A batch of many is the concatenation of batches of one only while `events` is field 1 (DESIGN).
TEST(ProtoCompatibility, BatchesConcatenate) {
  auto set = released();
  const auto* batch = message(set, "WatchBatch");
  ASSERT_NE(batch, nullptr);
  ASSERT_EQ(batch->field_size(), 1);
  EXPECT_EQ(batch->field(0).number(), 1);
  EXPECT_EQ(batch->field(0).label(), pb::FieldDescriptorProto::LABEL_REPEATED);
}

}  // namespace
}  // namespace rollcall::testing
